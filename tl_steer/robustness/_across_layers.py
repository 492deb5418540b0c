"""A direction that was read at one layer, added at another."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tl_steer.arguments import Confidence, Seed, checked
from tl_steer.causal import LogitMetric, Metric
from tl_steer.data import plain_texts
from tl_steer.directions import Direction, Directions
from tl_steer.drawing.canvas import single
from tl_steer.drawing.maps import heat, scale
from tl_steer.errors import DataError, MismatchError, NonFiniteError, SteerError
from tl_steer.generation import Sampling, compare
from tl_steer.interventions import Add
from tl_steer.judges import Judge, scores_of
from tl_steer.lens.hook_names import layer_of
from tl_steer.lens.protocol import SteerableModel, require_steerable
from tl_steer.lens.tokens import Chat
from tl_steer.page.html import result_html
from tl_steer.robustness._prompt_metric import PromptMetric
from tl_steer.scopes import Scope, everywhere
from tl_steer.statistics import paired_difference, prompts_of
from tl_steer.steering import Steering

_Pair = tuple[str, str]
_Scores = tuple[np.ndarray, np.ndarray]
"""Of each text, and the prompt that it is of."""


@dataclass(frozen=True, eq=False)
class _Added:
    """A direction, where and how strongly it is added."""

    direction: Direction
    strength: float
    at: str
    scope: Scope | slice

    @property
    def add(self) -> Add:
        return Add(self.direction, self.strength, at=self.at, scope=self.scope)


@checked
@dataclass(frozen=True, eq=False)
class AcrossLayers:
    """What directions do elsewhere than where they were read; made by :func:`across_layers`."""

    frame: pd.DataFrame
    """One row a pair: ``read_at`` and ``added_at`` (hook names), ``read_layer``, ``added_layer``,
    ``cosine`` (with the direction that was read where it is added), ``strength``, relative
    ``dose`` at the place where it is added, ``effect`` (change of the measure, the mean over
    texts) with ``low`` and ``high``, the ends of its paired bootstrap interval over prompts, and
    ``share_of_own`` (the effect over that of the direction which was read there)."""

    dose: float

    def plot(self, value: str = "effect") -> Figure:
        """A square for each pair: read at the layer below, added at the layer at the side.

        Args:
            value: ``effect``, ``cosine`` or ``share_of_own``.

        Raises:
            DataError: For another column.
        """
        if value not in ("effect", "cosine", "share_of_own"):
            raise DataError(f"{value!r}: expected effect, cosine or share_of_own.")
        names = list(dict.fromkeys(self.frame["read_at"]))
        places = list(dict.fromkeys(self.frame["added_at"]))
        table = self.frame.pivot(index="added_at", columns="read_at", values=value)
        table = table.loc[places, names]
        limit = float(np.nanmax(np.abs(table.to_numpy()), initial=0.0)) or 1.0
        figure, axes = single(4.2)
        drawn = heat(axes, table.to_numpy(float), limit=limit, upwards=True)
        axes.set_xticks(range(len(names)), [_short(each, names) for each in names], rotation=90)
        axes.set_yticks(range(len(places)), [_short(each, places) for each in places])
        axes.set(xlabel="read at", ylabel="added at")
        scale(drawn, figure, value.replace("_", " "))
        return figure

    def __repr__(self) -> str:
        """What the neighbours do, and what they all do."""
        moved = self.frame[self.frame["read_at"] != self.frame["added_at"]]
        own = self.frame[self.frame["read_at"] == self.frame["added_at"]]
        return (
            f"AcrossLayers({len(own)} directions where they were read: mean effect "
            f"{own['effect'].mean():+.3f}; {len(moved)} moved: {moved['effect'].mean():+.3f}; "
            f"dose {self.dose:g})"
        )

    def _repr_html_(self) -> str:
        return result_html(repr(self), self.frame)


@checked
def across_layers(
    model: SteerableModel,
    directions: Directions,
    prompts: Sequence[str],
    measure: Metric | LogitMetric | Judge,
    *,
    dose: float = 0.1,
    added_at: Sequence[str] | None = None,
    scope: Scope | slice = everywhere,
    sampling: Sampling = Sampling(),  # noqa: B008, frozen
    chat: Chat | None = None,
    confidence: Confidence = 0.95,
    seed: Seed = 0,
    progress: bool = True,
) -> AcrossLayers:
    """Add the direction of each layer at each layer, all at one relative dose, and measure.

    Each gets the strength ``α = dose · ‖h‖ / ‖v‖``, with the mean norm of the activations at the
    place where it is added; so that all pairs differ in what is added and not in how much.

    Args:
        model: Any TransformerLens model.
        directions: Of hook points of one shape; each is added at every one of them.
        prompts: Texts whose end is measured, or that are continued; two or more, for intervals.
        measure: A metric of the token after the prompt, such as ``LogitDifference(" good",
            " bad")`` or ``LogProbability``, for which nothing is written; or a judge of texts.
        dose: Relative dose ``‖αv‖ / ‖h‖``; negative to steer the other way.
        added_at: Only at these hook points, of which each has to have a direction.
        scope: Which tokens are steered; some of the prompt, for a metric.
        sampling: How texts are drawn, for a judge.
        chat: Put each prompt into the chat template, as the user's turn.
        confidence: Of the intervals.
        seed: Of the bootstrap; the sampling has its own.
        progress: Whether to show a progress bar, where texts are written.

    Raises:
        DataError: For no directions or prompts, or a judge that does not give one number for each
            text.
        HookNameError: For a place without a direction.
        MismatchError: For directions of several shapes, or of another model.
        SteerError: For a dose that is zero or not finite.
        NonFiniteError: For a zero direction, or where the measure is not finite.
    """
    require_steerable(model)
    places = list(directions) if added_at is None else [str(each) for each in added_at]
    texts = plain_texts(prompts, "prompts")
    _check(model, directions, places, texts, dose)
    added = {
        (name, place): _Added(one, dose * directions[place].scale / one.norm, place, scope)
        for place in places
        for name, one in directions.items()
    }
    if isinstance(measure, Judge):
        scored = _judged(model, texts, added, measure, sampling, chat, progress=progress)
    else:
        scored = _read_off(PromptMetric.of(model, texts, measure, chat=chat), added)
    base, prompt = scored[None]
    rows = []
    for (name, place), one in added.items():
        found = paired_difference(
            scored[name, place][0], base, prompt, confidence=confidence, seed=seed
        )
        rows.append(
            {
                "read_at": name,
                "added_at": place,
                "read_layer": layer_of(name),
                "added_layer": layer_of(place),
                "cosine": directions[name].cosine(directions[place]),
                "strength": one.strength,
                "dose": dose,
                "effect": found.estimate,
                "low": found.low,
                "high": found.high,
            }
        )
    frame = pd.DataFrame(rows)
    own = frame[frame["read_at"] == frame["added_at"]].set_index("added_at")["effect"]
    frame["share_of_own"] = frame["effect"] / frame["added_at"].map(own).replace(0.0, math.nan)
    return AcrossLayers(frame, dose)


def _judged(
    model: SteerableModel,
    texts: Sequence[str],
    added: Mapping[_Pair, _Added],
    judge: Judge,
    sampling: Sampling,
    chat: Chat | None,
    *,
    progress: bool,
) -> dict[_Pair | None, _Scores]:
    conditions: dict[str, Steering | None] = {"": None}
    conditions |= {str(number): Steering(one.add) for number, one in enumerate(added.values())}
    written = compare(model, texts, conditions, sampling, chat=chat, progress=progress)
    frame = written.frame.assign(score=scores_of(judge, written.texts))
    return {
        pair: (part["score"].to_numpy(float), prompts_of(part))
        for pair, (_, part) in zip(
            (None, *added), frame.groupby("condition", sort=False), strict=True
        )
    }


def _read_off(metric: PromptMetric, added: Mapping[_Pair, _Added]) -> dict[_Pair | None, _Scores]:
    """Directions that are added at one place share their passes, in rows of their own."""
    n = len(metric.rows)
    prompt = np.arange(n)
    found: dict[_Pair | None, _Scores] = {None: (metric.all(Steering()).double().numpy(), prompt)}
    for place in dict.fromkeys(place for _, place in added):
        here = {pair: one for pair, one in added.items() if pair[1] == place}
        every = [one for one in here.values() for _ in range(n)]
        together = Add(
            [one.direction for one in every],
            [one.strength for one in every],
            at=place,
            scope=every[0].scope,
        )
        values = metric.all(Steering(together), list(range(n)) * len(here)).view(len(here), n)
        found |= {
            pair: (own.double().numpy(), prompt) for pair, own in zip(here, values, strict=True)
        }
    return found


def _short(name: str, among: Sequence[str]) -> str:
    layers = [layer_of(each) for each in among]
    return str(layer_of(name)) if len(set(layers)) == len(layers) else name


def _check(
    model: SteerableModel,
    directions: Directions,
    places: Sequence[str],
    texts: Sequence[str],
    dose: float,
) -> None:
    if not directions or not places or not texts:
        raise DataError(
            f"Got {len(directions)} directions, {len(places)} hook points and {len(texts)} "
            "prompts. Give at least one of each."
        )
    if dose == 0 or not math.isfinite(dose):
        raise SteerError(f"dose={dose}: expected a share of the activations' norm, such as 0.1.")
    first = next(iter(directions.values()))
    for place in places:
        _ = directions[place]
    for name, one in directions.items():
        _require_alike(one, first)
        one.check_fits(model, name)
        if one.scale == 0 or one.norm == 0:
            raise NonFiniteError(f"{name}: a direction or a scale of zero has no relative dose.")


def _require_alike(one: Direction, other: Direction) -> None:
    if one.vector.shape != other.vector.shape:
        raise MismatchError(
            f"{one.hook_name} and {other.hook_name} hold {tuple(one.vector.shape)} and "
            f"{tuple(other.vector.shape)} numbers; take hook points of one kind, such as "
            'directions.at("hook_resid_post").'
        )
