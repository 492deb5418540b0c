"""Batches of rows of unequal length: sorted, bounded, and halved when memory runs out."""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch

from tl_steer.errors import SteerError

_Result = TypeVar("_Result")
_log = logging.getLogger(__name__)


def length_sorted(
    lengths: Sequence[int], *, max_tokens: int, unpadded: bool = False
) -> list[list[int]]:
    """Group rows so that equal lengths meet and no batch exceeds a number of padded tokens.

    Args:
        lengths: Tokens of each row.
        max_tokens: Rows times longest row that a batch may have; a longer row goes alone.
        unpadded: Whether only rows of one length may share a batch.

    Returns:
        Indices of rows, the longest first, so that what does not fit shows at once.

    Raises:
        SteerError: For a limit under 1.
    """
    if max_tokens < 1:
        raise SteerError(f"max_tokens={max_tokens}: padded tokens in a batch, at least 1.")
    order = sorted(range(len(lengths)), key=lambda row: (-lengths[row], row))
    batches: list[list[int]] = []
    for row in order:
        longest = lengths[batches[-1][0]] if batches else 0
        fits = bool(batches) and (len(batches[-1]) + 1) * longest <= max_tokens
        if fits and not (unpadded and lengths[row] != longest):
            batches[-1].append(row)
        else:
            batches.append([row])
    return batches


def halving(
    run: Callable[[list[int]], _Result], batch: list[int]
) -> Iterator[tuple[list[int], _Result]]:
    """Run a batch; where memory runs out, run its halves instead.

    Args:
        run: Computes a result for the rows of a batch, and keeps nothing when it fails.
        batch: Indices of rows.

    Yields:
        The rows that were run together, and their result.

    Raises:
        SteerError: When one row alone does not fit.
    """
    try:
        result = run(batch)
    except RuntimeError as error:
        if not _is_out_of_memory(error):
            raise
        if len(batch) == 1:
            raise SteerError(
                "memory ran out on a single text; shorten it, free memory on the device, or read "
                "fewer hook points at a time."
            ) from error
    else:
        yield batch, result
        return
    _log.warning("out of memory with %d rows; going on with half of them", len(batch))
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    middle = len(batch) // 2
    for half in (batch[:middle], batch[middle:]):
        yield from halving(run, half)


def default_max_tokens(device: torch.device, *, bytes_per_token: int) -> int:
    """How many padded tokens a batch may have.

    On a GPU, what a quarter of the free memory holds, at most 65,536. On a CPU a few hundred are
    fastest, because padding costs more there than small batches do.
    """
    if device.type != "cuda":
        return 512
    free, _ = torch.cuda.mem_get_info(device)
    return int(max(512, min(65_536, free // 4 // bytes_per_token)))


def _is_out_of_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
