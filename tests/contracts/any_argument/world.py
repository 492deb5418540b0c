"""Good arguments for every public function: small, cheap, of one small model."""

from functools import cached_property
from types import SimpleNamespace
from typing import Any

import pandas as pd
import torch
from any_argument.basics import AT, EARLY, FEW, PROMPTS
from any_argument.kept import Kept
from frames_of import cells_of, controlled_of, results_of, texts_of_cells

import tl_steer as ts


class World(Kept):
    """What valid calls are made of; each made once, and nothing changes any of it."""

    @cached_property
    def cells(self) -> pd.DataFrame:
        return cells_of(layers=(11, 14), strengths=(-2.0, 2.0), controls=3)

    @cached_property
    def texts(self) -> pd.DataFrame:
        return texts_of_cells()

    @cached_property
    def per_prompt(self) -> pd.DataFrame:
        return ts.reports.effects_per_prompt(self.texts, "sentiment")

    @cached_property
    def controlled(self) -> ts.controls.ControlsResult:
        return controlled_of(controls=4, shuffled=2)

    @cached_property
    def results(self) -> ts.reports.StudyResults:
        # What is empty has no section, and takes no time to draw.
        nothing = {name: pd.DataFrame() for name in ("cells", "texts", "table", "chosen")}
        return results_of(controlled={}, people=None, **nothing)

    @cached_property
    def steerable(self) -> pd.DataFrame:
        rows = [
            {"strength": s, "prompt_index": p, "prompt": text, "value": 0.1 * s + 0.01 * p}
            for p, text in enumerate(PROMPTS)
            for s in (-1.0, 0.0, 1.0)
        ]
        return pd.DataFrame(rows)

    @cached_property
    def steerability(self) -> ts.metrics.Steerability:
        return ts.metrics.steerability(self.steerable, draws=20)

    @cached_property
    def swept(self) -> ts.experiments.SweepResult:
        return ts.sweep(
            self.model, PROMPTS, self.direction, [1.0], sampling=FEW, judges=self.judge,
            run=ts.experiments.Run(progress=False),
        )  # fmt: skip

    @cached_property
    def calibration(self) -> ts.experiments.Calibration:
        return ts.calibrate(
            self.model, self.direction, self.judge, validation=PROMPTS[:2], test=PROMPTS[2:],
            sampling=FEW, search=ts.experiments.Search(tries=1),
            run=ts.experiments.Run(progress=False),
        )  # fmt: skip

    @cached_property
    def diagnosis(self) -> ts.diagnostics.Diagnosis:
        return ts.diagnose(self.activations, self.held_out, self.directions, splits=2, resamples=20)

    @cached_property
    def interference(self) -> ts.diagnostics.Interference:
        two = ts.Steering(joy=self.add, film=ts.Add(self.other))
        return ts.diagnostics.interference(
            self.model, PROMPTS, two, [self.judge], FEW, progress=False
        )

    @cached_property
    def drift(self) -> ts.robustness.Drift:
        return ts.robustness.drift(
            self.model, PROMPTS, self.steering, self.judge, FEW, tokens=4, window=2,
            progress=False,
        )  # fmt: skip

    @cached_property
    def traced(self) -> ts.Trace:
        return ts.trace(self.model, PROMPTS, self.steering, FEW, progress=False)

    @cached_property
    def elsewhere(self) -> ts.robustness.Generalization:
        return ts.robustness.generalization(
            self.model, self.steering, {"here": PROMPTS}, self.judge, FEW, progress=False
        )

    @cached_property
    def across(self) -> ts.robustness.AcrossLayers:
        return ts.robustness.across_layers(
            self.model, self.directions, PROMPTS, self.metric, progress=False
        )

    @cached_property
    def flips(self) -> ts.dosing.DosesToFlip:
        return ts.dosing.dose_to_flip(self.model, PROMPTS, "good", "bad", self.direction, scan=2)

    @cached_property
    def perturbed(self) -> ts.robustness.Perturbations:
        return ts.robustness.smallest_perturbation(
            self.model, PROMPTS, "good", "bad", at=AT, steps=3, n_random=2
        )

    @cached_property
    def map(self) -> ts.robustness.ActivationMap:
        return ts.robustness.fit_map(self.activations, self.activations, from_at=EARLY, to_at=AT)

    @cached_property
    def elicited(self) -> ts.trained.MelboResult:
        return ts.trained.melbo(
            self.model, PROMPTS, at=EARLY, until="blocks.2.hook_resid_post", n=1,
            fit=ts.trained.Fit(2), progress=False,
        )  # fmt: skip

    @cached_property
    def trained(self) -> ts.trained.TrainedDirection:
        return ts.trained.bipo(
            self.model, self.preferences, at=AT, fit=ts.trained.Fit(2), progress=False
        )

    @cached_property
    def sae(self) -> Any:
        width, generator = 32, torch.Generator().manual_seed(0)
        w_dec = torch.randn(12, width, generator=generator)
        return SimpleNamespace(
            W_dec=w_dec,
            W_enc=w_dec.T,
            cfg=SimpleNamespace(hook_name=AT),
            encode=lambda x: (x @ w_dec.T).relu(),
        )

    @cached_property
    def features(self) -> ts.trained.SaeFeatures:
        return ts.trained.sae_features(
            self.model, self.sae, self.pairs, candidates=2, prompts=["the film"], k=2,
            progress=False,
        )  # fmt: skip

    @cached_property
    def within_kl(self) -> ts.dosing.StrengthsWithinKL:
        return ts.dosing.strength_within_kl(
            self.model, PROMPTS, self.direction, 0.1, tolerance=0.05, progress=False
        )

    @cached_property
    def kl_of(self) -> Any:
        from tl_steer.dosing import NextTokenKL

        return NextTokenKL.on(self.model, PROMPTS)

    @cached_property
    def side_effects(self) -> ts.metrics.SideEffects:
        return ts.side_effects(self.model, PROMPTS, self.steering)

    @cached_property
    def accuracy(self) -> ts.metrics.Accuracy:
        return ts.metrics.accuracy(self.model, self.questions)
