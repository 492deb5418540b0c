"""Activation patching: exchange one site after the other, and see what comes out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm.auto import tqdm

from tl_steer.arguments import Count, checked
from tl_steer.batching import halving
from tl_steer.causal._effects import Effects, batches_of, blank, working_numbers
from tl_steer.causal._experiment import Experiment
from tl_steer.causal._outcome import LastLogits
from tl_steer.causal._running import Edit, base_logits, exchanged, run, source_acts, values
from tl_steer.shapes import Rows


@checked
def activation_patching(
    experiment: Experiment, *, max_tokens: Count | None = None, progress: bool = True
) -> Effects:
    """Measure every effect: one row of a forward pass for each site and prompt.

    ``effect = metric(a prompt with one site exchanged) − metric(the prompt)``

    Sites and prompts fill batches together, so that the time is that of ``sites × prompts`` rows,
    whatever the sites are. Prompts are taken in groups of similar length; of one group at a time
    the source activations are kept: tokens × the numbers that a token has at all hook points.

    Meng et al. (2022), "Locating and editing factual associations in GPT"
    (https://arxiv.org/abs/2202.05262); Heimersheim and Nanda (2024), "How to use and interpret
    activation patching" (https://arxiv.org/abs/2404.15255).

    Args:
        experiment: As :func:`~tl_steer.localize` prepares it.
        max_tokens: Padded tokens in a batch; by default from memory.
        progress: Whether to show a progress bar.

    Raises:
        NonFiniteError: Where the metric is NaN or infinite, with the prompt.
        SteerError: When one row alone does not fit into memory.
    """
    effects = blank(experiment)
    lengths = [experiment.length(prompt) for prompt in range(len(experiment.base))]
    working = working_numbers(experiment)
    reads = batches_of(experiment, lengths, max_tokens, numbers=working + experiment.width)
    rows = batches_of(experiment, lengths, max_tokens, numbers=working + 2 * experiment.width)
    total = sum(
        bool(experiment.tokens_of(prompt, site.position))
        for site in experiment.sites
        for prompt in range(len(lengths))
    )
    with (
        torch.inference_mode(),
        tqdm(total=total, desc="patching", unit="row", disable=not progress) as bar,
    ):
        for prompts in reads.of(range(len(lengths))):
            for _, group in halving(lambda some: _Group.of(experiment, effects, some), prompts):
                longest = max(lengths[prompt] for prompt in group.prompts)
                for cells, found in group.measured(max(1, rows.max_tokens // longest)):
                    for (site, place), value in zip(cells, found.tolist(), strict=True):
                        prompt = group.prompts[place]
                        effects.of[site, prompt] = value - effects.baseline[prompt]
                    bar.update(len(cells))
    return effects


Cell = tuple[int, int]
"""A site, and the place of a prompt in its group."""


@dataclass(frozen=True, eq=False)
class _Group:
    """Prompts of similar length, and what they are to be given."""

    experiment: Experiment
    prompts: list[int]
    sources: dict[str, Tensor]
    base: LastLogits | None

    @classmethod
    def of(cls, experiment: Experiment, effects: Effects, prompts: list[int]) -> "_Group":
        """Run the prompts as they are, and their partners, and note what both reach."""
        outcome = run(experiment, [experiment.base[prompt] for prompt in prompts], prompts)
        base = base_logits(experiment, outcome)
        sources, whole = source_acts(experiment, prompts, base)
        effects.baseline[prompts] = values(experiment, outcome).double().cpu()
        if effects.whole is not None and whole is not None:
            effects.whole[prompts] = whole.double().cpu() - effects.baseline[prompts]
        return cls(experiment, prompts, sources, base)

    def measured(self, size: int) -> Iterator[tuple[list[Cell], Rows]]:
        """Run every site of every prompt that has it, site after site, so many rows at a time."""
        cells = [
            (number, place)
            for number, site in enumerate(self.experiment.sites)
            for place, prompt in enumerate(self.prompts)
            if self.experiment.tokens_of(prompt, site.position)
        ]
        for start in range(0, len(cells), size):
            yield from self._halved(cells[start : start + size])

    def _halved(self, cells: list[Cell]) -> Iterator[tuple[list[Cell], Rows]]:
        def patched(some: list[int]) -> Rows:
            return self._patched([cells[number] for number in some])

        for done, found in halving(patched, list(range(len(cells)))):
            yield [cells[number] for number in done], found.double().cpu()

    def _patched(self, cells: Sequence[Cell]) -> Rows:
        """Run one row a cell, each with its own site exchanged."""
        experiment = self.experiment
        prompts = [self.prompts[place] for _, place in cells]
        by_name: dict[str, list[int]] = {}
        for row, (number, _) in enumerate(cells):
            by_name.setdefault(experiment.sites[number].hook_name, []).append(row)
        edits = {name: self._edit(name, rows, cells) for name, rows in by_name.items()}
        places = [place for _, place in cells]
        base = None if self.base is None else self.base[places]
        own = [experiment.base[prompt] for prompt in prompts]
        return values(experiment, run(experiment, own, prompts, edits=edits, base=base))

    def _edit(self, name: str, rows: list[int], cells: Sequence[Cell]) -> Edit:
        source, unit = self.sources[name], self.experiment.units.get(name)
        places = [cells[row][1] for row in rows]
        chosen = [self._chosen(*cells[row]) for row in rows]

        def edit(acts: Tensor) -> Tensor:
            now = acts[rows]
            mask = torch.zeros(now.shape[:-1], dtype=torch.bool, device=acts.device)
            for row, (tokens, head) in enumerate(chosen):
                mask[(row, tokens) if head is None else (row, tokens, head)] = True
            new = now
            if self.experiment.source is None:
                new = exchanged(now, source, unit)
            else:
                width = min(source.shape[1], now.shape[1])
                # Beyond the prompts stands what follows them, which is never exchanged.
                new = now.clone()
                new[:, :width] = exchanged(now[:, :width], source[places, :width], unit)
            edited = acts.clone()
            edited[rows] = torch.where(mask[..., None], new, now)
            return edited

        return edit

    def _chosen(self, number: int, place: int) -> tuple[list[int], int | None]:
        site = self.experiment.sites[number]
        return self.experiment.tokens_of(self.prompts[place], site.position), site.head
