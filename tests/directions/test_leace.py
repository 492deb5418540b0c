import sys
import warnings
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
import torch
from activations_of import AT, activations_of, few_dimensions, moments_of, two_classes
from hypothesis import given, settings, strategies as st
from sklearn.linear_model import LogisticRegression

import tl_steer as ts
from tl_steer.directions._leace import LeaceEraser, leace
from tl_steer.directions._provenance import Provenance
from tl_steer.errors import DataError, MismatchError, NonFiniteError, SteerError

needs_package = pytest.mark.skipif(
    find_spec("concept_erasure") is None, reason="concept-erasure is not installed"
)
pytestmark = [few_dimensions, needs_package]


def erased(erasure: LeaceEraser, acts: torch.Tensor) -> torch.Tensor:
    flat = acts.flatten(1).double()
    removed, reads, mean = (
        each.flatten().double() for each in (erasure.direction.vector, erasure.reads, erasure.mean)
    )
    return (flat - ((flat - mean) @ reads)[:, None] * removed).view_as(acts)


def package() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import concept_erasure
    return concept_erasure


@settings(deadline=None, max_examples=25)
@given(
    st.integers(3, 40), st.integers(3, 40), st.sampled_from([(6,), (30,), (2, 3)]),
    st.sampled_from([0.3, 3.0]), st.booleans(), st.integers(0, 2**31),
)  # fmt: skip
def test_it_is_what_the_package_fits_to_the_vectors(
    n: int, m: int, shape: tuple[int, ...], gap: float, moments: bool, seed: int
) -> None:
    positive, negative = two_classes(*shape, n=n, m=m, gap=gap, seed=seed)
    acts = activations_of(positive, negative)
    found = leace(moments_of(acts) if moments else acts)[AT]
    both = acts[AT].flatten(1).double()
    labels = torch.arange(n + m) < n
    oracle = package().LeaceEraser.fit(both, labels.double(), svd_tol=1e-12)
    torch.testing.assert_close(
        erased(found, acts[AT]).flatten(1).double(), oracle(both), rtol=1e-3, atol=1e-3
    )
    assert found.reads.shape == found.mean.shape == found.direction.vector.shape == shape


def test_afterwards_no_linear_probe_finds_the_property() -> None:
    positive, negative = two_classes(8, gap=3.0)
    acts = activations_of(positive, negative)
    labels = np.arange(80) < 40

    def accuracy(x: torch.Tensor) -> float:
        centred = (x - x.mean(0)).numpy()
        return float(LogisticRegression(C=1e3).fit(centred, labels).score(centred, labels))

    after = erased(leace(acts)[AT], acts[AT])
    torch.testing.assert_close(after[:40].mean(0), after[40:].mean(0), rtol=0, atol=1e-4)
    assert accuracy(acts[AT].double()) > 0.95
    assert accuracy(after) < 0.6


def test_of_all_erasures_it_changes_the_activations_least() -> None:
    """Compared with the orthogonal projection, and with oblique ones at random."""
    positive, negative = two_classes(5, n=4000, m=4000, gap=0.5)
    acts = activations_of(positive, negative)
    found, both = leace(acts)[AT], acts[AT].double()
    change = float((erased(found, both) - both).square().sum())
    gap = found.direction.vector.double()
    generator = torch.Generator().manual_seed(0)
    for noise in (0.0, *[0.1, 0.5, 1.0] * 5):
        reads = gap / gap.norm() + noise * torch.randn(5, generator=generator, dtype=gap.dtype)
        reads /= reads @ gap
        other = ((both - both.mean(0)) @ reads)[:, None] * gap
        assert float(other.square().sum()) > change


def test_what_is_taken_off_is_the_mean_difference() -> None:
    acts = activations_of(*two_classes(8, n=30, m=20))
    found = leace(acts)[AT]
    plain = ts.mean_difference(acts)[AT]
    torch.testing.assert_close(found.direction.vector, plain.vector)
    assert float(found.reads @ plain.vector) == pytest.approx(1, rel=1e-4)
    torch.testing.assert_close(found.mean, acts[AT].mean(0), rtol=1e-4, atol=1e-4)
    assert found.hook_name == AT
    assert found.direction.provenance.method == "LEACE"
    assert found.direction.provenance.n_negative == 20


