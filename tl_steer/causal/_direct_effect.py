"""Which way the effect of a direction goes: straight to the logits, or through later blocks."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm.auto import tqdm

from tl_steer.arguments import Count, Seed, checked
from tl_steer.batching import halving
from tl_steer.causal._effects import batches_of, working_numbers
from tl_steer.causal._experiment import Experiment
from tl_steer.causal._metrics import LogitMetric, Metric, measure_of
from tl_steer.causal._outcome import LastLogits
from tl_steer.causal._path_effects import PathEffects, path_effects_of
from tl_steer.causal._running import Edit, base_logits, run, values
from tl_steer.causal._sites import Site
from tl_steer.data import plain_texts
from tl_steer.directions import Direction
from tl_steer.errors import DataError, HookNameError, SteerError
from tl_steer.interventions import Add, check_fits
from tl_steer.lens.hook_names import layer_of, order_of, resolve, site_of
from tl_steer.lens.protocol import SteerableModel, require_steerable
from tl_steer.lens.tokens import Chat, check_lengths, tokenize
from tl_steer.scopes import Scope, everywhere
from tl_steer.shapes import Rows
from tl_steer.steering import Steering, in_part

_STREAM = ("hook_resid_pre", "hook_resid_mid", "hook_resid_post", "hook_attn_out", "hook_mlp_out")
# What comes here reaches the stream through one matrix, in the output of its own block.
_BEFORE_OUTPUT = {"attn.hook_z": "hook_attn_out", "mlp.hook_post": "hook_mlp_out"}


@checked
def direct_effect(
    model: SteerableModel,
    prompts: str | Sequence[str],
    direction: Direction,
    metric: Metric | LogitMetric,
    *,
    strength: float = 1.0,
    dose: float | None = None,
    scope: Scope | slice = everywhere,
    prepend_bos: bool | None = None,
    chat: Chat | None = None,
    seed: Seed = 0,
    max_tokens: Count | None = None,
    progress: bool = True,
) -> PathEffects:
    """Say how much of what a direction does goes straight to the logits, and how much does not.

    ::

        good = ts.causal.LogitDifference(" good", " bad")
        paths = ts.causal.direct_effect(model, texts, joy, good, dose=0.1)
        paths.frame                  # direct, and each later attention and MLP
        ts.causal.path_figure(paths)

    With ``αv`` added at the direction's hook point, the residual stream at the end differs by
    ``αv + Σ Δᵢ``, where ``Δᵢ`` is by how much the output of the i-th later attention or MLP
    differs::

        direct = m(h + αv) − m(h)
        partᵢ  = m(h + αv + Δ₁ + … + Δᵢ) − m(h + αv + Δ₁ + … + Δᵢ₋₁)
        total  = direct + Σ partᵢ

    ``m`` is the metric of the model's own final norm and unembedding. The first line is path
    patching of the direct path (Wang et al. 2022, https://arxiv.org/abs/2211.00593; Goldowsky-Dill
    et al. 2023, https://arxiv.org/abs/2304.05969): every later attention and MLP is frozen at what
    it puts out for the unsteered prompt. Then their outputs are exchanged for those of the steered
    run, in the order of the pass, until the steered run is reached.

    So a part is what a block's changed output adds *at the end*. What made it change, the
    direction itself or an earlier block that it changed, is not told apart; nor is what later
    blocks make of it, which is theirs. The norm at the end divides by the size of the stream, so
    that parts depend on their order where they are large; it is not frozen, and their sum is the
    total to rounding.

    A direction at ``attn.hook_z`` or ``mlp.hook_post`` goes directly through the output weights of
    its own block.

    The time is that of ``later outputs + 2`` rows of a forward pass a prompt; the memory that of
    one block, the logits, and two copies of the later outputs.

    Args:
        model: Any TransformerLens model; it is left as it was. Hooks that sit on it act.
        prompts: Texts; the metric is taken at the end of each.
        direction: It is added at its own hook point.
        metric: As of :func:`~tl_steer.localize`.
        strength: α, in multiples of the direction.
        dose: Relative dose in place of a strength.
        scope: Which tokens it is added to.
        prepend_bos: Whether prompts begin with a beginning-of-text token; ``None`` does what
            TransformerLens does with this model.
        chat: Puts each prompt into the chat template.
        seed: Of the bootstrap.
        max_tokens: Padded tokens in a batch; by default from memory.
        progress: Whether to show a progress bar.

    Raises:
        HookNameError: For a hook point without a direct path to the stream (queries, keys,
            values, what comes before a nonlinearity), a model whose attention and MLP outputs have
            no hook points, or a probe that the direction does not reach.
        MismatchError: For a direction of another model.
        DataError: For no prompts, answers that do not fit them, or texts beyond the context.
        NonFiniteError: For NaN or infinity, or a dose of the zero vector.
        SteerError: For a metric that does not give a number a row, or a strength beside a dose.
    """
    require_steerable(model)
    alpha = _strength(direction, strength, dose)
    adding = Add(direction, alpha, scope=scope)
    check_fits(adding, model)
    texts = plain_texts([prompts] if isinstance(prompts, str) else prompts, "prompts")
    if not texts:
        raise DataError("Expected at least one prompt, got none.")
    measure = measure_of(metric, model, len(texts))
    later = _later(model, direction.hook_name, measure.reads)
    rows = tuple(tokenize(model, texts, prepend_bos=prepend_bos, chat=chat))
    whole = [row + measure.after(number) for number, row in enumerate(rows)]
    check_lengths(model, whole, texts)
    experiment = Experiment(
        model=model,
        names=later,
        texts=texts,
        base=rows,
        source=None,
        points=None,
        other=(),
        measure=measure,
        groups=({},) * len(rows),
        units={},
        sites=tuple(map(Site, later)),
    )
    # By prompt: unsteered, and with the first 0, 1, …, all later outputs as in the steered run.
    reached = torch.full((len(later) + 2, len(rows)), torch.nan, dtype=torch.float64)
    lengths = [experiment.length(number) for number in range(len(rows))]
    numbers = working_numbers(experiment)
    reads = batches_of(experiment, lengths, max_tokens, numbers=numbers + 2 * experiment.width)
    steps = batches_of(experiment, lengths, max_tokens, numbers=numbers + 3 * experiment.width)
    with (
        torch.inference_mode(),
        tqdm(total=reached.numel(), desc="paths", unit="row", disable=not progress) as bar,
    ):
        for batch in reads.of(range(len(rows))):
            for _, group in halving(lambda some: _Group.of(experiment, adding, some), batch):
                reached[0, group.prompts] = group.unsteered.double().cpu()
                reached[-1, group.prompts] = group.steered.double().cpu()
                bar.update(2 * len(group.prompts))
                size = max(1, steps.max_tokens // max(lengths[each] for each in group.prompts))
                for cells, found in group.between(size):
                    for (step, place), value in zip(cells, found.tolist(), strict=True):
                        reached[step + 1, group.prompts[place]] = value
                    bar.update(len(cells))
    return path_effects_of(
        reached, later, texts=texts, direction=direction, strength=alpha, seed=seed
    )


Cell = tuple[int, int]
"""How many later outputs are those of the steered run, and the place of a prompt in its group."""


@dataclass(frozen=True, eq=False)
class _Group:
    """Prompts of similar length, and what later blocks put out for them."""

    experiment: Experiment
    adding: Add
    prompts: list[int]
    before: Mapping[str, Tensor]
    """Of the unsteered run."""

    after: Mapping[str, Tensor]
    """Of the steered one."""

    unsteered: Rows
    steered: Rows
    base: LastLogits | None

    @classmethod
    def of(cls, experiment: Experiment, adding: Add, prompts: list[int]) -> "_Group":
        """Run the prompts, and run them steered."""
        rows = [experiment.base[prompt] for prompt in prompts]
        before: dict[str, Tensor] = {}
        outcome = run(experiment, rows, prompts, edits=_kept(experiment, before))
        unsteered, base = values(experiment, outcome), base_logits(experiment, outcome)
        after: dict[str, Tensor] = {}
        with _steered(experiment, adding, prompts):
            outcome = run(experiment, rows, prompts, edits=_kept(experiment, after), base=base)
        for name in experiment.names:
            if name not in before or name not in after:
                raise HookNameError(
                    f"{name}: nothing passed this hook point while the model ran, so it cannot be "
                    "frozen, and what bypasses it cannot be separated."
                )
        return cls(
            experiment, adding, prompts, before, after, unsteered, values(experiment, outcome), base
        )

    def between(self, size: int) -> Iterator[tuple[list[Cell], Rows]]:
        """Run every step from the direct path to the last but one, so many rows at a time."""
        cells = [
            (step, place)
            for step in range(len(self.experiment.names))
            for place in range(len(self.prompts))
        ]
        for start in range(0, len(cells), size):
            yield from self._halved(cells[start : start + size])

    def _halved(self, cells: list[Cell]) -> Iterator[tuple[list[Cell], Rows]]:
        def reached(some: list[int]) -> Rows:
            return self._run([cells[number] for number in some])

        for done, found in halving(reached, list(range(len(cells)))):
            yield [cells[number] for number in done], found.double().cpu()

    def _run(self, cells: Sequence[Cell]) -> Rows:
        experiment = self.experiment
        steps = [step for step, _ in cells]
        places = [place for _, place in cells]
        prompts = [self.prompts[place] for place in places]
        rows = [experiment.base[prompt] for prompt in prompts]
        edits = {
            name: self._edit(name, [step > number for step in steps], places)
            for number, name in enumerate(experiment.names)
        }
        base = None if self.base is None else self.base[places]
        with _steered(experiment, self.adding, prompts):
            return values(experiment, run(experiment, rows, prompts, edits=edits, base=base))

    def _edit(self, name: str, steered: Sequence[bool], places: Sequence[int]) -> Edit:
        """Put in the output of either run, row by row."""

        def edit(acts: Tensor) -> Tensor:
            chosen = torch.tensor(steered, device=acts.device).view(-1, *[1] * (acts.ndim - 1))
            width = acts.shape[1]
            # The rows of this batch may be shorter than those of the whole group.
            one, other = (each[name][places, :width] for each in (self.after, self.before))
            return torch.where(chosen, one, other).to(acts)

        return edit


def _kept(experiment: Experiment, into: dict[str, Tensor]) -> Mapping[str, Edit]:
    def keep(name: str) -> Edit:
        def look(acts: Tensor) -> None:
            # A copy: what sits behind this hook point may write in place.
            into[name] = acts.detach().clone()

        return look

    return {name: keep(name) for name in experiment.names}


@contextmanager
def _steered(experiment: Experiment, adding: Add, prompts: Sequence[int]) -> Iterator[None]:
    lengths = [len(experiment.base[prompt]) for prompt in prompts]
    with in_part(experiment.model, Steering(adding), prompt_lengths=lengths):
        yield


def _strength(direction: Direction, strength: float, dose: float | None) -> float:
    if dose is None:
        return float(strength)
    if strength != 1.0:
        raise SteerError(f"strength={strength}, dose={dose}: give one of them, not both.")
    return direction.strength_for(dose=dose)


def _later(model: SteerableModel, name: str, reads: str | None) -> tuple[str, ...]:
    """What is added to the stream after a hook point, and before the metric reads, in order."""
    own = _BEFORE_OUTPUT.get(site_of(name))
    if own is None and site_of(name) not in _STREAM:
        raise HookNameError(
            f"{name}: what is added there has no direct path to the residual stream. Take a "
            f"direction at {', '.join((*_STREAM, *_BEFORE_OUTPUT))}."
        )
    if reads is not None and order_of(reads) <= order_of(name):
        raise HookNameError(
            f"{name}: the probe reads {reads}, which does not come after it. Take a direction at "
            "an earlier hook point, or a probe at a later one."
        )
    kinds = ["hook_attn_out"]
    if not getattr(model.cfg, "attn_only", False):
        kinds.append("hook_mlp_out")
    outputs = resolve(model, [f"blocks.*.{kind}" for kind in kinds])
    through = f"blocks.{layer_of(name)}.{own}"
    return tuple(
        each
        for each in sorted(outputs, key=order_of)
        if order_of(each) > order_of(name)
        and each != through
        and (reads is None or order_of(each) < order_of(reads))
    )
