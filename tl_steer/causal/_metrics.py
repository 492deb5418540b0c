"""What is measured at the end of a prompt: one number a prompt, differentiable.

A user's own metric is any function of the logits at the last token of each prompt and of which
prompt each row is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from tl_steer.arguments import Count, checked, means
from tl_steer.causal._outcome import LastLogits, Measure, Outcome, PromptIndex
from tl_steer.data import plain_texts
from tl_steer.directions import Direction
from tl_steer.errors import DataError, MismatchError, SteerError
from tl_steer.lens.protocol import SteerableModel
from tl_steer.lens.tokens import TokenIds, tokenize
from tl_steer.shapes import Rows
from tl_steer.statistics import kl_divergence


@means("a metric", instead='For example LogitDifference(" good", " bad").')
@runtime_checkable
class Metric(Protocol):
    """Knows how to measure a model that has read some prompts."""

    def measure(self, model: SteerableModel, n_prompts: int) -> Measure:
        """Make itself ready for a model, and for that many prompts."""
        ...


@means("a function of logits and prompts", "functions of logits and prompts")
@runtime_checkable
class LogitMetric(Protocol):
    """A user's own metric: a function of the logits."""

    def __call__(self, logits: LastLogits, prompts: PromptIndex) -> Rows:
        """Return one number a row.

        Args:
            logits: At the last token of each row's prompt, in float32 or better, on the model's
                device.
            prompts: Which prompt each row is, counted from 0 as the texts that run: the pairs, or
                one side of an unpaired set. A prompt comes in many rows, in no certain order.
        """
        ...


@checked
@dataclass(frozen=True)
class LogitDifference:
    """``logit(answer₊) − logit(answer₋)`` of the token that follows the prompt.

    Of an answer of several tokens the first one counts. In most tokenizers a word that follows
    others begins with a space: ``" good"``.
    """

    positive: str | Sequence[str]
    """The answer that the positive texts ask for; one for all prompts, or one for each."""

    negative: str | Sequence[str]
    """The answer that the negative texts ask for."""

    def measure(self, model: SteerableModel, n_prompts: Count) -> Measure:
        """Look the first tokens up.

        Raises:
            DataError: For answers that do not fit the prompts, or begin with the same token.
        """
        sides = (_several(self.positive, "positive"), _several(self.negative, "negative"))
        for texts in sides:
            _require_number(texts, n_prompts, "answers")
        first, second = (_first_tokens(model, texts) for texts in sides)
        for number in range(max(len(first), len(second))):
            one, other = (each[number if len(each) > 1 else 0] for each in (first, second))
            if one == other:
                came = [side[number if len(side) > 1 else 0] for side in sides]
                raise DataError(
                    f"answers {came[0]!r} and {came[1]!r} begin with the same token, number {one}, "
                    "so their logits do not differ. Give answers that begin differently."
                )

        def value(outcome: Outcome) -> Rows:
            logits = _logits(outcome)
            high, low = (
                logits.gather(1, _of_rows(each, outcome.prompts)[:, None])[:, 0]
                for each in (first, second)
            )
            return high - low

        same = all(len(each) == 1 for each in (first, second))
        return Measure(value, same_for_all=same)


@checked
@dataclass(frozen=True)
class LogProbability:
    """``log p(continuation | prompt)``, in nats: the sum over its tokens."""

    continuation: str | Sequence[str]
    """One for all prompts, or one for each."""

    def measure(self, model: SteerableModel, n_prompts: Count) -> Measure:
        """Tokenize what follows, by itself, as it is when a model generates.

        Raises:
            DataError: For continuations that do not fit the prompts, or without a token.
        """
        texts = _several(self.continuation, "continuation")
        _require_number(texts, n_prompts, "continuations")
        rows = tuple(tokenize(model, texts, prepend_bos=False))

        def value(outcome: Outcome) -> Rows:
            logits = _logits(outcome)
            chosen = logits.gather(1, outcome.following[:, None])[:, 0]
            each = chosen - logits.logsumexp(-1)
            sums: Tensor = each.new_zeros(len(outcome.prompts)).index_add(0, outcome.row, each)
            return sums

        return Measure(value, rows, same_for_all=len(rows) == 1)


