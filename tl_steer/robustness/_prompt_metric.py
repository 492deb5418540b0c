"""A metric at the end of some prompts, under steering that may differ from row to row."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from tl_steer.batching import default_max_tokens, halving, length_sorted
from tl_steer.causal import Experiment, LogitMetric, Metric, measure_of, run, values
from tl_steer.data import plain_texts
from tl_steer.errors import DataError
from tl_steer.lens.protocol import SteerableModel, device_of, dtype_of, require_steerable
from tl_steer.lens.tokens import Chat, TokenIds, check_lengths, tokenize
from tl_steer.shapes import Rows
from tl_steer.steering import Steering, in_part

Answers = str | Sequence[str]
"""One for all prompts, or one for each."""


@dataclass(frozen=True, eq=False)
class PromptMetric:
    """One number a prompt, such as how much likelier one answer is than another."""

    experiment: Experiment
    """In which nothing is exchanged."""

    @classmethod
    def of(
        cls,
        model: SteerableModel,
        prompts: Sequence[str],
        metric: Metric | LogitMetric,
        *,
        chat: Chat | None = None,
    ) -> "PromptMetric":
        """Check and tokenize; nothing runs.

        Raises:
            DataError: For no prompts, or prompts or answers that cannot be used.
            SteerError: If they are not a model and a metric.
        """
        require_steerable(model)
        texts = plain_texts(prompts, "prompts")
        if not texts:
            raise DataError("Expected at least one prompt, got none.")
        measure = measure_of(metric, model, len(texts))
        rows = tuple(tokenize(model, texts, chat=chat))
        whole = [row + measure.after(number) for number, row in enumerate(rows)]
        check_lengths(model, whole, texts)
        return cls(Experiment(model, (), texts, rows, None, None, (), measure, (), {}, ()))

    @property
    def texts(self) -> tuple[str, ...]:
        """The prompts."""
        return self.experiment.texts

    @property
    def rows(self) -> tuple[TokenIds, ...]:
        """Their tokens."""
        return self.experiment.base

    @property
    def lengths(self) -> list[int]:
        """Tokens of each prompt with what follows it."""
        return [self.experiment.length(number) for number in range(len(self.rows))]

    def together(self, prompts: Sequence[int], steering: Steering) -> Rows:
        """Measure rows in one batch; gradients pass.

        Args:
            prompts: Which prompt each row is.
            steering: Settings per row are for these rows.

        Raises:
            NonFiniteError: For NaN or infinity, with the prompt.
        """
        chosen = [self.rows[number] for number in prompts]
        with in_part(self.experiment.model, steering, prompt_lengths=[len(row) for row in chosen]):
            outcome = run(self.experiment, chosen, prompts)
        with torch.no_grad():
            # Refuses what is not finite.
            values(self.experiment, outcome)
        return self.experiment.measure.value(outcome)

    @torch.inference_mode()
    def all(self, steering: Steering, prompts: Sequence[int] | None = None) -> Rows:
        """Measure any number of rows, in batches that fit; on the CPU.

        Args:
            steering: Settings per row are for these rows.
            prompts: Which prompt each row is; by default each once.
        """
        numbers = list(range(len(self.rows)) if prompts is None else prompts)
        model, lengths = self.experiment.model, self.lengths
        room = 8 * int(model.cfg.d_vocab) * dtype_of(model).itemsize
        limit = default_max_tokens(device_of(model), bytes_per_token=room)
        found = torch.zeros(len(numbers))

        def measure(index: list[int]) -> Rows:
            own = steering if steering.n_rows is None else steering.rows(index)
            return self.together([numbers[i] for i in index], own).float().cpu()

        for batch in length_sorted([lengths[number] for number in numbers], max_tokens=limit):
            for part, result in halving(measure, batch):
                found[part] = result
        return found


def each_of(answers: Answers, n: int) -> list[str]:
    """The answer of each of ``n`` prompts."""
    several = [answers] if isinstance(answers, str) else list(answers)
    return several if len(several) == n else several * n
