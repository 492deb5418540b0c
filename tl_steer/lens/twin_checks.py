"""Whether a twin computes what its bridge computes: tried on a few tokens, once a model."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from tl_steer.lens.hook_names import needs_writing_in_place
from tl_steer.lens.hook_points import attach, points
from tl_steer.lens.protocol import device_of
from tl_steer.lens.tokens import Batch
from tl_steer.lens.twin import Twin

_LENGTHS = (7, 4)
_TOLERANCE = {torch.float64: 1e-6, torch.float32: 1e-3}
_COARSE = 0.1


@torch.no_grad()
def differences(twin: Twin, names: Sequence[str], bridge_logits: Any) -> dict[str, str]:
    """Compare a twin with its bridge: logits, activations, and what an edit does.

    Args:
        twin: The one to be tried.
        names: Hook points of the bridge.
        bridge_logits: A function from a batch to the bridge's logits.

    Returns:
        What differs, by hook name; ``""`` stands for the model as a whole.
    """
    probe = _probe(twin)
    found: dict[str, str] = {}
    served = [name for name in names if name in twin.hook_dict]
    found |= {name: f"{name} is not before or behind a plain module" for name in names}
    for name in served:
        del found[name]
    with _reading(twin.model, served) as theirs:
        expected = bridge_logits(probe)
    with _reading(twin, served) as ours:
        got = twin.logits(probe)
    if not _alike(got, expected, probe):
        return found | {"": "its logits differ"}
    if not _alike(_cached(twin, probe)[:, None], expected[:, -1:], None):
        return found | {"": "its logits differ with a cache"}
    for name in served:
        point = twin.hook_dict[name]
        if name not in theirs or name not in ours:
            found[name] = f"{name} is not passed"
        elif not _fits(point, ours[name], theirs[name]):
            found[name] = f"{name} has another shape"
        elif not _alike(ours[name].view_as(theirs[name]), theirs[name], probe):
            found[name] = f"activations at {name} differ"
    read = [name for name in served if name not in found]
    if read:
        with _editing(twin.model, read, theirs):
            expected_edited = bridge_logits(probe)
        with _editing(twin, read, theirs):
            got = twin.logits(probe)
        if not _alike(got, expected_edited, probe):
            found |= {name: f"an edit at {name} does something else" for name in read}
    return found


def _probe(twin: Twin) -> Batch:
    """Two rows, one of them padded on the left, as in generation."""
    vocabulary, width = int(twin.cfg.d_vocab), max(_LENGTHS)
    tokens = torch.arange(len(_LENGTHS) * width).view(-1, width) * 7919 % max(vocabulary - 1, 1)
    real = torch.arange(width) >= width - torch.tensor(_LENGTHS)[:, None]
    return Batch(tokens, real).to(device_of(twin))


def _cached(twin: Twin, probe: Batch) -> Tensor:
    """Logits of the last token, the others read before it."""
    _, cache = twin.next_logits(probe.tokens[:, :-1], probe.real[:, :-1], None)
    return twin.next_logits(probe.tokens[:, -1:], probe.real, cache)[0]


def _alike(got: Tensor, expected: Tensor, probe: Batch | None) -> bool:
    """Whether every real token has nearly the same vector."""
    tolerance = _TOLERANCE.get(expected.dtype, _COARSE)
    ours, theirs = (each.flatten(2).double() for each in (got, expected))
    off = (ours - theirs).norm(dim=-1) <= tolerance * theirs.norm(dim=-1)
    return bool((off if probe is None else off | ~probe.real).all())


def _fits(point: Any, ours: Tensor, theirs: Tensor) -> bool:
    """Take the shape that the bridge shows, where the numbers are as many."""
    if ours.shape[:2] != theirs.shape[:2] or ours.numel() != theirs.numel():
        return False
    if ours.shape != theirs.shape:
        point.site = tuple(theirs.shape[2:])
    return True


@contextmanager
def _hooked(host: Any, functions: dict[str, Any]) -> Iterator[None]:
    found = points(host, list(functions))
    attached = []
    try:
        for name, function in functions.items():
            attached.append(attach(found[name], function))
        yield
    finally:
        for each in attached:
            each.remove()


@contextmanager
def _reading(host: Any, names: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    seen: dict[str, Tensor] = {}

    def reader(name: str) -> Any:
        def read(acts: Tensor, hook: Any) -> None:
            seen[name] = acts.clone()

        return read

    with _hooked(host, {name: reader(name) for name in names}):
        yield seen


@contextmanager
def _editing(host: Any, names: Sequence[str], like: dict[str, Tensor]) -> Iterator[None]:
    """Add something to every hook point that is large enough to be told from rounding."""

    def editor(name: str) -> Any:
        acts = like[name]
        generator = torch.Generator().manual_seed(len(name))
        vector = torch.randn(acts.shape[2:], generator=generator).to(acts)
        vector = vector * (acts.float().std() * min(1.0, 4 / len(names))).to(acts)
        in_place = needs_writing_in_place(host, name)

        def edit(acts: Tensor, hook: Any) -> Tensor:
            return acts.add_(vector) if in_place else acts + vector

        return edit

    with _hooked(host, {name: editor(name) for name in names}):
        yield
