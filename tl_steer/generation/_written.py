"""What the rows of a batch have written so far, and which of them go on."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

_LOOK_EVERY = {"cpu": 1}
_SELDOM = 8
"""A look waits for the device, and in the meantime nothing is given to it to do."""

_WORTH_IT = 0.75
"""At this share of rows, or fewer, the others are left behind: to select rows copies the cache,
which is worth a fraction of a step."""


class Written:
    """Tokens and their log-probabilities; only :meth:`look` waits for the device."""

    def __init__(self, rows: int, steps: int, ends: Tensor) -> None:
        """Nothing is written yet.

        Args:
            rows: Texts of the batch.
            steps: Tokens that each may have.
            ends: Tokens that end a text.
        """
        self._tokens = torch.zeros((rows, steps), dtype=torch.long, device=ends.device)
        self._log_probs = torch.zeros((rows, steps), device=ends.device)
        self._ends = ends
        self._rows = torch.arange(rows, device=ends.device)
        self._finished = torch.zeros(rows, dtype=torch.bool, device=ends.device)
        self._failed = torch.full((rows,), -1, device=ends.device)
        self._every = _LOOK_EVERY.get(ends.device.type, _SELDOM)
        self.going = list(range(rows))
        """The numbers of the rows that are still written."""

    def add(
        self, step: int, logits: Float[Tensor, "row d_vocab"], drawn: Int[Tensor, " row"]
    ) -> None:
        """Take a token of every row that goes on."""
        logits = logits.float()
        fails = ~torch.isfinite(logits).all(-1) & ~self._finished & (self._failed[self._rows] < 0)
        self._failed[self._rows] = torch.where(fails, step, self._failed[self._rows])
        self._tokens[self._rows, step] = drawn
        chosen = logits.gather(1, drawn[:, None])[:, 0]
        self._log_probs[self._rows, step] = chosen - logits.logsumexp(-1)
        self._finished |= torch.isin(drawn, self._ends)

    def is_time(self, step: int) -> bool:
        """Whether to look after this step; after the last there is nothing to go on with."""
        return (step + 1) % self._every == 0

    def failed(self) -> tuple[int, int] | None:
        """The first row whose logits were not finite, and at which step."""
        failed: list[int] = self._failed.tolist()
        return next(((row, step) for row, step in enumerate(failed) if step >= 0), None)

    def look(self) -> list[int]:
        """Which of the rows that were going on do so, as far as leaving others behind is worth it.

        Returns:
            Numbers among those that were going on; none where all texts have ended.
        """
        going = [row for row, ended in enumerate(self._finished.tolist()) if not ended]
        if going and len(going) > _WORTH_IT * len(self.going):
            return list(range(len(self.going)))
        return going

    def go_on_with(self, rows: Sequence[int]) -> None:
        """Leave the other rows behind, which have ended."""
        index = torch.tensor(list(rows), dtype=torch.long, device=self._rows.device)
        self._rows, self._finished = self._rows[index], self._finished[index]
        self.going = [self.going[row] for row in rows]

    def so_far(self, steps: int) -> list[list[int]]:
        """The tokens of every row after so many steps."""
        tokens: list[list[int]] = self._tokens[:, :steps].tolist()
        return tokens

    def texts(self) -> list[tuple[list[int], list[float]]]:
        """Tokens and log-probabilities of every row; what follows its end is of no meaning."""
        return list(zip(self._tokens.tolist(), self._log_probs.tolist(), strict=True))
