"""Length and first token: planted, and taken out again by a regression."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from activations_of import AT, activations_of
from models import small_model
from sklearn.linear_model import LinearRegression

import tl_steer as ts
from tl_steer.diagnostics._confounds import confounds
from tl_steer.errors import DataError
from tl_steer.lens.protocol import model_info

MODEL = small_model("bridge")
WORDS = ("film", "movie", "plot", "acting", "music")


def texts(lengths: np.ndarray, starts: list[str]) -> list[str]:
    return [
        " ".join([start, *["film"] * (n - 1)]) for n, start in zip(lengths, starts, strict=True)
    ]


def measured(
    longer: int, by_length: float, by_start: float, own: float, *, starts: Any = ("the", "a")
) -> dict[str, float]:
    """One dimension that is length, first token and class in given parts, with noise."""
    random = np.random.default_rng(0)
    n = 150
    lengths = random.integers(3, 12, 2 * n)
    lengths[:n] += longer
    favourite = np.repeat([True, False], n) ^ (random.random(2 * n) < 0.3)
    first = [starts[0] if each else starts[1] for each in favourite]
    both = texts(lengths, first)
    contrast = ts.ContrastSet(both[:n], both[n:])
    value = by_length * lengths + by_start * favourite + own * (np.arange(2 * n) < n)
    value = value + 0.1 * random.standard_normal(2 * n)
    vectors = torch.tensor(np.stack([value, np.zeros(2 * n)], 1), dtype=torch.float32)
    acts = activations_of(vectors[:n], vectors[n:], model=model_info(MODEL))
    joy = ts.Directions({AT: replace(ts.mean_difference(acts)[AT], vector=torch.tensor([1.0, 0]))})
    (row,) = confounds(MODEL, contrast, joy, acts).to_dict("records")
    fit = LinearRegression().fit(np.stack([np.arange(2 * n) < n, lengths], 1), value)
    gap = value[:n].mean() - value[n:].mean()
    row["expected_length_share"] = np.clip(1 - fit.coef_[0] / gap, 0, 1)
    fit = LinearRegression().fit(np.stack([np.arange(2 * n) < n, favourite], 1), value)
    row["expected_first_token_share"] = np.clip(1 - fit.coef_[0] / gap, 0, 1)
    return {str(key): value for key, value in row.items() if key != "hook_name"}


pytestmark = pytest.mark.filterwarnings("ignore:one dimension makes up most:UserWarning")


def test_a_direction_that_is_length() -> None:
    found = measured(longer=4, by_length=1.0, by_start=0.0, own=0.0)
    assert found["length_share"] > 0.95
    assert found["length_correlation"] > 0.95
    assert found["length_auroc"] > 0.75


def test_lengths_that_differ_are_no_fault_of_a_direction_that_is_not_length() -> None:
    found = measured(longer=4, by_length=0.0, by_start=0.0, own=1.0)
    assert found["length_share"] < 0.05
    assert found["length_auroc"] > 0.75


def test_lengths_that_are_balanced_explain_nothing() -> None:
    found = measured(longer=0, by_length=0.3, by_start=0.0, own=1.0)
    assert found["length_share"] < 0.15
    assert found["length_correlation"] > 0.8


@pytest.mark.parametrize("own", [0.5, 2.0])
def test_shares_are_those_of_a_regression(own: float) -> None:
    found = measured(longer=3, by_length=0.2, by_start=0.0, own=own)
    assert found["length_share"] == pytest.approx(found["expected_length_share"], abs=1e-3)
    found = measured(longer=0, by_length=0.0, by_start=1.0, own=own)
    expected = found["expected_first_token_share"]
    assert found["first_token_share"] == pytest.approx(expected, abs=1e-3)
    assert found["comparable"] == 1


def test_a_direction_that_is_the_first_token() -> None:
    assert measured(0, by_length=0, by_start=1.0, own=0.0)["first_token_share"] > 0.8
    assert measured(0, by_length=0, by_start=0.0, own=1.0)["first_token_share"] < 0.1


def test_texts_of_which_none_begin_alike_cannot_be_compared() -> None:
    contrast = ts.ContrastSet(["the film", "the plot"], ["a film", "a plot was dull"])
    g = torch.Generator().manual_seed(0)
    acts = activations_of(
        torch.randn(2, 8, generator=g), torch.randn(2, 8, generator=g), model=model_info(MODEL)
    )
    found = confounds(MODEL, contrast, ts.mean_difference(acts), acts)
    assert found["first_token_share"].isna().all()
    assert found["comparable"].iloc[0] == 0


def test_other_texts_are_refused() -> None:
    contrast = ts.ContrastSet(["the film", "the plot"], ["a film"])
    vectors = torch.randn(4, 8, generator=torch.Generator().manual_seed(0))
    acts = activations_of(vectors[:2], vectors[2:], model=model_info(MODEL))
    with pytest.raises(DataError, match=r"The 2 \+ 1 texts are not those"):
        confounds(MODEL, contrast, ts.mean_difference(acts), acts)
