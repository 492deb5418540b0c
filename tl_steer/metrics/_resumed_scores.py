"""Continuations under an addition at many strengths, with the blocks below it run only once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tl_steer.batching import halving, length_sorted
from tl_steer.interventions import Add
from tl_steer.lens.context import Context
from tl_steer.lens.hook_names import layer_of, site_of
from tl_steer.lens.hook_points import attached
from tl_steer.lens.protocol import SteerableModel
from tl_steer.lens.resumed import Residual, residual_after, residual_before, unembedded
from tl_steer.lens.tokens import Batch
from tl_steer.metrics._continuation_scores import Continuations, Scores, progress_bar, room
from tl_steer.steering import Step


def log_probs_resumed(
    model: SteerableModel,
    read: Continuations,
    add: Add,
    *,
    max_tokens: int | None = None,
    progress: bool = False,
) -> Scores:
    """What :meth:`Continuations.log_probs` returns, up to rounding.

    The unsteered pass is kept up to where the addition acts, one batch at a time; each strength
    goes on from there.

    Args:
        model: One that can resume; see :func:`~tl_steer.lens.resumed.can_resume`.
        read: Prompts and continuations.
        add: With strengths for all prompts under one setting, then under the next, and so on. Its
            scope reads nothing.
        max_tokens: Padded tokens in a batch; by default from memory.
        progress: Whether to show a progress bar.
    """
    settings = (add.n_rows or 1) // read.n_prompts
    found = torch.zeros(settings, len(read.tokens))
    limit = room(model, max_tokens)

    def below(rows: list[int]) -> "_Below":
        batch = read.batch(model, rows)
        return _Below(model, read, add, rows, batch, residual_before(model, batch, _first(add)))

    with torch.inference_mode(), progress_bar(settings * len(read.rows), progress) as bar:
        for rows in length_sorted([len(row) for row in read.rows], max_tokens=limit):
            for part, base in halving(below, rows):
                at_once = max(1, limit // base.batch.tokens.shape[1])
                every = list(range(settings * len(part)))
                for start in range(0, len(every), at_once):
                    for some, values in halving(base.run, every[start : start + at_once]):
                        read.write_down(found, values, base.jobs(some))
                        bar.update(len(some))
    return found


@dataclass(frozen=True, eq=False)
class _Below:
    """Some rows, as far as no strength matters. Job ``j`` is row ``j % rows`` of a setting."""

    model: SteerableModel
    read: Continuations
    add: Add
    rows: Sequence[int]
    batch: Batch
    residual: Residual

    def jobs(self, index: Sequence[int]) -> list[tuple[int, int]]:
        """The setting and the row of each."""
        n = len(self.rows)
        return [(each // n, self.rows[each % n]) for each in index]

    def run(self, index: list[int]) -> Tensor:
        """Go on from here, under the settings asked for."""
        jobs = self.jobs(index)
        chosen = [each % len(self.rows) for each in index]
        batch = Batch(self.batch.tokens[chosen], self.batch.real[chosen])
        prompts = self.read.prompts
        own = self.add.rows([s * self.read.n_prompts + prompts[row] for s, row in jobs])
        after = self._steered(
            Step.of(own), batch, self.residual[chosen], self._context(jobs, batch)
        )
        # Unembedded only where something is read off: the vocabulary is the largest matrix of all.
        return self.read.read_off(lambda row, at: unembedded(self.model, after[row, at]), jobs)

    def _steered(self, step: Step, batch: Batch, residual: Residual, context: Context) -> Residual:
        name, first = self.add.hook_name, _first(self.add)
        if _is_residual(name):
            return residual_after(self.model, step.apply(residual, context, name), batch, first)

        def change(acts: Tensor, hook: Any) -> Tensor:
            return step.apply(acts, context, name)

        with attached(self.model, {name: change}):
            return residual_after(self.model, residual, batch, first)

    def _context(self, jobs: Sequence[tuple[int, int]], batch: Batch) -> Context:
        """What a timeline would have heard in a whole pass."""
        real = batch.real.long()
        positions = (real.cumsum(-1) - 1).masked_fill(real == 0, -1)
        lengths = [self.read.prompt_lengths[row] for _, row in jobs]
        return Context(
            positions,
            torch.tensor(lengths, device=positions.device),
            positions,
            whole_tokens=batch.tokens,
            tokenizer=self.model.tokenizer,
        )


def _is_residual(name: str) -> bool:
    return site_of(name) in ("hook_resid_pre", "hook_resid_post")


def _first(add: Add) -> int:
    """The first block that depends on the strength."""
    layer = layer_of(add.hook_name)
    return layer + 1 if site_of(add.hook_name) == "hook_resid_post" else layer
