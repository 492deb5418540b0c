"""Text with and without steering, from the same random numbers."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from torch import Tensor
from tqdm.auto import tqdm

from tl_steer.batching import default_max_tokens, halving, length_sorted
from tl_steer.errors import DataError, MismatchError, NonFiniteError
from tl_steer.generation.generations import Generations
from tl_steer.generation.sampling import Sampling
from tl_steer.lens.forward import Decoder
from tl_steer.lens.protocol import SteerableModel, device_of, dtype_of, require_steerable
from tl_steer.lens.tokens import (
    Chat,
    TokenIds,
    check_lengths,
    decode,
    eos_ids,
    pad,
    pad_id,
    tokenize,
)
from tl_steer.steering import Steering, steer


def generate(
    model: SteerableModel,
    prompts: str | Sequence[str],
    steering: Steering | None = None,
    sampling: Sampling = Sampling(),  # noqa: B008, frozen
    *,
    chat: Chat | None = None,
    prepend_bos: bool | None = None,
    max_tokens: int | None = None,
    progress: bool = True,
) -> Generations:
    """Continue prompts, steered or not.

    Rows are left-padded with a mask that travels along, so that a prompt gets the text that it
    gets alone, and hooks of your own that sit on the model act as always.

    Args:
        model: Any TransformerLens model.
        prompts: One or many, of any lengths.
        steering: What to do while the model reads and writes. Settings per row are for the prompts,
            or for prompts × samples, the samples of a prompt next to each other.
        sampling: How texts are drawn, how many and how long.
        chat: Put each prompt into the tokenizer's chat template, as the user's turn.
        prepend_bos: Whether prompts begin with a beginning-of-text token; ``None`` does what
            TransformerLens does with this model, or leaves it to the chat template.
        max_tokens: Padded tokens in a batch, continuations included; by default from memory.
        progress: Whether to show a progress bar.

    Returns:
        A tidy frame with tokens and log-probabilities; its condition is ``unsteered`` or
        ``steered``.

    Raises:
        DataError: For no prompts, or prompts that leave no room in the context.
        MismatchError: For settings of another number of rows.
        NonFiniteError: When logits become NaN or infinite, with the steered hook points.
    """
    conditions = {"unsteered": None} if steering is None else {"steered": steering}
    return compare(
        model,
        prompts,
        conditions,
        sampling,
        chat=chat,
        prepend_bos=prepend_bos,
        max_tokens=max_tokens,
        progress=progress,
    )


def compare(
    model: SteerableModel,
    prompts: str | Sequence[str],
    conditions: Steering | Mapping[str, Steering | None],
    sampling: Sampling = Sampling(),  # noqa: B008, frozen
    *,
    chat: Chat | None = None,
    prepend_bos: bool | None = None,
    max_tokens: int | None = None,
    progress: bool = True,
) -> Generations:
    """Continue the same prompts under several conditions, from the same random numbers.

    Args:
        model: Any TransformerLens model.
        prompts: One or many, of any lengths.
        conditions: One steering, to be compared with none; or a steering for each name, with
            ``None`` for the model as it is.
        sampling: How texts are drawn, how many and how long.
        chat: Put each prompt into the tokenizer's chat template, as the user's turn.
        prepend_bos: Whether prompts begin with a beginning-of-text token.
        max_tokens: Padded tokens in a batch, continuations included; by default from memory.
        progress: Whether to show a progress bar.

    Returns:
        A tidy frame over all conditions; :meth:`Generations.side_by_side` is for reading.

    Raises:
        DataError: For no prompts, or prompts that leave no room in the context.
        MismatchError: For settings of another number of rows.
        NonFiniteError: When logits become NaN or infinite, with the steered hook points.

    Example:
        >>> ts.compare(model, prompts, {"none": None, "glad": ts.Steering(ts.Add(joy, 4.0))})
    """
    require_steerable(model)
    if isinstance(conditions, Steering):
        conditions = {"unsteered": None, "steered": conditions}
    given = (prompts,) if isinstance(prompts, str) else tuple(prompts)
    if not given or not conditions:
        raise DataError("there is no prompt to continue." if not given else "no condition came.")
    rows = tokenize(model, given, prepend_bos=prepend_bos, chat=chat)
    check_lengths(model, rows, given, room=sampling.max_new_tokens)
    steered = {
        name: _for_rows(each, len(given), sampling.samples) for name, each in conditions.items()
    }
    for each in steered.values():
        if each is not None:
            each.check_fits(model)
    lengths = [len(row) + sampling.max_new_tokens for row in rows for _ in range(sampling.samples)]
    limit = _max_tokens(model) if max_tokens is None else max_tokens
    batches = length_sorted(lengths, max_tokens=limit)
    records: list[dict[str, Any]] = []
    total = len(lengths) * len(steered)
    with (
        torch.inference_mode(),
        tqdm(total=total, desc="generate", unit="text", disable=not progress) as bar,
    ):
        for name, each in steered.items():
            writer = _Writer(model, given, rows, sampling, name, each)
            written: dict[int, dict[str, Any]] = {}
            for batch in batches:
                for part, result in halving(writer.write, batch):
                    written.update(zip(part, result, strict=True))
                    bar.update(len(part))
            records.extend(written[row] for row in range(len(lengths)))
    return Generations(pd.DataFrame(records), sampling)


@dataclass(frozen=True, eq=False)
class _Writer:
    """Writes rows under one condition. Row ``r`` is sample ``r % samples`` of a prompt."""

    model: SteerableModel
    prompts: Sequence[str]
    rows: Sequence[TokenIds]
    sampling: Sampling
    condition: str
    steering: Steering | None

    def write(self, index: list[int]) -> list[dict[str, Any]]:
        samples = self.sampling.samples
        device = device_of(self.model)
        prompts = pad(
            [self.rows[r // samples] for r in index], side="left", pad_id=pad_id(self.model)
        )
        uniform = self.sampling.uniforms(len(self.rows))[index].to(device)
        ends = torch.tensor(eos_ids(self.model) if self.sampling.stop_at_eos else [], device=device)
        steering = None if self.steering is None else self.steering.rows(index)
        tokens: list[Tensor] = []
        log_probs: list[Tensor] = []
        with nullcontext() if steering is None else steer(self.model, steering):
            decoder, logits = Decoder.begin(self.model, prompts.to(device))
            finished = torch.zeros(len(index), dtype=torch.bool, device=device)
            for step in range(self.sampling.max_new_tokens):
                if step:
                    logits = decoder.step(tokens[-1][:, None])
                self._require_finite(logits, step, index)
                drawn = self.sampling.draw(logits, uniform[:, step])
                log_probs.append(logits.float().log_softmax(-1).gather(1, drawn[:, None])[:, 0])
                tokens.append(drawn)
                finished |= torch.isin(drawn, ends)
                if bool(finished.all()):
                    break
        return [
            self._record(row, ids, logs, set(ends.tolist()))
            for row, ids, logs in zip(
                index,
                torch.stack(tokens, 1).tolist(),
                torch.stack(log_probs, 1).tolist(),
                strict=True,
            )
        ]

    def _record(
        self, row: int, ids: list[int], logs: list[float], ends: set[int]
    ) -> dict[str, Any]:
        last = next((i for i, token in enumerate(ids) if token in ends), None)
        length = len(ids) if last is None else last + 1
        prompt, sample = divmod(row, self.sampling.samples)
        return {
            "condition": self.condition,
            "prompt_index": prompt,
            "sample": sample,
            "prompt": self.prompts[prompt],
            "text": decode(self.model, ids[:length]),
            "tokens": ids[:length],
            "log_probs": logs[:length],
            "prompt_tokens": list(self.rows[prompt]),
            "finished": last is not None,
        }

    def _require_finite(self, logits: Tensor, step: int, index: Sequence[int]) -> None:
        fine = torch.isfinite(logits).all(-1)
        if bool(fine.all()):
            return
        row = index[int((~fine).nonzero()[0])]
        acts = [] if self.steering is None else [repr(each) for each in self.steering.active]
        raise NonFiniteError(
            f"{self.condition}: the logits of token {step} after "
            f"{self.prompts[row // self.sampling.samples]!r} hold NaN or infinity. Acting: "
            f"{'; '.join(acts) or 'nothing of tl_steer'}. Lower the strength, or use a wider dtype."
        )


def _for_rows(steering: Steering | None, prompts: int, samples: int) -> Steering | None:
    if steering is None or steering.n_rows in (None, prompts * samples):
        return steering
    if steering.n_rows == prompts:
        return steering.rows([row // samples for row in range(prompts * samples)])
    raise MismatchError(
        f"settings for {steering.n_rows} rows came with {prompts} prompts of {samples} samples; "
        f"give one for each prompt, or {prompts * samples}, or one for all."
    )


def _max_tokens(model: SteerableModel) -> int:
    # Keys, values and residuals of every layer; logits of one position a row.
    per_token = (
        (3 * int(model.cfg.n_layers) + 40) * int(model.cfg.d_model) * dtype_of(model).itemsize
    )
    return 4 * default_max_tokens(device_of(model), bytes_per_token=4 * per_token)
