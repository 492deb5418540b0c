"""Effects as they are measured, prompt by prompt."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from tl_steer.batching import default_max_tokens, halving
from tl_steer.causal._experiment import Experiment
from tl_steer.causal._running import run, values
from tl_steer.lens.protocol import device_of, dtype_of
from tl_steer.trained import Batches

PerPrompt = Float[Tensor, "site prompt"]


@dataclass(frozen=True, eq=False)
class Effects:
    """What the metric is, and how much each exchange changes it; float64, on the CPU."""

    of: PerPrompt
    """Metric with the exchange minus metric without; NaN where a prompt lacks the site."""

    baseline: Float[Tensor, " prompt"]
    """The metric with nothing exchanged."""

    whole: Float[Tensor, " prompt"] | None
    """The partner's metric minus the baseline; ``None`` without partners."""


@runtime_checkable
class Method(Protocol):
    """Measures the effects of an experiment, or estimates them."""

    def __call__(
        self, experiment: Experiment, *, max_tokens: int | None, progress: bool
    ) -> Effects:
        """Return the effect of every site on every prompt."""
        ...


def blank(experiment: Experiment) -> Effects:
    """Effects of which none is known yet."""
    n_prompts = len(experiment.base)
    of = torch.full((len(experiment.sites), n_prompts), torch.nan, dtype=torch.float64)
    baseline, whole = of.new_full((2, n_prompts), torch.nan)
    return Effects(of, baseline, None if experiment.source is None else whole)


def batches_of(
    experiment: Experiment, lengths: Sequence[int], max_tokens: int | None, *, numbers: int
) -> Batches:
    """Bound batches by memory.

    Args:
        experiment: Of which model.
        lengths: Of the rows.
        max_tokens: Padded tokens in a batch, if that is known already.
        numbers: How many numbers a token keeps.
    """
    if max_tokens is None:
        model = experiment.model
        max_tokens = default_max_tokens(
            device_of(model), bytes_per_token=numbers * dtype_of(model).itemsize
        )
    return Batches(lengths, max_tokens)


def whole_difference(experiment: Experiment, effects: Effects, *, max_tokens: int | None) -> float:
    """How far the metric of the other class is from that of the prompts, on average.

    NaN where nothing shows it: for ablations, and for metrics that ask each prompt for something
    of its own, which the texts of another class cannot be asked for.
    """
    if effects.whole is not None:
        return float(effects.whole.mean())
    if not experiment.other or not experiment.measure.same_for_all:
        return float("nan")
    found: list[Tensor] = []

    def other(index: list[int]) -> Tensor:
        rows = [experiment.other[number] for number in index]
        # One stands for all prompts, so that any will do.
        return values(experiment, run(experiment, rows, [0] * len(rows))).double().cpu()

    lengths = [len(row) + len(experiment.measure.after(0)) for row in experiment.other]
    grouped = batches_of(experiment, lengths, max_tokens, numbers=working_numbers(experiment))
    with torch.inference_mode():
        for batch in grouped.of(range(len(lengths))):
            found += [part for _, part in halving(other, batch)]
    return float(torch.cat(found).mean() - effects.baseline.mean())


def working_numbers(experiment: Experiment) -> int:
    """A rough bound on what a token takes while the model runs: one block, and the logits."""
    cfg = experiment.model.cfg
    return 40 * int(cfg.d_model) + 2 * int(cfg.d_vocab)
