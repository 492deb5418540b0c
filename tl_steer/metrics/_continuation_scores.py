"""How likely a model finds several continuations of each prompt, under one steering or many."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from tqdm.auto import tqdm

from tl_steer.batching import default_max_tokens, halving, length_sorted
from tl_steer.data import plain_texts
from tl_steer.errors import DataError, MismatchError
from tl_steer.lens.forward import run_logits
from tl_steer.lens.paths import host_for
from tl_steer.lens.protocol import Host, SteerableModel, device_of, dtype_of
from tl_steer.lens.tokens import Batch, Chat, TokenIds, check_lengths, pad, pad_id, tokenize
from tl_steer.steering import Steering, in_part

Scores = Float[Tensor, "setting continuation"]
"""Log-probabilities in nats, float32, on the CPU."""

Job = tuple[int, int]
"""A setting, and a row that runs under it."""

LogitsAt = Callable[[Int[Tensor, " place"], Int[Tensor, " place"]], Float[Tensor, "place d_vocab"]]
"""Logits at some rows and positions of a batch."""

_AT_ONCE = 512


@dataclass(frozen=True, eq=False)
class Continuations:
    """Prompts, and what may follow them, as rows of token ids.

    The last token of a continuation predicts nothing, so that it is left out of its row; what then
    is equal runs once. All continuations of one token share the prompt's own row.
    """

    n_prompts: int
    rows: tuple[TokenIds, ...]
    """What the model reads."""

    prompts: tuple[int, ...]
    """Which prompt each row begins with."""

    prompt_lengths: tuple[int, ...]
    """How many tokens of each row are the prompt; the others count as generated."""

    row_of: tuple[int, ...]
    """Which row each continuation is read off."""

    tokens: tuple[TokenIds, ...]
    """The continuations."""

    @classmethod
    def of(
        cls,
        model: SteerableModel,
        prompts: Sequence[str],
        following: Sequence[tuple[int, str]],
        *,
        chat: Chat | None = None,
        prepend_bos: bool | None = None,
    ) -> "Continuations":
        """Tokenize each by itself, as it is when a model generates.

        Args:
            model: Its tokenizer is used.
            prompts: At least one.
            following: The number of a prompt, and what may follow it.
            chat: Puts each prompt into the chat template, as the user's turn.
            prepend_bos: Whether prompts begin with a beginning-of-text token.

        Raises:
            DataError: For no prompt or continuation, one without a token, or where both together
                are too long for the model's context.
        """
        given = plain_texts(prompts, "prompts")
        texts = plain_texts([text for _, text in following], "continuations")
        if not given or not texts:
            raise DataError(
                f"Got {len(given)} prompts and {len(texts)} continuations. Give one for each "
                "prompt."
            )
        before = tokenize(model, given, chat=chat, prepend_bos=prepend_bos)
        after = tokenize(model, texts, prepend_bos=False)
        whole = [before[p] + tokens for (p, _), tokens in zip(following, after, strict=True)]
        check_lengths(model, whole, [given[p] + text for p, text in following])
        numbers: dict[tuple[int, TokenIds], int] = {}
        row_of = [
            numbers.setdefault((p, row[:-1]), len(numbers))
            for (p, _), row in zip(following, whole, strict=True)
        ]
        return cls(
            n_prompts=len(given),
            rows=tuple(row for _, row in numbers),
            prompts=tuple(p for p, _ in numbers),
            prompt_lengths=tuple(len(before[p]) for p, _ in numbers),
            row_of=tuple(row_of),
            tokens=tuple(after),
        )

    def log_probs(
        self,
        model: SteerableModel,
        steering: Steering | None,
        *,
        max_tokens: int | None = None,
        progress: bool = False,
    ) -> Scores:
        """``Σ log p(token | prompt, tokens before)`` of each continuation.

        Args:
            model: Any TransformerLens model.
            steering: ``None`` for the model as it is. Settings per row are for the prompts, or
                for all prompts under one setting, then under the next, and so on.
            max_tokens: Padded tokens in a batch; by default from memory.
            progress: Whether to show a progress bar.

        Raises:
            MismatchError: For settings of another number of rows.
        """
        settings = self._n_settings(steering)
        jobs = [(setting, row) for setting in range(settings) for row in range(len(self.rows))]
        found = torch.zeros(settings, len(self.tokens))
        host = host_for(model, () if steering is None else steering.hook_names)

        def run(index: list[int]) -> Tensor:
            chosen = [jobs[i] for i in index]
            batch = self.batch(model, [row for _, row in chosen])
            with self._steered(host, steering, chosen):
                lengths = [self.prompt_lengths[row] for _, row in chosen]
                logits = run_logits(host, batch, prompt_lengths=lengths)
            return self.read_off(lambda row, position: logits[row, position], chosen)

        with torch.inference_mode(), progress_bar(len(jobs), progress) as bar:
            lengths = [len(self.rows[row]) for _, row in jobs]
            for batch in length_sorted(lengths, max_tokens=room(model, max_tokens)):
                for part, values in halving(run, batch):
                    self.write_down(found, values, [jobs[i] for i in part])
                    bar.update(len(part))
        return found

    def batch(self, model: SteerableModel, rows: Sequence[int]) -> Batch:
        """Put some rows on the model's device, padded on the right."""
        padded = pad([self.rows[row] for row in rows], side="right", pad_id=pad_id(model))
        return padded.to(device_of(model))

    def read_off(self, logits: LogitsAt, jobs: Sequence[Job]) -> Float[Tensor, " read"]:
        """Log-probabilities of the continuations of some rows, row after row.

        Args:
            logits: Of a batch of these rows.
            jobs: What runs in it.
        """
        places: dict[tuple[int, int], int] = {}
        wanted = [
            (places.setdefault((number, start + step), len(places)), token, slot)
            for slot, (number, start, tokens) in enumerate(self._read(jobs))
            for step, token in enumerate(tokens)
        ]
        place, token, slot = torch.tensor(wanted).unbind(1)
        at = torch.tensor(list(places))
        each = torch.zeros(len(wanted))
        # Some at a time: each brings a whole vocabulary with it, in float32.
        for start in range(0, len(places), _AT_ONCE):
            some = at[start : start + _AT_ONCE]
            here = ((place >= start) & (place < start + _AT_ONCE)).nonzero()[:, 0]
            log_probs = logits(some[:, 0], some[:, 1]).float().log_softmax(-1)
            where = (place[here] - start, token[here])
            each[here] = log_probs[tuple(index.to(log_probs.device) for index in where)].cpu()
        sums: Tensor = torch.zeros(int(slot[-1]) + 1).index_add(0, slot, each)
        return sums

    def write_down(self, into: Scores, values: Float[Tensor, " read"], jobs: Sequence[Job]) -> None:
        """Put what was read off some rows where it belongs."""
        settings = [setting for setting, row in jobs for _ in self._of_row[row]]
        continuations = [each for _, row in jobs for each in self._of_row[row]]
        into[settings, continuations] = values

    @cached_property
    def _of_row(self) -> list[list[int]]:
        """Which continuations are read off each row."""
        found: list[list[int]] = [[] for _ in self.rows]
        for continuation, row in enumerate(self.row_of):
            found[row].append(continuation)
        return found

    def _read(self, jobs: Sequence[Job]) -> Iterator[tuple[int, int, TokenIds]]:
        """Row of the batch, position of the prompt's last token, and tokens of each."""
        for number, (_, row) in enumerate(jobs):
            for continuation in self._of_row[row]:
                yield number, self.prompt_lengths[row] - 1, self.tokens[continuation]

    def _n_settings(self, steering: Steering | None) -> int:
        n_rows = None if steering is None else steering.n_rows
        if n_rows is None:
            return 1
        if n_rows % self.n_prompts:
            raise MismatchError(
                f"Got settings for {n_rows} rows and {self.n_prompts} prompts. Give as many rows, "
                "a multiple of them, or one for all."
            )
        return n_rows // self.n_prompts

    def _steered(
        self, host: Host, steering: Steering | None, jobs: Sequence[Job]
    ) -> AbstractContextManager[Any]:
        if steering is None:
            return nullcontext()
        index = [setting * self.n_prompts + self.prompts[row] for setting, row in jobs]
        own = steering if steering.n_rows is None else steering.rows(index)
        return in_part(host, own, prompt_lengths=[self.prompt_lengths[row] for _, row in jobs])


def room(model: SteerableModel, max_tokens: int | None) -> int:
    """How many padded tokens a batch may have whose logits are all there at once."""
    if max_tokens is not None:
        return max_tokens
    logits = 4 * int(model.cfg.d_vocab) * dtype_of(model).itemsize
    return default_max_tokens(device_of(model), bytes_per_token=logits)


def progress_bar(total: int, shown: bool) -> Any:
    """One step a row."""
    return tqdm(total=total, desc="score", unit="row", disable=not shown)
