"""Relative dose: what is added is a share of each token's own norm."""

from typing import Any

import pytest
import torch
from making import SITES, TEXTS, batch_of, direction, greedy
from passes import whole

import tl_steer as ts
from tl_steer.errors import MismatchError, NonFiniteError, SteerError
from tl_steer.strengths._dose import Dose


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("dose", [0.1, -2.0])
def test_what_is_added_has_the_dose_asked_for(model: Any, site: str, dose: float) -> None:
    batch = batch_of(model)
    call = {"attention_mask": batch.real.long()}
    along = direction(model, site)
    with torch.no_grad():
        _, plain = model.run_with_cache(batch.tokens, names_filter=[site], **call)
        with ts.steer(model, ts.Add(along, Dose(along, dose))):
            _, steered = model.run_with_cache(batch.tokens, names_filter=[site], **call)
    before = plain[site][batch.real].flatten(1)
    added = steered[site][batch.real].flatten(1) - before
    unit = along.unit.vector.flatten()
    torch.testing.assert_close(added, dose * before.norm(dim=1)[:, None] * unit)


def test_each_row_its_own_direction(model: Any) -> None:
    several = [direction(model, SITES[2], seed) * size for seed, size in enumerate((1.0, 5.0, 0.2))]
    steering = ts.Steering(ts.Add(several, Dose(several, 0.4)))
    assert steering.n_rows == 3
    for max_tokens in (10, 10_000):
        together = greedy(model, TEXTS, steering, max_tokens=max_tokens).frame
        for row, (text, one) in enumerate(zip(TEXTS, several, strict=True)):
            alone = greedy(model, text, ts.Steering(ts.Add(one, Dose(one, 0.4)))).frame
            assert together["tokens"][row] == alone["tokens"][0]
            assert together["log_probs"][row] == pytest.approx(alone["log_probs"][0], abs=1e-4)


def test_half_precision_is_measured_in_full(model: Any) -> None:
    along = direction(model, SITES[2])
    acts = torch.full((1, 1, 32), 300.0, dtype=torch.float16)
    (found,) = Dose(along, 0.1)(acts, whole([1])).flatten().tolist()
    assert found == pytest.approx(0.1 * 300 * 32**0.5 / along.norm, rel=1e-5)


def test_what_is_refused(model: Any) -> None:
    along = direction(model, SITES[2])
    with pytest.raises(NonFiniteError, match="zero vector"):
        Dose(along * 0.0, 0.1)
    with pytest.raises(NonFiniteError, match="dose=nan"):
        Dose(along, float("nan"))
    with pytest.raises(MismatchError, match="at least one direction, got none"):
        Dose([], 0.1)
    with pytest.raises(SteerError, match="numbers a token"):
        Dose(along, 0.1).check_fits(model, SITES[5])
