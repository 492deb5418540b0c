"""The in-distribution cap, against scikit-learn's covariance and a root found by bisection."""

from typing import Any

import numpy as np
import pytest
import torch
from activations_of import AT, INFO, activations_of, moments_of, two_classes, without_classes
from hypothesis import given, settings, strategies as st
from making import direction, logits_of
from passes import whole
from scipy.stats import chi2
from sklearn.covariance import EmpiricalCovariance
from sklearn.decomposition import PCA

import tl_steer as ts
from tl_steer.directions import Provenance
from tl_steer.errors import DataError, HookNameError, MismatchError, NonFiniteError, SteerError
from tl_steer.strengths._ellipsoid import AveragesWarning, Ellipsoid
from tl_steer.strengths._in_distribution import WithinDistribution

D, K = 8, 3


def tokens(*shape: int, n: int = 60, m: int = 50, **changes: Any) -> ts.Activations:
    return activations_of(*two_classes(*(shape or (D,)), n=n, m=m), read="EveryToken()", **changes)


def towards(seed: int = 3, d: int = D) -> ts.Direction:
    generator = torch.Generator().manual_seed(seed)
    vector = torch.randn(d, generator=generator)
    return ts.Direction(vector, AT, 3.0, Provenance(INFO, "random"))


def distances(
    activations: ts.Activations, vectors: torch.Tensor, which: Any
) -> np.ndarray[Any, Any]:
    """Squared Mahalanobis distances to a class, in the space of the components of all texts."""
    pca = PCA(K, svd_solver="full").fit(activations[AT].flatten(1).double().numpy())
    inside = pca.transform(which.flatten(1).double().numpy())
    # Theirs divides by n.
    biased = (
        EmpiricalCovariance()
        .fit(inside)
        .mahalanobis(pca.transform(vectors.flatten(1).double().numpy()))
    )
    found: np.ndarray[Any, Any] = biased * (len(inside) - 1) / len(inside)
    return found


@pytest.mark.parametrize("shape", [(D,), (2, 4)], ids=str)
@pytest.mark.parametrize("kept", [lambda a: a, moments_of], ids=["vectors", "moments"])
@pytest.mark.parametrize("classes", [(True, False), (False, True), (True, True)], ids=str)
def test_the_distance_is_that_of_scikit_learn(shape: Any, kept: Any, classes: Any) -> None:
    activations = tokens(*shape)
    positive, negative = classes
    fitted = Ellipsoid.fit(
        kept(activations), AT, components=K, positive=positive, negative=negative
    )
    both = [activations.positive(AT)] * positive + [activations.negative(AT)] * negative
    asked = 2 * activations[AT]
    expected = distances(activations, asked, torch.cat(both))
    np.testing.assert_allclose(fitted.squared_distance(asked).numpy(), expected, rtol=1e-8)
    assert fitted.limit == pytest.approx(chi2(K).ppf(0.95))


def test_fewer_texts_than_dimensions() -> None:
    activations = tokens(n=5, m=2)
    fitted = Ellipsoid.fit(activations, AT, components=K)
    expected = distances(activations, activations[AT], activations.positive(AT))
    np.testing.assert_allclose(
        fitted.squared_distance(activations[AT]).numpy(), expected, rtol=1e-6
    )


@pytest.mark.parametrize("share", [0.3, 0.8, 0.999])
def test_components_by_their_share_of_the_variance(share: float) -> None:
    activations = tokens()
    expected = PCA(share, svd_solver="full").fit(activations[AT].double().numpy()).n_components_
    for kept in (activations, moments_of(activations)):
        assert Ellipsoid.fit(kept, AT, components=share).components == expected


def test_texts_without_classes_are_all_inside() -> None:
    vectors = torch.cat(two_classes(D, n=60, m=50))
    plain = Ellipsoid.fit(without_classes(vectors, read="EveryToken()"), AT, components=K)
    both = Ellipsoid.fit(tokens(), AT, components=K, negative=True)
    torch.testing.assert_close(plain.squared_distance(vectors), both.squared_distance(vectors))


def test_a_normal_distribution_has_its_share_inside() -> None:
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(4000, D, generator=generator) @ torch.randn(D, D, generator=generator)
    fitted = Ellipsoid.fit(
        without_classes(vectors[:2000], read="EveryToken()"), AT, components=K, level=0.8
    )
    inside = fitted.squared_distance(vectors[2000:]) <= fitted.limit
    # Two standard errors of a share are 0.018.
    assert float(inside.double().mean()) == pytest.approx(0.8, abs=0.03)


@settings(deadline=None, derandomize=True, max_examples=40)
@given(
    seed=st.integers(0, 10_000),
    at_most=st.sampled_from([4.0, -4.0, 0.3, -0.3, 100.0]),
    level=st.sampled_from([0.5, 0.95]),
)
def test_the_strength_is_the_root_found_by_bisection(
    seed: int, at_most: float, level: float
) -> None:
    fitted = Ellipsoid.fit(tokens(), AT, components=K, level=level)
    along = towards(seed)
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(12, D, generator=generator)
    rows = tokens().positive(AT)[:12] + noise
    found = WithinDistribution(along, fitted, at_most)(rows[None], whole([12]))[0]

    def distance(row: torch.Tensor, strength: float) -> float:
        return float(fitted.squared_distance((row + strength * along.vector.double())[None]))

    for row, strength in zip(rows.double(), found.tolist(), strict=True):
        low, high = 0.0, abs(at_most)
        sign = 1 if at_most > 0 else -1
        if distance(row, 0.0) > fitted.limit:
            high = 0.0
        elif distance(row, at_most) > fitted.limit:
            for _ in range(60):
                middle = (low + high) / 2
                if distance(row, sign * middle) <= fitted.limit:
                    low = middle
                else:
                    high = middle
        assert strength == pytest.approx(sign * high, abs=1e-4)
        assert distance(row, strength) <= max(fitted.limit, distance(row, 0.0)) * (1 + 1e-4)


