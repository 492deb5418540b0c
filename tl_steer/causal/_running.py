"""Passes of an experiment: what is read, what is exchanged, and what comes out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from tl_steer.causal._experiment import Experiment
from tl_steer.causal._outcome import LastLogits, Outcome
from tl_steer.errors import HookNameError, NonFiniteError
from tl_steer.lens.forward import run_logits, run_to_layer
from tl_steer.lens.hook_names import layer_of, needs_writing_in_place
from tl_steer.lens.hook_points import attached
from tl_steer.lens.protocol import SteerableModel, device_of, dtype_of, overflow_advice
from tl_steer.lens.tokens import TokenIds
from tl_steer.shapes import Rows
from tl_steer.trained import padded, reading, wide

Edit = Callable[[Tensor], Tensor | None]
"""From activations to others of the same shape and dtype, or to nothing where it only looks."""


@contextmanager
def acting(model: SteerableModel, edits: Mapping[str, Edit]) -> Iterator[None]:
    """Let functions act at hook points inside the block; the model is left as it was."""
    functions = {
        name: _hook(edit, in_place=needs_writing_in_place(model, name))
        for name, edit in edits.items()
    }
    with attached(model, functions):
        yield


def run(
    experiment: Experiment,
    rows: Sequence[TokenIds],
    prompts: Sequence[int],
    *,
    edits: Mapping[str, Edit] | None = None,
    base: LastLogits | None = None,
) -> Outcome:
    """Let the model read prompts, each with what follows it, in one batch.

    Args:
        experiment: What is measured.
        rows: Tokens of each row's prompt.
        prompts: Which prompt each row is.
        edits: By hook name.
        base: Logits of each row's prompt with nothing exchanged, for metrics that compare.
    """
    model, measure = experiment.model, experiment.measure
    after = [measure.after(prompt) for prompt in prompts]
    batch = padded(model, [row + more for row, more in zip(rows, after, strict=True)])
    device = batch.tokens.device
    # The last token of the prompt, and every later one that another token is to follow.
    spots = [
        (number, len(row) - 1 + step)
        for number, (row, more) in enumerate(zip(rows, after, strict=True))
        for step in range(max(1, len(more)))
    ]
    row, column = torch.tensor(spots, device=device).T
    acts, logits = None, None
    with acting(model, edits or {}):
        if measure.reads is None:
            # Picked before they are widened: the other positions' logits are most of the memory.
            logits = wide(run_logits(model, batch)[row, column])
        else:
            with reading(model, measure.reads) as passed:
                run_to_layer(model, batch, layer_of(measure.reads))
            acts = wide(passed[0][row, column])
    follows = torch.cat([batch.tokens[:, 1:], batch.tokens[:, :1]], dim=1)
    return Outcome(
        prompts=torch.tensor(list(prompts), device=device),
        logits=logits,
        row=row,
        following=follows[row, column],
        acts=acts,
        base=base,
    )


def values(experiment: Experiment, outcome: Outcome) -> Rows:
    """Take the metric of a pass.

    Raises:
        NonFiniteError: For NaN or infinity, with the prompt.
    """
    found = experiment.measure.value(outcome)
    bad = ~torch.isfinite(found)
    if bool(bad.any()):
        prompt = int(outcome.prompts[bad][0])
        raise NonFiniteError(
            f"the metric is {float(found[bad][0])} for prompt {prompt}: "
            f"{experiment.texts[prompt][:60]!r}. Look for NaN in the model's logits, or for a "
            f"logarithm of zero in the metric.{overflow_advice(experiment.model)}"
        )
    return found


def base_logits(experiment: Experiment, outcome: Outcome) -> LastLogits | None:
    """The logits that later passes of the same prompts are compared with, if the metric does."""
    return outcome.logits if experiment.measure.compares else None


def source_acts(
    experiment: Experiment, prompts: Sequence[int], base: LastLogits | None
) -> tuple[dict[str, Tensor], Rows | None]:
    """Read what some prompts are to be given.

    Returns:
        By hook name, activations ``batch pos *site`` in which every token stands where the token
        stands that gets them; or a point, for all tokens, in the site's shape. Then the metric of
        the partners, ``None`` where there are none.
    """
    if experiment.source is None:
        given = experiment.points or {}
        model = experiment.model
        wanted = torch.promote_types(dtype_of(model), torch.float32)
        # Copied, as gradients may not pass what was read in inference mode.
        return {
            name: given[name].to(device_of(model), wanted, copy=True) for name in experiment.names
        }, None
    kept: dict[str, Tensor] = {}
    rows = [experiment.source[prompt] for prompt in prompts]
    own = [experiment.base[prompt] for prompt in prompts]
    shifts = [len(one) - len(row) for one, row in zip(own, rows, strict=True)]

    def keep(name: str) -> Edit:
        def look(acts: Tensor) -> None:
            # A copy: what sits behind this hook point may write in place.
            kept[name] = _shifted(acts.detach(), shifts, max(map(len, own)))

        return look

    edits = {name: keep(name) for name in experiment.names}
    outcome = run(experiment, rows, prompts, edits=edits, base=base)
    silent = [name for name in experiment.names if name not in kept]
    if silent:
        raise HookNameError(
            f"{silent[0]}: nothing passed this hook point while the model ran, so nothing can be "
            "exchanged there. Leave it out."
        )
    return kept, values(experiment, outcome)


def _shifted(acts: Tensor, shifts: Sequence[int], width: int) -> Tensor:
    """Bring each row to where the other text's tokens stand, counted from the end."""
    found = acts.new_zeros((len(acts), width, *acts.shape[2:]))
    for number, shift in enumerate(shifts):
        first, start = max(-shift, 0), max(shift, 0)
        size = min(acts.shape[1] - first, width - start)
        found[number, start : start + size] = acts[number, first : first + size]
    return found


def exchanged(acts: Tensor, source: Tensor, unit: Tensor | None) -> Tensor:
    """Put one activation in place of another, or only its component along a unit vector.

    ``h + ((s − h)·v̂) v̂``; the whole of it gives ``s`` to the last bit.
    """
    if unit is None:
        return source.to(acts).expand_as(acts)
    return (wide(acts) + difference(acts, source, unit)).to(acts)


def difference(acts: Tensor, source: Tensor, unit: Tensor | None) -> Tensor:
    """Compute ``s − h``, or its part along a unit vector, in float32 or better."""
    apart = wide(source.to(acts)) - wide(acts)
    if unit is None:
        return apart
    unit = unit.to(apart)
    return (apart * unit).sum(-1, keepdim=True) * unit


def _hook(edit: Edit, *, in_place: bool) -> Callable[..., Tensor | None]:
    def function(acts: Tensor, hook: Any) -> Tensor | None:
        after = edit(acts)
        return acts.copy_(after) if in_place and after is not None else after

    return function
