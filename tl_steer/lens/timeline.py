"""Which tokens a hook is looking at.

A hook gets a tensor and a hook point. It is not told whether its one position is the third token
of a prompt or the hundredth of a continuation, nor which rows are padded. The timeline hears it
from the model's own calls (:mod:`~tl_steer.lens.hearing`), before any hook point of the same pass
fires, and follows texts through their caches (:mod:`~tl_steer.lens.sequences`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from weakref import finalize, ref

import torch
from torch import Tensor

from tl_steer.errors import MismatchError, SteerError
from tl_steer.lens.context import Context
from tl_steer.lens.generate_calls import GivenPrompt
from tl_steer.lens.hearing import Pass, listen
from tl_steer.lens.held import Held, is_in_order
from tl_steer.lens.holding import Here
from tl_steer.lens.masks import is_flat, last_row, readable
from tl_steer.lens.padding import KNOWN, Padding
from tl_steer.lens.prompt_end import PromptEnd
from tl_steer.lens.protocol import Host
from tl_steer.lens.sequences import Known, Sequences
from tl_steer.lens.whole_texts import texts_being_read

_OUTSIDE = (
    "the pass began with a cache that was filled outside of this block, or changed in a way that "
    "cannot be followed, so that what stands in the text is not known. Begin the block before the "
    "prompt is read."
)


def never_alike(index: Sequence[int]) -> bool:
    """Rows have settings that differ."""
    return False


@dataclass(eq=False)
class Timeline:
    """Follows a model from pass to pass.

    A prompt is what the first pass of a sequence holds, or what a wrapped model's ``generate`` was
    called with. One token that follows with a cache is generated. Without a cache, a pass that
    repeats the last one and adds one token to every row continues it, which is how generation
    without a cache looks; anything else starts anew.

    A timeline that nobody refers to any more takes its listener off the model by itself.
    """

    prompt_lengths: Tensor | None = None
    """Given where they are known, e.g. to score a continuation in one pass."""

    n_rows: int | None = None
    """The only batch size that fits, where settings are per row."""

    alike: Callable[[Sequence[int]], bool] = never_alike
    """Whether rows, each of which goes on from another one, have the settings of that one."""

    around: bool = False
    """Whether it is of a user's block, and not of the one that runs the passes."""

    _context: Context | None = None
    _tokenizer: Any = None
    _sequences: Sequences = field(default_factory=Sequences)
    _before: Known | None = None
    _whole: tuple[Tensor, PromptEnd, bool] | None = None
    """What the last pass began with, where no cache holds it, and whether one was to."""

    _said: GivenPrompt | None = None
    """The prompt that a call of ``generate`` is about to read."""

    _finalizers: list[Callable[[], Any]] = field(default_factory=list)

    def attach(self, model: Host) -> None:
        """Begin to follow the model."""
        self._tokenizer = model.tokenizer
        here, timeline = Here.now(), ref(self)
        # What another thread or task runs is not of the texts that are followed here.
        remove = listen(model, lambda: timeline() if here.is_here else None)
        self._finalizers.append(finalize(self, remove))

    def detach(self) -> None:
        """Stop following; the model has no listener of this timeline any more."""
        while self._finalizers:
            self._finalizers.pop()()
        self._sequences = Sequences()
        self._context = self._before = self._whole = self._said = None

    def select(self, index: Sequence[int], *, n_rows: int | None) -> None:
        """Go on with some rows of the last pass; a row may go on several times.

        Args:
            index: For each row of the next pass, the row of the last one that it continues.
            n_rows: The only batch size that fits from now on, where settings are per row.
        """
        self.n_rows = n_rows
        if self.prompt_lengths is not None:
            self.prompt_lengths = self.prompt_lengths[list(index)]
        if self._whole is not None:
            content, end, wanted = self._whole
            self._whole = content[list(index)], end.rows(index), wanted
        self._sequences.select(index)

    def now(self, hook_name: str, shape: torch.Size) -> Context:
        """Return the pass that runs, for a hook that sees activations of some (batch, pos, …).

        Raises:
            SteerError: When the pass began beyond the first block, so that nothing was heard.
        """
        context = self._context
        if context is None or context.shape != tuple(shape[:2]):
            raise SteerError(
                f"{hook_name}: cannot tell which tokens these are. {_heard(context, shape)} Use "
                "the scope everywhere, and one strength for all rows."
            )
        return context

    def begins(self, now: Pass) -> None:
        """A pass begins; see :class:`~tl_steer.lens.hearing.Listener`."""
        self._context = self._before = None
        rows, width = now.content.shape
        if self.n_rows not in (None, rows):
            raise MismatchError(
                f"settings for {self.n_rows} rows came with a batch of {rows}; give one for each "
                "row, or one for all."
            )
        anew = now.past == 0
        past = self._past(now)
        known = None if anew else self._known(now, past)
        mask = readable(now.mask, past + width)
        real = now.content.new_ones((rows, past + width)) if mask is None else mask
        real = real.long()
        positions = (real.cumsum(-1) - 1).masked_fill(real == 0, -1)
        end, fresh = self._end(now, past, real, known)
        self._before = known
        self._context = Context(
            positions[:, past:],
            end,
            positions,
            now.tokens if anew else _joined(known, now.tokens),
            self._tokenizer,
            before=None if known is None else dict(known.memory),
            padding=self._padding(now, past, mask, known, fresh),
            forgotten="" if anew else _OUTSIDE if known is None else known.forgotten,
        )
        self._whole = (now.content, end, now.fills_cache) if anew else None

    def ended(self, cache: Any, columns: int | None) -> None:
        """A pass is over; see :class:`~tl_steer.lens.hearing.Listener`."""
        context = self._context
        if cache is None or context is None:
            return
        whole = context.past + context.shape[1]
        if columns in (None, whole):
            if self._whole is not None and self._whole[2]:
                self._whole = None
            earlier = {} if self._before is None else self._before.earlier
            self._sequences.keep(cache, Held.of(cache, whole), Known.after(context, earlier))
        elif columns != context.past:
            # A frozen cache stays as it is; any other has taken something else than this pass.
            self._sequences.forget(cache)

    def reads_prompt(self, given: GivenPrompt | None) -> None:
        """The model's own ``generate`` is called; see :class:`~tl_steer.lens.hearing.Listener`."""
        self._said = given

    def _past(self, now: Pass) -> int:
        """How many columns the cache holds; 0 where nobody knows."""
        if now.past is not None:
            return now.past
        heard = self._sequences.columns_of(now.cache)
        if heard is None and is_flat(now.mask):
            return int(now.mask.shape[1]) - now.content.shape[1]
        return heard or 0

    def _known(self, now: Pass, past: int) -> Known | None:
        found = self._sequences.found(now, past)
        if found is None:
            return None
        known, rows = found
        if self.n_rows is not None and not (is_in_order(rows, len(rows)) or self.alike(rows)):
            raise MismatchError(
                f"the rows of the batch were reordered, to {rows}, and each has settings of its "
                "own. Give one setting for all rows, or the same for all that change places: with "
                "beams, for all beams of a prompt."
            )
        return known

    def _end(
        self, now: Pass, past: int, real: Tensor, known: Known | None
    ) -> tuple[PromptEnd, Tensor | None]:
        """Where prompts end, and which rows are not known to continue those of the pass before."""
        width = now.content.shape[1]
        said, self._said = self._said, None
        given = self.prompt_lengths
        texts = texts_being_read() if self.around and now.past == 0 else None
        if texts is not None:
            # They come in an order of their own; a single one has the length that was given.
            lengths = given if texts.prompt_lengths is None and len(real) == 1 else None
            lengths = texts.prompt_lengths if lengths is None else lengths
            fits = None if lengths is None else self._fitting(lengths, len(real))
            return PromptEnd.of_whole_texts(fits, real), None
        if known is not None and (given is not None or said is None):
            return known.end.after(real, width), None
        if given is not None:
            whole = PromptEnd(self._fitting(given, len(real)).to(real.device), said=True)
        elif said is not None:
            whole = PromptEnd.of_call(said, real)
        elif now.past == 0:
            whole = PromptEnd(real.sum(-1), width)
        else:
            return PromptEnd(real[:, :past].sum(-1), unknown=_OUTSIDE), None
        if known is not None:
            return known.end.said_again(whole, past=past), None
        if now.past != 0 or said is not None or self._whole is None:
            return whole, None
        content, end, wanted = self._whole
        if wanted != now.fills_cache:
            return whole, None
        return _continued(now.content, content, end, otherwise=whole)

    @staticmethod
    def _fitting(given: Tensor, rows: int) -> Tensor:
        if given.shape != (rows,):
            raise MismatchError(
                f"{given.numel()} prompt lengths came with a batch of {rows} rows; give one for "
                "each row."
            )
        return given

    def _padding(
        self, now: Pass, past: int, mask: Tensor | None, known: Known | None, fresh: Tensor | None
    ) -> Padding:
        if known is not None and known.padding is not KNOWN:
            return known.padding
        if mask is not None:
            return KNOWN
        if known is not None:
            return Padding(earlier=known.positions)
        attended = last_row(now.mask, past + now.content.shape[1])
        unseen = ""
        if now.mask is not None and attended is None:
            unseen = "an attention mask came that does not say what is padding"
        elif now.past != 0:
            unseen = "a cache that was filled outside of this block came without an attention mask"
        none = now.mask is None
        return Padding(
            now.tokens if none else None,
            len(now.content) if none else 0,
            self._tokenizer,
            fresh,
            attended,
            unseen=unseen,
            end_is_given=self.prompt_lengths is not None,
        )


