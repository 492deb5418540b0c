"""What steering does to unrelated text."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from tqdm.auto import tqdm

from tl_steer.arguments import Count, checked
from tl_steer.batching import default_max_tokens, halving, length_sorted
from tl_steer.data import plain_texts
from tl_steer.errors import DataError, MismatchError
from tl_steer.lens.forward import Logits, run_logits
from tl_steer.lens.paths import host_for
from tl_steer.lens.protocol import Host, SteerableModel, device_of, dtype_of, require_steerable
from tl_steer.lens.tokens import Batch, TokenIds, pad, pad_id, tokenize
from tl_steer.shapes import Rows
from tl_steer.statistics import kl_divergence
from tl_steer.steering import Steering, SteeringLike, as_steering, in_part


@checked
@dataclass(frozen=True, eq=False)
class SideEffects:
    """What steering does to given texts; made by :func:`side_effects`.

    Row ``r`` is text ``r % n_texts`` under setting ``r // n_texts``.
    """

    kl: Rows
    """``KL(steered ‖ unsteered)`` of the next token, in nats: the mean over a row's tokens."""

    nll: Rows
    """``−Σ log p(token | before)`` under the steered model, over all tokens of a row but the
    first, which nothing stands before; nats."""

    unsteered_nll: Rows
    """The same of the model as it is."""

    n_tokens: Int[Tensor, " batch"]
    """Tokens of a row that were counted in these sums."""

    n_texts: int

    @property
    def mean_kl(self) -> Float[Tensor, " setting"]:
        """Of each setting, over texts: every text weighs the same, long or short."""
        return self.kl.view(-1, self.n_texts).mean(1)

    @property
    def perplexity(self) -> Float[Tensor, " setting"]:
        """``exp(Σ nll / Σ tokens)`` of each setting, under the steered model."""
        return self._pooled(self.nll)

    @property
    def perplexity_ratio(self) -> Float[Tensor, " setting"]:
        """Steered over unsteered: 1 where steering leaves these texts as likely as they were."""
        return self._pooled(self.nll) / self._pooled(self.unsteered_nll)

    def _pooled(self, nll: Rows) -> Float[Tensor, " setting"]:
        shape = (-1, self.n_texts)
        return (nll.double().view(shape).sum(1) / self.n_tokens.view(shape).sum(1)).exp().float()

    def __repr__(self) -> str:
        """The means of the first settings."""
        return (
            f"SideEffects on {self.n_texts} texts, {len(self.mean_kl)} settings: KL "
            f"{_few(self.mean_kl)} nats a token, perplexity × {_few(self.perplexity_ratio)}"
        )


@checked
def neutral_kl(
    model: SteerableModel,
    texts: Sequence[str],
    steering: SteeringLike,
    *,
    prompt_tokens: Count | None = None,
    prepend_bos: bool | None = None,
    max_tokens: Count | None = None,
    progress: bool = False,
) -> Rows:
    """``KL(steered ‖ unsteered)`` of the next token, at every token of neutral texts.

    With the next-token distributions ``p`` of the steered and ``q`` of the unsteered model::

        KL of a text = mean over its tokens of Σ p log(p / q), in nats

    A scope of one token changes only that token and those after it; the others dilute the mean. The
    arguments are those of :func:`side_effects`.

    Returns:
        One number a row; ``.view(-1, len(texts)).mean(1)`` has one a setting.

    Raises:
        DataError: As :func:`side_effects`.
        MismatchError: As :func:`side_effects`.
    """
    require_steerable(model)
    return side_effects(
        model,
        texts,
        steering,
        prompt_tokens=prompt_tokens,
        prepend_bos=prepend_bos,
        max_tokens=max_tokens,
        progress=progress,
    ).kl


