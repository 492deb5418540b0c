import math

import numpy as np
import pytest
import torch
from activations_of import AT, activations_of, cosine, few_dimensions, two_classes
from scipy.optimize import minimize

import tl_steer as ts
from tl_steer.directions._logistic_probe import fitted_probe, logistic_probe
from tl_steer.errors import SteerError

pytestmark = few_dimensions


def by_hand(x: np.ndarray, y: np.ndarray, c: float, scale: np.ndarray) -> tuple[np.ndarray, float]:
    """Minimise the penalised likelihood in activation units: the penalty is on `scale · w`."""

    def loss(parameters: np.ndarray) -> float:
        weights, bias = parameters[:-1], parameters[-1]
        margins = np.where(y, 1, -1) * (x @ weights + bias)
        return float(((scale * weights) ** 2).sum() / 2 + c * np.logaddexp(0, -margins).sum())

    found = minimize(loss, np.zeros(x.shape[1] + 1), method="BFGS", options={"gtol": 1e-7})
    return found.x[:-1], float(found.x[-1])


@pytest.mark.parametrize("standardised", [False, True])
@pytest.mark.parametrize("c", [0.01, 1.0])
@pytest.mark.parametrize(("n", "m"), [(30, 30), (40, 15)])
def test_it_minimises_the_penalised_likelihood(
    n: int, m: int, c: float, standardised: bool
) -> None:
    positive, negative = two_classes(5, n=n, m=m, gap=0.5)
    # Centred, so that the optimiser by hand is not held up by the offset.
    both = torch.cat([positive, negative]).double()
    both = both - both.mean(0)
    x, y = both.numpy(), np.arange(n + m) < n
    scale = x.std(0) if standardised else np.full(5, math.sqrt(np.mean(x.var(0))))
    expected, bias = by_hand(x, y, c, scale)
    probe = fitted_probe(x, y, c=c, standardised=standardised)
    np.testing.assert_allclose(probe.weights, expected, rtol=1e-3, atol=1e-4)
    assert probe.bias == pytest.approx(bias, rel=1e-3, abs=1e-3)
    np.testing.assert_allclose(probe.scores(x), x @ expected + bias, rtol=1e-2, atol=1e-3)

    acts = activations_of(both[:n].float(), both[n:].float())
    found = logistic_probe(acts, c=c, standardised=standardised)[AT]
    unit = expected / np.linalg.norm(expected)
    gap = unit @ (x[y].mean(0) - x[~y].mean(0))
    np.testing.assert_allclose(found.vector.numpy(), gap * unit, rtol=1e-2, atol=1e-3)


def test_the_more_regular_the_nearer_to_the_mean_difference() -> None:
    acts = activations_of(*two_classes(8, gap=0.5))
    plain = ts.mean_difference(acts)[AT]
    cosines = [logistic_probe(acts, c=c)[AT].cosine(plain) for c in (1.0, 0.01, 1e-6)]
    assert cosines == sorted(cosines)
    assert cosines[0] < 0.98
    assert cosines[-1] == pytest.approx(1, abs=1e-4)


def test_standardised_a_dimension_counts_the_same_in_any_unit() -> None:
    positive, negative = two_classes(6)
    unit = torch.tensor([1.0, 10.0, 0.1, 3.0, 1.0, 100.0])
    x, y = torch.cat([positive, negative]).double().numpy(), np.arange(80) < 40
    one = fitted_probe(x, y, standardised=True)
    other = fitted_probe(x * unit.double().numpy(), y, standardised=True)
    np.testing.assert_allclose(other.weights * unit.numpy(), one.weights, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("standardised", [False, True])
def test_a_dimension_that_never_varies_has_no_weight(standardised: bool) -> None:
    positive, negative = two_classes(6)
    for side in (positive, negative):
        side[:, 2] = 0.1
    acts = activations_of(positive, negative)
    found = logistic_probe(acts, standardised=standardised)[AT]
    assert float(found.vector[2]) == pytest.approx(0, abs=1e-6)


def test_classes_that_are_worlds_apart_are_no_trouble() -> None:
    positive, negative = two_classes(6, gap=1000.0)
    found = logistic_probe(activations_of(positive, negative), c=100.0)[AT]
    assert cosine(found.vector, positive.mean(0) - negative.mean(0)) > 0.99


@pytest.mark.parametrize("c", [0.0, -1.0, math.nan, math.inf])
def test_a_strength_that_is_none_is_refused(c: float) -> None:
    with pytest.raises(SteerError, match=r"c=\S+: expected a number over 0 \(1 is usual"):
        logistic_probe(activations_of(*two_classes(6)), c=c)


def test_what_was_done_is_written_down() -> None:
    acts = activations_of(*two_classes(6))
    plain = logistic_probe(acts)[AT]
    other = logistic_probe(acts, c=0.1, standardised=True)[AT]
    assert plain.provenance.method == "logistic probe (c 1)"
    assert other.provenance.method == "logistic probe (c 0.1, standardised)"
