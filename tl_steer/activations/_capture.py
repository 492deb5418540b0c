"""Texts to activations at any number of hook points, in one pass through the model."""

import hashlib
from collections.abc import Sequence
from contextlib import nullcontext
from math import prod

import torch
from tqdm.auto import tqdm

from tl_steer.activations._activations import Activations
from tl_steer.activations._collector import Collector
from tl_steer.activations._leave_out import LeaveOut
from tl_steer.activations._reader import Reader
from tl_steer.activations._reads import MeanOfTokens, Read
from tl_steer.activations._template_tokens import warn_of_template_tokens
from tl_steer.arguments import Count, checked
from tl_steer.batching import default_max_tokens, halving, length_sorted
from tl_steer.data import ContrastSet
from tl_steer.errors import DataError
from tl_steer.lens.hook_names import site_shape
from tl_steer.lens.paths import Path, host_for, path_of, use_path
from tl_steer.lens.places import Places, hook_names
from tl_steer.lens.protocol import (
    SteerableModel,
    device_of,
    dtype_of,
    model_info,
    require_steerable,
)
from tl_steer.lens.tokens import TokenIds, tokenize

_CALIBRATION_TEXTS = 16


@checked
def capture(
    model: SteerableModel,
    texts: ContrastSet | Sequence[str],
    *,
    at: Places,
    read: Read = MeanOfTokens(),  # noqa: B008, frozen
    leave_out: LeaveOut = LeaveOut(),  # noqa: B008, frozen
    moments_only: bool = False,
    max_tokens: Count | None = None,
    prepend_bos: bool | None = None,
    path: Path | None = None,
    progress: bool = True,
) -> Activations:
    """Read the activations of texts at named hook points.

    Texts are sorted by length and run in batches that fit the memory; a batch that does not fit is
    halved. The model stops at the last block needed. Batches, order and padding change only
    rounding: massive activations are measured against a median norm over a few texts, chosen by
    their content and read first.

    Args:
        model: Any TransformerLens model; it is left as it was. Its hooks act, so inside a ``steer``
            block you read the steered model.
        texts: A contrast set, or plain texts without classes.
        at: Where to read: a site of every layer, ``"hook_resid_post"``; a layer number, ``15`` or
            ``-1`` for the last, meaning the residual stream after it; a hook name or pattern,
            ``"blocks.{10..18}.hook_mlp_out"``; or a list of these.
        read: Which tokens of a text make up its vector.
        leave_out: Tokens to leave out, unless ``read`` asks for them by index.
        moments_only: Keep count, mean and covariance of each class instead of the vectors, so that
            memory is O(hook points · d²) and does not grow with the texts. Needs a contrast set.
        max_tokens: Padded tokens in a batch; by default from the memory of the model's device.
        prepend_bos: Whether texts begin with a beginning-of-text token; ``None`` does what
            TransformerLens does with this model.
        path: ``bridge`` or ``twin``, to force one of them; see :func:`use_path`.
        progress: Whether to show a progress bar.

    Returns:
        Vectors ``Float[Tensor, "example *site"]`` in float32 on the CPU, and counts of the tokens
        left out.

    Raises:
        HookNameError: For hook points that the model lacks.
        DataError: For no texts, texts longer than the context, or texts with no token left.
        NonFiniteError: For NaN or infinity, with the hook point.

    Warns:
        TemplateTokenWarning: If ``LastToken`` reads a token of the chat template.
    """
    require_steerable(model)
    names = hook_names(model, at)
    contrast = texts if isinstance(texts, ContrastSet) else None
    plain = texts.texts if isinstance(texts, ContrastSet) else _plain(texts)
    if moments_only and contrast is None:
        raise DataError("moments_only keeps the moments of two classes, so it needs a ContrastSet.")
    rows = tokenize(model, plain, prepend_bos=prepend_bos)
    warn_of_template_tokens(model, plain, read)
    with nullcontext() if path is None else use_path(path):
        host = host_for(model, names)
    reader = Reader(host, names, plain, rows, read, leave_out)
    limit = _max_tokens(model, names) if max_tokens is None else max_tokens
    for batch in _batches(rows, range(len(rows)), limit):
        reader.check(batch)
    is_positive = None if contrast is None else torch.tensor(contrast.labels)
    collector = Collector(names, is_positive, moments_only)
    with (
        torch.inference_mode(),
        tqdm(total=len(plain), desc="capture", unit="text", disable=not progress) as bar,
    ):
        calibration = _batches(rows, _by_content(plain, _CALIBRATION_TEXTS), limit)
        left = set(range(len(rows)))
        for part, result in reader.calibrate(calibration):
            collector.add(result)
            left.difference_update(part)
            bar.update(len(part))
        for batch in _batches(rows, sorted(left), limit):
            for part, result in halving(reader.run, batch):
                collector.add(result)
                bar.update(len(part))
    return collector.activations(
        model=model_info(model),
        paired=contrast is not None and contrast.paired,
        data=contrast.name if contrast is not None else "",
        read=repr(read),
        path=path_of(host),
    )


def _plain(texts: Sequence[str]) -> tuple[str, ...]:
    plain = tuple(texts)
    if isinstance(texts, str) or not all(isinstance(text, str) for text in plain):
        raise DataError("Expected a ContrastSet or a list of texts. For one text, write [text].")
    if not plain:
        raise DataError("Expected at least one text, got none.")
    return plain


def _batches(rows: Sequence[TokenIds], index: Sequence[int], limit: int) -> list[list[int]]:
    batches = length_sorted([len(rows[i]) for i in index], max_tokens=limit)
    return [[index[i] for i in batch] for batch in batches]


def _by_content(texts: Sequence[str], count: int) -> list[int]:
    digests = [hashlib.sha256(text.encode()).digest() for text in texts]
    return sorted(range(len(texts)), key=lambda i: digests[i])[:count]


def _max_tokens(model: SteerableModel, names: Sequence[str]) -> int:
    captured = sum(prod(site_shape(model, name)) for name in names)
    # A rough bound on what a block holds while it runs: attention, MLP and their inputs.
    working = 40 * int(model.cfg.d_model)
    return default_max_tokens(
        device_of(model), bytes_per_token=(captured + working) * dtype_of(model).itemsize
    )
