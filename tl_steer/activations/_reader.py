"""One batch through the model, and what is read off on the way."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

import torch
from torch import Tensor

from tl_steer.activations._leave_out import LeaveOut, norms_of
from tl_steer.activations._reads import EveryToken, Read, TextTokens
from tl_steer.arguments import came
from tl_steer.batching import halving
from tl_steer.errors import DataError, NonFiniteError, SteerError
from tl_steer.lens.forward import run_to_layer
from tl_steer.lens.holding import held
from tl_steer.lens.hook_names import layer_of
from tl_steer.lens.hook_points import attach, points
from tl_steer.lens.protocol import Host, device_of, overflow_advice
from tl_steer.lens.tokens import Batch, Span, TokenIds, pad, pad_id, spans
from tl_steer.lens.whole_texts import reading
from tl_steer.shapes import Acts, Examples, TokenMask

Keep = Callable[[str, Acts], None]
"""Takes what stands at a hook point, by its name."""

_KEPT_BYTES = 48 * 2**20


@dataclass(frozen=True, eq=False)
class AtHookPoint:
    """What one batch gave at one hook point."""

    vectors: Examples
    """Float32, on the CPU."""

    text_index: Tensor
    """``Int[Tensor, "example"]``: the text of each vector."""

    norm_sum: float
    """Sum of norms over the tokens that were not left out."""

    n_tokens: int
    """How many those are."""

    left_out: Mapping[str, int]
    """Tokens left out, by reason."""


@dataclass(frozen=True, eq=False)
class _OnDevice:
    """The same before it has left the device: nothing waits for the GPU inside a hook."""

    vectors: Tensor
    tokens_read: Tensor
    norm_sum: Tensor
    n_tokens: Tensor
    n_massive: Tensor
    finite: Tensor


@dataclass(frozen=True, eq=False)
class _Usual:
    """What a batch gave while it was not yet known which activations are massive."""

    norms: dict[str, Tensor]
    """Of ordinary tokens, by hook name."""

    acts: dict[str, Tensor]
    """Of all tokens; not all hook points, or none, where that would be too much."""

    def show(self, batch: Batch, keep: Keep) -> None:
        """Show them once more."""
        for name, acts in self.acts.items():
            keep(name, acts)


@dataclass(eq=False)
class Reader:
    """Reads texts, some at a time."""

    model: Host
    names: tuple[str, ...]
    texts: Sequence[str]
    rows: Sequence[TokenIds]
    read: Read
    leave_out: LeaveOut
    medians: dict[str, float] = field(default_factory=dict)
    """Median norm of ordinary tokens, by hook name; see :meth:`calibrate`."""
    _room: int = 0
    """Bytes that may yet be kept; negative where it was too much."""

    @cached_property
    def _points(self) -> dict[str, Any]:
        return points(self.model, self.names)

    def check(self, index: Sequence[int]) -> None:
        """Refuse texts that the read cannot serve, without running the model.

        Raises:
            DataError: Naming the first of them.
        """
        self._require_some(self.marked(index).sum(-1), index, "any hook point")

    def marked(self, index: Sequence[int]) -> TokenMask:
        """Return which tokens are read, massive activations among them, without running."""
        batch = self._batch(index)
        tokens = self._tokens(index, batch, self._by_position(batch), self._spans(index))
        return self._mask(tokens)

    def calibrate(
        self, batches: Sequence[list[int]]
    ) -> Iterator[tuple[list[int], dict[str, AtHookPoint]]]:
        """Measure the median norms that massive activations are told by.

        Args:
            batches: Of the texts that they are measured on.

        Yields:
            Texts, and what :meth:`run` would give for them, where their activations were small
            enough to be kept until the medians were known: these texts need no other pass.
        """
        if self.leave_out.massive is None:
            return
        self._room = _KEPT_BYTES
        pieces = [each for batch in batches for each in halving(self._usual, batch)]
        self.medians = {
            name: float(torch.cat([found.norms[name] for _, found in pieces]).median())
            for name in self.names
        }
        while self._room >= 0 and pieces:
            index, found = pieces.pop(0)
            yield index, self._read(index, found.show)

    def run(self, index: list[int]) -> dict[str, AtHookPoint]:
        """Run some texts through the model.

        Raises:
            NonFiniteError: For NaN or infinity, with the hook point.
            DataError: For a text of which no token is left at a hook point.
        """
        return self._read(index, self._run)

    def _read(
        self, index: Sequence[int], show: Callable[[Batch, Keep], None]
    ) -> dict[str, AtHookPoint]:
        """Read some texts off what is shown of them, hook point by hook point."""
        batch = self._batch(index).to(device_of(self.model))
        reasons = self.leave_out.by_position(self.model, batch)
        by_position = self._by_position(batch)
        # Asked for at every hook point, and the same at each of them.
        asked = self._spans(index)
        found: dict[str, _OnDevice] = {}

        def keep(name: str, acts: Acts) -> None:
            norms = norms_of(acts)
            massive = self.leave_out.by_norm(norms, self.medians.get(name, float("inf")))
            massive &= batch.real & ~by_position
            tokens = self._tokens(index, batch, by_position | massive, asked)
            mask = self._mask(tokens)
            chosen = self._vectors(acts, mask)
            found[name] = _OnDevice(
                vectors=chosen,
                tokens_read=mask.sum(-1),
                norm_sum=norms.masked_fill(~tokens.eligible, 0).sum(),
                n_tokens=tokens.eligible.sum(),
                n_massive=massive.sum(),
                finite=torch.isfinite(chosen).all(),
            )

        show(batch, keep)
        by_reason = {reason: int(mask.sum()) for reason, mask in reasons.items()}
        return {name: self._finish(name, index, found[name], by_reason) for name in self.names}

    def _usual(self, index: Sequence[int]) -> "_Usual":
        batch = self._batch(index).to(device_of(self.model))
        usual = batch.real & ~self._by_position(batch)
        found = _Usual({}, {})

        def keep(name: str, acts: Acts) -> None:
            found.norms[name] = norms_of(acts)[usual]
            self._room -= acts.nbytes
            if self._room >= 0:
                found.acts[name] = acts.clone()

        self._run(batch, keep)
        return found

    def _finish(
        self, name: str, index: Sequence[int], found: _OnDevice, by_reason: Mapping[str, int]
    ) -> AtHookPoint:
        counts = found.tokens_read.cpu()
        self._require_some(counts, index, name)
        if not bool(found.finite):
            raise NonFiniteError(
                f"{name}: the activations hold NaN or infinity.{overflow_advice(self.model)}"
            )
        texts = torch.tensor(list(index))
        if isinstance(self.read, EveryToken):
            texts = texts.repeat_interleave(counts)
        return AtHookPoint(
            vectors=found.vectors.cpu(),
            text_index=texts,
            norm_sum=float(found.norm_sum),
            n_tokens=int(found.n_tokens),
            left_out={**by_reason, "massive": int(found.n_massive)},
        )

    def _vectors(self, acts: Acts, mask: TokenMask) -> Examples:
        acts = acts.float()
        if isinstance(self.read, EveryToken):
            return acts[mask]
        weights = mask.float() / mask.sum(-1, keepdim=True).clamp(min=1)
        # Unread tokens are set to zero first: times a weight of zero, an infinity would be NaN.
        kept = acts.flatten(2).masked_fill(~mask[..., None], 0)
        return torch.einsum("bp,bpd->bd", weights, kept).view(len(acts), *acts.shape[2:])

    def _batch(self, index: Sequence[int]) -> Batch:
        return pad([self.rows[i] for i in index], side="right", pad_id=pad_id(self.model))

    def _by_position(self, batch: Batch) -> TokenMask:
        bos, first = self.leave_out.by_position(self.model, batch).values()
        return bos | first

    def _spans(self, index: Sequence[int]) -> Callable[[], list[list[Span]]]:
        texts, rows = [self.texts[i] for i in index], [self.rows[i] for i in index]
        return cache(lambda: spans(self.model, texts, rows))

    def _tokens(
        self,
        index: Sequence[int],
        batch: Batch,
        left_out: TokenMask,
        asked: Callable[[], list[list[Span]]],
    ) -> TextTokens:
        return TextTokens(
            real=batch.real,
            eligible=batch.real & ~left_out,
            texts=[self.texts[i] for i in index],
            spans=asked,
        )

    def _mask(self, tokens: TextTokens) -> TokenMask:
        mask: Any = self.read(tokens)  # a function of the user's may return anything
        if not isinstance(mask, Tensor):
            raise SteerError(
                f"the read {self.read!r} returned {came(mask)}. Return a bool mask of shape "
                f"{tuple(tokens.real.shape)} (text, token)."
            )
        if mask.shape != tokens.real.shape or mask.dtype != torch.bool:
            raise SteerError(
                f"the read {self.read!r} returned {mask.dtype} of shape {tuple(mask.shape)}. "
                f"Return a bool mask of shape {tuple(tokens.real.shape)} (text, token)."
            )
        return mask & tokens.real

    def _require_some(self, counts: Tensor, index: Sequence[int], where: str) -> None:
        empty = (counts == 0).nonzero().flatten().tolist()
        if empty:
            text = index[empty[0]]
            raise DataError(
                f"text {text} has no token left to read at {where}: {self.texts[text]!r}. Drop the "
                "text, or leave out less: leave_out=LeaveOut(first=False, massive=None)."
            )

    def _run(self, batch: Batch, keep: Keep) -> None:
        with held(self.model), reading(), _listening(self._points, keep):
            run_to_layer(self.model, batch, max(layer_of(name) for name in self.names))


@contextmanager
def _listening(found: Mapping[str, Any], keep: Keep) -> Iterator[None]:
    def listener(name: str) -> Callable[..., None]:
        def function(acts: Tensor, hook: Any) -> None:
            keep(name, acts)

        return function

    attached = []
    try:
        for name, point in found.items():
            attached.append(attach(point, listener(name)))
        yield
    finally:
        for each in attached:
            each.remove()