def test_a_direction_that_the_ellipsoid_does_not_see() -> None:
    fitted = Ellipsoid.fit(tokens(), AT, components=K, negative=True)
    blind = torch.linalg.svd(fitted.whitening).Vh[-1]
    along = ts.Direction(blind.float(), AT, 1.0, Provenance(INFO, "unseen"))
    rows = torch.stack([fitted.mean, fitted.mean + 100 * fitted.whitening.sum(0)]).float()
    found = WithinDistribution(along, fitted, -2.5)(rows[None], whole([2]))[0]
    assert found.tolist() == [-2.5, 0.0]


def test_tokens_stay_inside_in_a_model(model: Any) -> None:
    site = "blocks.1.hook_resid_post"
    texts = ["the film was very good and i loved it", "a bad movie but the acting was great"]
    acts = ts.capture(
        model,
        texts,
        at=site,
        read=ts.activations.EveryToken(),
        leave_out=ts.activations.LeaveOut(first=False),
    )
    fitted = Ellipsoid.fit(acts, site, components=3, level=0.6)
    along = direction(model, site) * 3.0
    strength = WithinDistribution(along, fitted, 4.0)
    with torch.no_grad():
        _, before = model.run_with_cache(texts[0], names_filter=[site])
        with ts.steer(model, ts.Add(along, strength)):
            _, after = model.run_with_cache(texts[0], names_filter=[site])
    first, then = (fitted.squared_distance(each[site][0]) for each in (before, after))
    inside = first <= fitted.limit
    assert bool(inside.any())
    assert bool((then[inside] <= fitted.limit * (1 + 1e-3)).all())
    assert torch.equal(before[site][0][~inside], after[site][0][~inside])
    assert not torch.equal(before[site], after[site])
    elsewhere = ts.Add(along, strength, at="blocks.2.hook_resid_post")
    with pytest.raises(MismatchError, match=r"made for the activations of blocks\.1"):
        ts.steer(model, elsewhere)
    assert bool(torch.isfinite(logits_of(model)).all())


def test_another_models_ellipsoid(model: Any) -> None:
    fitted = Ellipsoid.fit(tokens(32), AT, components=K)
    own = ts.Add(direction(model, AT), WithinDistribution(direction(model, AT), fitted))
    with pytest.raises(MismatchError, match="fitted on another model"):
        ts.steer(model, own)


@pytest.mark.parametrize(
    ("settings", "error", "says"),
    [
        ({"components": 0}, SteerError, "a whole number of at least 1"),
        ({"components": 2.5}, SteerError, "a whole number of at least 1"),
        ({"components": 9}, DataError, "have 8 principal components, but 9"),
        ({"level": 1.0}, SteerError, "between 0 and 1"),
        ({"positive": False}, SteerError, "got neither"),
    ],
    ids=str,
)
def test_what_cannot_be_fitted(settings: dict[str, Any], error: type[Exception], says: str) -> None:
    for activations in (tokens(), moments_of(tokens())):
        with pytest.raises(error, match=says):
            Ellipsoid.fit(activations, AT, **settings)


def test_too_few_or_too_flat() -> None:
    with pytest.raises(DataError, match="3 vectors are too few for an ellipsoid of 4"):
        Ellipsoid.fit(tokens(n=3), AT, components=4)
    same = torch.ones(20, D)
    with pytest.raises(DataError, match="all the same"):
        Ellipsoid.fit(activations_of(same, same, read="EveryToken()"), AT, components=2)
    with pytest.raises(HookNameError, match="was not captured"):
        Ellipsoid.fit(tokens(), "blocks.0.hook_mlp_out")
    holed = two_classes(D)[0].clone()
    holed[0, 0] = float("nan")
    with pytest.raises(NonFiniteError, match="NaN or infinity"):
        Ellipsoid.fit(activations_of(holed, holed, read="EveryToken()"), AT)
    flat = two_classes(D)[0].clone()
    flat[:, 0] = 0
    spread = torch.zeros_like(flat)
    spread[:, 0] = torch.linspace(-100, 100, len(flat))
    with pytest.raises(DataError, match="do not vary along all"):
        Ellipsoid.fit(activations_of(spread, flat, read="EveryToken()"), AT, components=3)


def test_averages_are_warned_of() -> None:
    with pytest.warns(AveragesWarning, match="EveryToken"):
        Ellipsoid.fit(activations_of(*two_classes(D)), AT, components=K)


def test_what_is_refused() -> None:
    fitted = Ellipsoid.fit(tokens(), AT, components=K)
    with pytest.raises(NonFiniteError, match="zero vector"):
        WithinDistribution(towards() * 0.0, fitted)
    with pytest.raises(NonFiniteError, match="at_most=nan"):
        WithinDistribution(towards(), fitted, float("nan"))
    with pytest.raises(MismatchError, match="has 5 numbers"):
        WithinDistribution(towards(d=5), fitted)
