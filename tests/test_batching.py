import pytest
import torch
from hypothesis import given, settings, strategies as st

from tl_steer.batching import default_max_tokens, halving, length_sorted
from tl_steer.errors import SteerError

LENGTHS = st.lists(st.integers(1, 60), max_size=40)


def too_big_over(limit: int, message: str = "") -> tuple[list[list[int]], object]:
    """A run that has memory for `limit` rows, and the list of batches that it was asked for."""
    asked: list[list[int]] = []

    def run(batch: list[int]) -> list[int]:
        asked.append(batch)
        if len(batch) > limit:
            raise (RuntimeError(message) if message else torch.OutOfMemoryError("CUDA"))
        return [10 * row for row in batch]

    return asked, run


@settings(deadline=None)
@given(LENGTHS, st.integers(1, 200))
def test_every_row_is_in_one_batch_of_bounded_size(lengths: list[int], max_tokens: int) -> None:
    batches = length_sorted(lengths, max_tokens=max_tokens)
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    for batch in batches:
        padded = len(batch) * max(lengths[row] for row in batch)
        assert padded <= max_tokens or len(batch) == 1


@settings(deadline=None)
@given(LENGTHS, st.integers(1, 200))
def test_the_longest_come_first_and_batches_are_full(lengths: list[int], max_tokens: int) -> None:
    batches = length_sorted(lengths, max_tokens=max_tokens)
    order = [lengths[row] for batch in batches for row in batch]
    assert order == sorted(lengths, reverse=True)
    for batch in batches[:-1]:
        assert (len(batch) + 1) * lengths[batch[0]] > max_tokens


def test_no_rows_are_no_batches() -> None:
    assert length_sorted([], max_tokens=8) == []


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 40))
def test_halves_give_what_the_whole_would(n_rows: int, limit: int) -> None:
    batch = [3 * row for row in range(n_rows)]
    asked, run = too_big_over(limit)
    parts = list(halving(run, batch))  # type: ignore[arg-type]
    assert [row for part, _ in parts for row in part] == batch
    assert [value for _, result in parts for value in result] == [10 * row for row in batch]
    assert all(len(part) <= limit for part, _ in parts)
    # What fits is not run in smaller pieces than needed, and nothing runs twice.
    assert len(asked) == len(parts) + sum(len(each) > limit for each in asked)


def test_the_processor_s_own_out_of_memory_is_known() -> None:
    _, run = too_big_over(2, "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried")
    assert [part for part, _ in halving(run, [0, 1, 2])] == [[0], [1, 2]]  # type: ignore[arg-type]


def test_one_row_that_does_not_fit_is_said_in_words() -> None:
    _, run = too_big_over(0)
    with pytest.raises(SteerError, match="on a single text; shorten it") as caught:
        list(halving(run, [5, 6]))  # type: ignore[arg-type]
    assert isinstance(caught.value.__cause__, torch.OutOfMemoryError)


def test_other_errors_are_not_taken_for_lack_of_memory() -> None:
    asked, run = too_big_over(1, "mat1 and mat2 shapes cannot be multiplied")
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        list(halving(run, [0, 1]))  # type: ignore[arg-type]
    assert asked == [[0, 1]]


def test_results_come_as_they_are_ready() -> None:
    asked, run = too_big_over(1)
    first = next(halving(run, [0, 1]))  # type: ignore[arg-type]
    assert first == ([0], [0])
    assert asked == [[0, 1], [0]]


@pytest.mark.parametrize(
    ("free", "bytes_per_token", "expected"),
    [
        (4 * 1000 * 1024, 1024, 1000),
        (1024, 1024, 512),  # at least
        (10**12, 8, 65_536),  # at most
    ],
)
def test_a_quarter_of_the_free_memory_of_a_gpu(
    monkeypatch: pytest.MonkeyPatch, free: int, bytes_per_token: int, expected: int
) -> None:
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda device: (free, 10**12))
    cuda = torch.device("cuda")
    assert default_max_tokens(cuda, bytes_per_token=bytes_per_token) == expected


def test_batches_are_small_on_a_processor() -> None:
    assert default_max_tokens(torch.device("cpu"), bytes_per_token=1) == 512
