"""What the machine can do at best, measured: to read memory, and to multiply."""

from typing import Any

import torch

from tl_steer.cli.bench.clock import Clock

_BYTES, _SIDE = 2**28, 1024


@torch.inference_mode()
def bandwidth(clock: Clock) -> float:
    """Bytes a second, read and written, of copying a large tensor."""
    source = torch.ones(_BYTES // 4, device=clock.device)
    target = torch.empty_like(source)
    target.copy_(source)
    return 2 * _BYTES / _best(clock, lambda: target.copy_(source))


@torch.inference_mode()
def throughput(clock: Clock, dtype: torch.dtype) -> float:
    """Operations a second of multiplying large matrices."""
    left, right = (torch.ones(_SIDE, _SIDE, device=clock.device, dtype=dtype) for _ in range(2))
    left @ right
    return 2 * _SIDE**3 / _best(clock, lambda: left @ right)


def weights_of(plain: Any, *, logits: bool) -> tuple[int, int]:
    """How many numbers a step multiplies with, and of how many bytes they are.

    Args:
        plain: A Hugging Face model.
        logits: Whether the step goes as far as that. An embedding is looked up and not multiplied
            with, unless the unembedding is the same tensor.
    """
    tables = plain.get_input_embeddings(), plain.get_output_embeddings()
    looked_up, unembedding = (None if each is None else each.weight for each in tables)
    read = [
        each for each in plain.parameters() if each is not looked_up and each is not unembedding
    ]
    if logits and unembedding is not None:
        read.append(unembedding)
    return sum(each.numel() for each in read), sum(each.nbytes for each in read)


def _best(clock: Clock, run: Any) -> float:
    return min(max(clock.seconds(run), 1e-9) for _ in range(clock.rounds + 2))
