"""What one or a few passes of the small model give."""

from dataclasses import replace
from functools import cached_property
from typing import Any

from any_argument.basics import AT, EARLY, FEW, PROMPTS, WORDS, Basics, Z
from controls_of import REVIEWS
from interventions_of import conceptor, erasure, transport
from making import direction
from strengths_of import ellipsoid

import tl_steer as ts


class Found(Basics):
    """Activations, directions, and what was localized."""

    @cached_property
    def directions(self) -> ts.Directions:
        return ts.Directions({name: direction(self.model, name) for name in (EARLY, AT)})

    @cached_property
    def activations(self) -> ts.Activations:
        return ts.capture(self.model, REVIEWS, at=[EARLY, AT], progress=False)

    @cached_property
    def held_out(self) -> ts.Activations:
        shuffled = REVIEWS.sample(5, seed=3)
        return ts.capture(self.model, shuffled, at=[EARLY, AT], progress=False)

    @cached_property
    def heads(self) -> ts.Activations:
        return ts.capture(self.model, REVIEWS, at=Z, progress=False)

    @cached_property
    def heads_held_out(self) -> ts.Activations:
        return ts.capture(self.model, REVIEWS.sample(6, seed=1), at=Z, progress=False)

    @cached_property
    def generations(self) -> ts.Generations:
        return ts.compare(self.model, PROMPTS, self.steering, FEW, progress=False)

    @cached_property
    def experiment(self) -> Any:
        return ts.localize(
            self.model, self.same_length, self.metric, at=AT, progress=False
        ).experiment

    @cached_property
    def same_length(self) -> ts.ContrastSet:
        return ts.ContrastSet(
            ["the film was good", "a movie was great", "it was bright"],
            ["the film was bad", "a movie was awful", "it was dull"],
            paired=True,
        )

    @cached_property
    def metric(self) -> ts.causal.LogitDifference:
        return ts.causal.LogitDifference("good", "bad")

    @cached_property
    def localized(self) -> ts.causal.Localization:
        return ts.localize(
            self.model, self.same_length, self.metric, at="blocks.*.hook_resid_post",
            progress=False,
        )  # fmt: skip

    @cached_property
    def heads_localized(self) -> ts.causal.Localization:
        return ts.localize(
            self.model, self.same_length, self.metric, at=Z,
            by=ts.causal.attribution_patching, progress=False,
        )  # fmt: skip

    @cached_property
    def positions_localized(self) -> ts.causal.Localization:
        return ts.localize(
            self.model, self.same_length, self.metric, at="blocks.*.hook_resid_post",
            positions=ts.causal.EachPosition(), progress=False,
        )  # fmt: skip

    @cached_property
    def certain(self) -> ts.causal.Localization:
        """As if the effects had been told from none."""
        frame = self.localized.frame.assign(low=1.0, high=2.0, effect=1.5)
        return replace(self.localized, frame=frame)

    @cached_property
    def verified(self) -> ts.causal.Verification:
        return ts.causal.verify(self.localized, k=2, progress=False)

    @cached_property
    def paths(self) -> ts.causal.PathEffects:
        return ts.causal.direct_effect(
            self.model, PROMPTS, self.direction, self.metric, progress=False
        )

    @cached_property
    def few_shot(self) -> ts.causal.FewShot:
        return ts.causal.few_shot(WORDS, shots=2, n=2)

    @cached_property
    def threshold(self) -> Any:
        return ts.scopes.fit_threshold(self.activations, self.direction)

    @cached_property
    def ellipsoid(self) -> ts.strengths.Ellipsoid:
        return ellipsoid(self.model)

    @cached_property
    def conceptor(self) -> ts.directions.Conceptor:
        return conceptor(self.model, AT)

    @cached_property
    def erasure(self) -> ts.directions.LeaceEraser:
        return erasure(self.model, AT)

    @cached_property
    def transport(self) -> ts.directions.TransportMap:
        return transport(self.model, AT)

    @cached_property
    def preferences(self) -> ts.data.Preferences:
        return ts.data.Preferences(
            PROMPTS, ["good", "great", "so good"], ["bad", "awful", "so bad"]
        )

    @cached_property
    def questions(self) -> ts.data.MultipleChoice:
        return ts.data.MultipleChoice(["the film was", "a movie is"], [["good", "bad"]] * 2, [0, 1])