@checked
def side_effects(
    model: SteerableModel,
    texts: Sequence[str],
    steering: SteeringLike,
    *,
    prompt_tokens: Count | None = None,
    prepend_bos: bool | None = None,
    max_tokens: Count | None = None,
    progress: bool = False,
) -> SideEffects:
    """Measure the next-token KL and the perplexity of texts, with and without steering.

    Both come from the same passes; all settings of a text share the unsteered one.

    Args:
        model: Any TransformerLens model, outside any ``steer`` block.
        texts: Neutral ones, such as ``neutral_background()``, each of two tokens at least.
        steering: What to do. Settings per row are one for each text; or all texts under one
            setting, then all under the next, and so on.
        prompt_tokens: How many tokens at the beginning of each text count as its prompt; the rest
            count as generated. By default all are prompt, so the scope ``generated`` does nothing.
        prepend_bos: Whether texts begin with a beginning-of-text token; ``None`` does what
            TransformerLens does with this model.
        max_tokens: Padded tokens in a batch; by default from memory.
        progress: Whether to show a progress bar.

    Raises:
        DataError: For no text, one with fewer than two tokens, or one beyond the context.
        MismatchError: For settings of another number of rows, or of another model.
    """
    require_steerable(model)
    rows = neutral_rows(model, texts, prepend_bos=prepend_bos)
    steering = as_steering(steering)
    steering.check_fits(model)
    if steering.n_rows is not None and steering.n_rows % len(rows):
        raise MismatchError(
            f"Got settings for {steering.n_rows} rows and {len(rows)} texts. Give as many rows, a "
            "multiple of them, or one for all."
        )
    settings = 1 if steering.n_rows is None else steering.n_rows // len(rows)
    if max_tokens is None:
        # Logits of both passes, and one row of each in float32 beside them.
        logits = 8 * int(model.cfg.d_vocab) * dtype_of(model).itemsize
        max_tokens = default_max_tokens(device_of(model), bytes_per_token=logits)
    host = host_for(model, steering.hook_names)
    reader = _Reader(host, steering, prompt_tokens, rows)
    kl, nll, before = (torch.zeros(settings * len(rows)) for _ in range(3))
    with (
        torch.inference_mode(),
        tqdm(total=len(kl), desc="side effects", unit="row", disable=not progress) as bar,
    ):
        for batch in length_sorted([len(row) for row in rows], max_tokens=max_tokens):
            for part, base in halving(reader.base, batch):
                at_once = max(1, max_tokens // base.batch.tokens.shape[1])
                every = [s * len(rows) + text for s in range(settings) for text in part]
                for start in range(0, len(every), at_once):
                    for some, found in halving(base.compared, every[start : start + at_once]):
                        kl[some], nll[some], before[some] = found.unbind(1)
                        bar.update(len(some))
    n_tokens = torch.tensor([len(row) - 1 for row in rows]).repeat(settings)
    return SideEffects(kl, nll, before, n_tokens, len(rows))


def neutral_rows(
    model: SteerableModel, texts: Sequence[str], *, prepend_bos: bool | None = None
) -> list[TokenIds]:
    """Turn neutral texts into tokens.

    Raises:
        DataError: For no text, one with fewer than two tokens, or one beyond the context.
    """
    given = plain_texts(texts, "texts")
    if not given:
        raise DataError("Expected at least one text, got none. neutral_background() has 136.")
    rows = tokenize(model, given, prepend_bos=prepend_bos)
    for number, row in enumerate(rows):
        if len(row) < 2:
            raise DataError(
                f"text {number}, {given[number]!r}, has only one token. Give a longer one."
            )
    return rows


@dataclass(frozen=True, eq=False)
class _Reader:
    """Reads some texts as they are."""

    model: Host
    steering: Steering
    prompt_tokens: int | None
    rows: Sequence[TokenIds]

    def base(self, texts: list[int]) -> "_Base":
        """One unsteered batch."""
        padded = pad([self.rows[text] for text in texts], side="right", pad_id=pad_id(self.model))
        batch = padded.to(device_of(self.model))
        logits = run_logits(self.model, batch, prompt_lengths=self.prompts(texts))
        return _Base(self, texts, batch, logits)

    def prompts(self, texts: Sequence[int]) -> list[int]:
        """How many tokens of each text count as a prompt."""
        lengths = [len(self.rows[text]) for text in texts]
        return [min(self.prompt_tokens or length, length) for length in lengths]


@dataclass(frozen=True, eq=False)
class _Base:
    """What the unsteered model makes of some texts."""

    reader: _Reader
    texts: Sequence[int]
    batch: Batch
    logits: Logits

    def compared(self, index: list[int]) -> Float[Tensor, "row 3"]:
        """KL and both negative log-likelihoods of rows whose texts are among these."""
        reader = self.reader
        texts = [row % len(reader.rows) for row in index]
        at = [self.texts.index(text) for text in texts]
        batch = Batch(self.batch.tokens[at], self.batch.real[at])
        lengths = [len(reader.rows[text]) for text in texts]
        prompts = reader.prompts(texts)
        steering = reader.steering
        own = steering if steering.n_rows is None else steering.rows(index)
        with in_part(reader.model, own, prompt_lengths=prompts):
            steered = run_logits(reader.model, batch, prompt_lengths=prompts)
        # Row by row: in float32, one text at a time is all that has to fit.
        found = [
            _compare(steered[row, :n], self.logits[base, :n], batch.tokens[row, 1:n])
            for row, (base, n) in enumerate(zip(at, lengths, strict=True))
        ]
        return torch.stack(found).cpu()


def _compare(
    steered: Float[Tensor, "pos d_vocab"],
    unsteered: Float[Tensor, "pos d_vocab"],
    following: Int[Tensor, " next"],
) -> Float[Tensor, "3"]:
    """Mean KL over positions, and ``−Σ log p`` of what follows, under both."""
    p, q = steered.float().log_softmax(-1), unsteered.float().log_softmax(-1)
    nll = [-each[:-1].gather(1, following[:, None]).sum() for each in (p, q)]
    return torch.stack([kl_divergence(p, q).mean(), *nll])


def _few(values: Float[Tensor, " setting"]) -> str:
    shown = ", ".join(f"{float(each):.3g}" for each in values[:6])
    return shown + (", …" if len(values) > 6 else "")
