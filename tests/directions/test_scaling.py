import pytest
import torch
from activations_of import cosine
from hypothesis import given, settings, strategies as st

from tl_steer.directions._scaling import part_along
from tl_steer.errors import DataError

fast = settings(deadline=None, max_examples=60)


def two_vectors(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    weights, difference = torch.randn(2, 6, generator=generator, dtype=torch.float64)
    return weights, difference


@fast
@given(st.integers(0, 10_000), st.sampled_from([1.0, -1.0, 1e-200, -1e200]))
def test_strength_one_closes_the_gap_whatever_the_length_and_sign(seed: int, factor: float) -> None:
    weights, difference = two_vectors(seed)
    found = part_along(factor * weights, difference, hook_name="here")
    unit = weights / weights.norm()
    assert abs(cosine(found, weights)) == pytest.approx(1)
    assert float(unit @ found) == pytest.approx(float(unit @ difference))
    assert float(found @ difference) > 0
    assert float(found.norm() / difference.norm()) == pytest.approx(cosine(found, difference))


def test_along_itself_a_difference_is_whole() -> None:
    _, difference = two_vectors(0)
    torch.testing.assert_close(part_along(-3 * difference, difference, hook_name=""), difference)


@pytest.mark.parametrize(
    ("weights", "difference", "words"),
    [
        ([0.0, 0.0], [1.0, 2.0], "here: .*all weights are zero"),
        ([1.0, 0.0], [0.0, 0.0], "here: both classes have the same mean along"),
        ([1.0, 0.0], [0.0, 2.0], "here: both classes have the same mean along"),
        ([1.0, 1.0], [1.0, -1.0], "here: both classes have the same mean along"),
    ],
)
def test_a_direction_without_sign_is_refused(
    weights: list[float], difference: list[float], words: str
) -> None:
    with pytest.raises(DataError, match=words):
        part_along(torch.tensor(weights), torch.tensor(difference), hook_name="here")
