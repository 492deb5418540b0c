"""Contract 2: strength 0 gives bit-identical logits."""

from typing import Any

import pandas as pd
import pytest
import torch
from hypothesis import given, strategies as st
from making import SCOPES, SITES, TEXTS, direction, everywhere_at_once, few, greedy, logits_of

import tl_steer as ts

ZEROS = (0, 0.0, -0.0, torch.tensor(0.0), [0.0] * len(TEXTS), torch.zeros(len(TEXTS)))


@few
@given(
    site=st.sampled_from(SITES),
    scope=st.sampled_from(sorted(SCOPES)),
    zero=st.sampled_from(range(len(ZEROS))),
)
def test_zero_is_nothing(model: Any, site: str, scope: str, zero: int) -> None:
    unsteered = logits_of(model)
    add = ts.Add(direction(model, site), ZEROS[zero], scope=SCOPES[scope][0])
    with ts.steer(model, add):
        assert torch.equal(logits_of(model), unsteered)
    with model.hooks(fwd_hooks=ts.Steering(add).fwd_hooks(model)):
        assert torch.equal(logits_of(model), unsteered)


@few
@given(scope=st.sampled_from(sorted(SCOPES)), row=st.integers(0, len(TEXTS) - 1))
def test_a_row_of_strength_zero_is_untouched(model: Any, scope: str, row: int) -> None:
    strengths = [2.0] * len(TEXTS)
    strengths[row] = 0.0
    unsteered = logits_of(model)
    with ts.steer(model, everywhere_at_once(model, SCOPES[scope][0], strengths)):
        steered = logits_of(model)
    assert torch.equal(steered[row], unsteered[row])


@pytest.mark.parametrize("scope", [ts.everywhere, ts.generated, ts.last_prompt_token])
def test_generation_at_zero_is_generation(model: Any, scope: Any) -> None:
    steering = everywhere_at_once(model, scope, 0.0)
    sampling = ts.Sampling(4, samples=2, seed=3)
    frame = ts.compare(model, TEXTS, steering, sampling, progress=False).frame
    parts = [part.drop(columns="condition") for _, part in frame.groupby("condition")]
    assert len(parts) == 2
    pd.testing.assert_frame_equal(
        *(part.reset_index(drop=True) for part in parts), check_exact=True
    )


def test_no_intervention_is_nothing(model: Any) -> None:
    unsteered = logits_of(model)
    with ts.steer(model), ts.steer(model, ts.Steering()):
        assert torch.equal(logits_of(model), unsteered)
    everything_off = everywhere_at_once(model).off(*everywhere_at_once(model).interventions)
    with ts.steer(model, everything_off):
        assert torch.equal(logits_of(model), unsteered)
    assert greedy(model).texts == greedy(model, steering=everything_off).texts