@checked
@dataclass(frozen=True)
class Divergence:
    """``KL(p ‖ p′) = Σ p (log p − log p′)`` of the next token, in nats.

    ``p`` is the base run's, ``p′`` that with something exchanged: how much that matters, whatever
    it does. It is at its minimum where nothing is exchanged, where it has no slope: attribution
    cannot see it.
    """

    def measure(self, model: SteerableModel, n_prompts: Count) -> Measure:
        """Need nothing of the model."""

        def value(outcome: Outcome) -> Rows:
            now = _logits(outcome).log_softmax(-1)
            base = now if outcome.base is None else outcome.base.log_softmax(-1)
            return kl_divergence(base, now)

        return Measure(value, compares=True)


@checked
@dataclass(frozen=True, eq=False)
class ProbeScore:
    """``h·v̂`` at the last token of the prompt, at the hook point of a direction.

    In that activation's units. What is exchanged must come before it in the pass.
    """

    direction: Direction

    def measure(self, model: SteerableModel, n_prompts: Count) -> Measure:
        """Check that the direction belongs to the model.

        Raises:
            MismatchError: For a direction of another model.
            NonFiniteError: For the zero vector.
        """
        self.direction.check_fits(model)
        unit = self.direction.unit.vector.flatten()

        def value(outcome: Outcome) -> Rows:
            if outcome.acts is None:
                raise SteerError(f"{self.direction.hook_name} was not read in this pass.")
            return outcome.acts.flatten(1) @ unit.to(outcome.acts)

        return Measure(value, reads=self.direction.hook_name, same_for_all=True)


def measure_of(metric: Metric | LogitMetric, model: SteerableModel, n_prompts: int) -> Measure:
    """Make a metric ready, a user's own function included.

    Raises:
        SteerError: If it is not a metric.
    """
    if isinstance(metric, Metric):
        return metric.measure(model, n_prompts)
    if not callable(metric):
        raise MismatchError(
            f'metric is {metric!r}; LogitDifference(" good", " bad"), or a function of (logits '
            "at the last prompt token, index of each row's prompt), would fit."
        )
    function = metric

    def value(outcome: Outcome) -> Rows:
        # A user's function may return anything.
        found: Any = function(_logits(outcome), outcome.prompts)
        fits = isinstance(found, Tensor) and found.shape == outcome.prompts.shape
        if not fits or not found.is_floating_point():
            came = f"{found.dtype}, {tuple(found.shape)}" if isinstance(found, Tensor) else found
            raise SteerError(
                f"the metric returned {came!r}. Return one floating-point number for each of the "
                f"{len(outcome.prompts)} rows."
            )
        numbers: Tensor = found
        return numbers

    return Measure(value)


def _logits(outcome: Outcome) -> Tensor:
    if outcome.logits is None:
        raise SteerError("This pass ended before the logits.")
    return outcome.logits


def _several(texts: str | Sequence[str], what: str) -> tuple[str, ...]:
    return plain_texts([texts] if isinstance(texts, str) else texts, what)


def _require_number(texts: Sequence[str], n_prompts: int, what: str) -> None:
    if len(texts) not in (1, n_prompts):
        raise DataError(
            f"Got {len(texts)} {what} and {n_prompts} prompts. Give one for each, or one for all."
        )


def _first_tokens(model: SteerableModel, texts: Sequence[str]) -> TokenIds:
    return tuple(row[0] for row in tokenize(model, texts, prepend_bos=False))


def _of_rows(tokens: TokenIds, prompts: PromptIndex) -> Tensor:
    every = torch.tensor(tokens, device=prompts.device)
    return every[prompts] if len(tokens) > 1 else every.expand(len(prompts))
