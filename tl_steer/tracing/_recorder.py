"""Taking down what stands at hook points and what is done there, on the device, until the end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from tl_steer.lens.on_device import OnDevice
from tl_steer.steering import Change
from tl_steer.tracing._distribution import Distribution
from tl_steer.tracing._probes import Probes

Key = tuple[str, ...]
"""Names of a hook point, for what stands there; ``("", name)`` for what an intervention did."""

_TINY = 1e-30


@dataclass(frozen=True, eq=False)
class Seen:
    """What was taken down of one row."""

    values: Mapping[Key, Float[ndarray, "column value"]]
    """Of what stands at a hook point: its projections, and its norm. Of an intervention: strength,
    whether it acted, then how long the activation was, how far the new one goes along and across
    it, how long the difference is; and the new projections. NaN where nothing came by."""

    entropy: Float[ndarray, " step"]
    likeliest: Int[ndarray, "step rank"]
    log_probs: Float[ndarray, "step rank"]

    prompt: int
    """Columns of the first pass, padding included."""


@dataclass(frozen=True, eq=False)
class Recorder:
    """Begins a recording for each batch."""

    probes: Probes

    at: tuple[str, ...]
    """Hook names at which it looks: where directions are, and where something acts."""

    scores: frozenset[str]
    """Interventions at attention scores, which are no vectors: only how strongly they act."""

    ranks: int
    """How many of the likeliest tokens are kept."""

    _along: dict[tuple[str, ...], OnDevice] = field(default_factory=dict)

    def begin(self) -> "Recording":
        """Begin one."""
        return Recording(self)

    def along(self, names: tuple[str, ...], acts: Tensor) -> Tensor:
        """Projections ``Float[Tensor, "batch pos direction"]`` of flat float32 activations."""
        if names not in self._along:
            self._along[names] = self.probes.along(names)
        units = self._along[names](acts)
        return acts @ units[0] if units else acts[..., :0]


class Recording:
    """One batch. Nothing waits for the device before :meth:`rows`, where all of it comes over."""

    def __init__(self, recorder: Recorder) -> None:
        """Begin with nothing."""
        self._recorder = recorder
        self._pieces: dict[Key, list[_Piece]] = {}
        self._drawn: list[tuple[list[int] | None, Distribution]] = []
        self._going: list[int] | None = None
        self._start = self._end = self._prompt = 0

    @property
    def at(self) -> tuple[str, ...]:
        """Hook names at which it looks."""
        return self._recorder.at

    def reads(self, columns: int) -> None:
        """The passes from now on are about so many columns more; earlier ones may come again."""
        self._start, self._end = self._end, self._end + columns
        self._prompt = self._prompt or columns

    def select(self, index: Sequence[int]) -> None:
        """Rows go on from some rows of the last pass."""
        rows = list(index)
        for pieces in self._pieces.values():
            pieces[:] = [replace(each, values=each.values[rows]) for each in pieces]

    def leave_all_but(self, index: Sequence[int]) -> None:
        """Only some of the rows of the last pass go on."""
        self._going = list(index) if self._going is None else [self._going[row] for row in index]

    def stands(self, names: tuple[str, ...], acts: Tensor) -> None:
        """Take down projections and norms of what stands at a hook point."""
        flat = self._new(acts).flatten(2).float()
        self._keep(names, self._recorder.along(names, flat), flat.norm(dim=-1)[..., None])

    def changed(self, names: tuple[str, ...], intervention: str, change: Change) -> None:
        """Take down what an intervention did.

        Of the new activation, the parts along and across the old one are kept: the angle between
        them is exact also where it is small.
        """
        shape = change.before.shape[:2]
        strength = change.strength.expand(shape)[:, -self._width :, None]
        chosen = change.chosen
        acted = torch.ones_like(strength) if chosen is None else self._new(chosen)[..., None]
        key = ("", intervention)
        if intervention in self._recorder.scores:
            self._keep(key, strength, acted)
            return
        before, after = (
            self._new(each).flatten(2).float() for each in (change.before, change.after)
        )
        length = before.norm(dim=-1, keepdim=True)
        unit = before / length.clamp(min=_TINY)
        along = (after * unit).sum(-1, keepdim=True)
        across = (after - along * unit).norm(dim=-1, keepdim=True)
        moved = (after - before).norm(dim=-1, keepdim=True)
        projections = self._recorder.along(names, after)
        self._keep(key, strength, acted, length, along, across, moved, projections)

    def draws(self, logits: Tensor) -> None:
        """Take down the distribution that a token is drawn from."""
        log_probs = logits.float().log_softmax(-1)
        self._drawn.append((self._going, Distribution.of(log_probs, self._recorder.ranks)))

    def rows(self, count: int) -> list[Seen]:
        """Bring all of it over, in one piece for numbers and one for token ids."""
        whole = {key: _whole(pieces, count, self._end) for key, pieces in self._pieces.items()}
        values = dict(zip(whole, _brought(list(whole.values())), strict=True))
        drawn = {
            name: _whole(
                [
                    _Piece(going, step, getattr(each, name).view(len(each.entropy), 1, -1))
                    for step, (going, each) in enumerate(self._drawn)
                ],
                count,
                len(self._drawn),
            )
            for name in ("entropy", "log_probs", "likeliest")
        }
        entropy, log_probs = _brought([drawn["entropy"], drawn["log_probs"]])
        likeliest = drawn["likeliest"].cpu().numpy()
        return [
            Seen(
                {key: part[row] for key, part in values.items()},
                entropy[row].flatten(),
                likeliest[row],
                log_probs[row],
                self._prompt,
            )
            for row in range(count)
        ]

    @property
    def _width(self) -> int:
        return self._end - self._start

    def _new(self, acts: Tensor) -> Tensor:
        # Without a cache, earlier columns come by again.
        return acts[:, -self._width :]

    def _keep(self, key: Key, *values: Tensor) -> None:
        together = torch.cat([each.to(values[0].device, torch.float32) for each in values], -1)
        self._pieces.setdefault(key, []).append(_Piece(self._going, self._start, together))


@dataclass(frozen=True, eq=False)
class _Piece:
    """What was taken down in one pass."""

    rows: list[int] | None
    """Which rows it is of; ``None`` for all."""

    start: int
    """The first of its columns."""

    values: Tensor
    """``Shaped[Tensor, "row column value"]``."""


def _whole(pieces: Sequence[_Piece], rows: int, columns: int) -> Tensor:
    """All passes together: NaN, or -1 of whole numbers, where nothing was taken down."""
    if not pieces:
        return torch.zeros(rows, 0, 0)
    first = pieces[0].values
    nothing = torch.nan if first.is_floating_point() else -1
    whole = first.new_full((rows, columns, first.shape[-1]), nothing)
    for each in pieces:
        own = slice(None) if each.rows is None else each.rows
        whole[own, each.start : each.start + each.values.shape[1]] = each.values
    return whole


def _brought(several: Sequence[Tensor]) -> list[ndarray]:
    """Tensors with the same rows, to the CPU in one go."""
    if not several:
        return []
    flat = torch.cat([each.flatten(1).float() for each in several], 1).cpu().numpy()
    ends = np.cumsum([each[0].numel() for each in several])
    parts = np.split(flat, ends[:-1], axis=1)
    return [part.reshape(each.shape) for part, each in zip(parts, several, strict=True)]