def _heard(context: Context | None, shape: torch.Size) -> str:
    if context is None:
        return "The pass did not begin at the first block, as with start_at_layer."
    rows, tokens = context.shape
    return (
        f"The activations are of the shape {tuple(shape)}, and the pass began with {rows} rows of "
        f"{tokens} tokens: a pass that begins at a later block (start_at_layer) is not heard, nor "
        "is one without a batch axis."
    )


def _continued(
    content: Tensor, before: Tensor, end: PromptEnd, *, otherwise: PromptEnd
) -> tuple[PromptEnd, Tensor | None]:
    """Rows that repeat one of the pass before, and add a token, have the prompt of that one.

    Compared on the device: a hook must not wait for the GPU.
    """
    if before.shape[1] != content.shape[1] - 1:
        return otherwise, None
    same = (content[:, None, :-1] == before[None]).all(-1)
    # Of rows that are alike, each continues its own.
    own = torch.ones_like(same).tril().triu()
    row = (same.long() + (same & own).long()).argmax(1)
    found = same.any(1)
    lengths = torch.where(found, end.lengths[row], otherwise.lengths)
    return replace(otherwise, lengths=lengths), ~found


def _joined(known: Known | None, tokens: Tensor | None) -> Tensor | None:
    if known is None or known.tokens is None or tokens is None:
        return None
    return torch.cat([known.tokens, tokens.to(known.tokens.device)], dim=1)