def test_it_turns_with_the_activations() -> None:
    positive, negative = two_classes(8)
    turn = torch.linalg.qr(torch.randn(8, 8, generator=torch.Generator().manual_seed(3))).Q
    found = leace(activations_of(positive, negative))[AT]
    turned = leace(activations_of(positive @ turn, negative @ turn))[AT]
    torch.testing.assert_close(turned.reads, found.reads @ turn, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("size", [1e-6, 1e4])
def test_the_size_of_the_activations_does_not_matter(size: float) -> None:
    positive, negative = two_classes(8, n=10, m=10)
    found = leace(activations_of(positive, negative))[AT]
    other = leace(activations_of(size * positive, size * negative))[AT]
    torch.testing.assert_close(other.reads * size, found.reads, rtol=1e-3, atol=1e-4)


def test_a_faint_property_is_erased_too() -> None:
    """The package's own limit would leave a correlation under 2 % in."""
    generator = torch.Generator().manual_seed(0)
    positive = torch.randn(500, 4, generator=generator)
    negative = positive + torch.tensor([0.005, 0.0, 0.0, 0.0])
    acts = activations_of(positive, negative)
    after = erased(leace(acts)[AT], acts[AT])
    torch.testing.assert_close(after[:500].mean(0), after[500:].mean(0), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("n", "d"), [(40, 2), (5, 2), (3, 3), (5, 3)])
def test_clouds_that_are_nearly_round_are_erased_as_exactly(n: int, d: int) -> None:
    """The package's shrinkage makes some of these negative variances."""
    for seed in range(8):
        generator = torch.Generator().manual_seed(seed)
        acts = activations_of(*torch.randn(2, n, d, generator=generator))
        after = erased(leace(acts)[AT], acts[AT])
        torch.testing.assert_close(after[:n].mean(0), after[n:].mean(0), rtol=0, atol=1e-4)


def test_activations_that_nothing_can_be_erased_from_are_refused() -> None:
    with pytest.raises(DataError, match="no classes"):
        leace(activations_of(torch.randn(3, 4), torch.randn(3, 4), is_positive=None))
    with pytest.raises(
        DataError, match="LEACE needs 2 examples of each class, got 1 positive and 3 negative"
    ):
        leace(activations_of(torch.randn(1, 4), torch.randn(3, 4)))
    with pytest.raises(DataError, match="the same for every text"):
        leace(activations_of(torch.ones(3, 4), torch.ones(3, 4)))
    both = torch.randn(4, 4)
    with pytest.raises(DataError, match=f"{AT}: both classes have the same mean"):
        leace(activations_of(both, both))
    bad = torch.full((3, 4), float("nan"))
    with pytest.raises(NonFiniteError, match="NaN or infinity"):
        leace(activations_of(bad, both))


def test_without_the_package_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "concept_erasure", None)
    with pytest.raises(SteerError, match='pip install "concept-erasure'):
        leace(activations_of(*two_classes(8)))


def test_the_package_is_imported_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "concept_erasure"]:
        monkeypatch.delitem(sys.modules, name)
    # Warnings are errors here.
    assert leace(activations_of(*two_classes(8)))[AT].hook_name == AT


def test_parts_that_do_not_belong_together_are_refused() -> None:
    origin = Provenance(activations_of(*two_classes(4)).model, "made")
    direction = ts.Direction(torch.ones(4), AT, 1.0, origin)
    LeaceEraser(direction, torch.ones(4), torch.ones(4))
    with pytest.raises(
        MismatchError, match=rf"{AT}: reads has shape \(3,\) and the direction \(4,\)"
    ):
        LeaceEraser(direction, torch.ones(3), torch.ones(3))
    with pytest.raises(NonFiniteError, match=f"{AT}: reads holds NaN"):
        LeaceEraser(direction, torch.full((4,), float("nan")), torch.ones(4))
