"""Steerability, against scipy's regression and truths that were planted."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st
from making import as_users_run_it
from scipy import stats

from tl_steer.drawing.rendering import figure_png
from tl_steer.errors import ArgumentError, DataError, NonFiniteError
from tl_steer.metrics._steerability import steerability
from tl_steer.statistics import paired_difference

STRENGTHS = np.array([-1.5, -1, -0.5, 0, 0.5, 1, 1.5])


def planted(slopes: np.ndarray, *, noise: float = 0.0, seed: int = 0) -> pd.DataFrame:
    """Straight lines of different heights, with noise on every value."""
    random = np.random.default_rng(seed)
    values = random.normal(0, 3, (len(slopes), 1)) + slopes[:, None] * STRENGTHS
    values += noise * random.normal(size=values.shape)
    frame = pd.DataFrame(values, columns=STRENGTHS).rename_axis("prompt_index").reset_index()
    long = frame.melt("prompt_index", var_name="strength", value_name="value")
    return long.sample(frac=1, random_state=seed)


@settings(deadline=None, max_examples=12)
@given(st.integers(0, 10_000), st.integers(1, 9))
def test_lines_are_those_of_scipy(seed: int, n: int) -> None:
    frame = planted(np.random.default_rng(seed).normal(0, 1, n), noise=0.5, seed=seed)
    found = steerability(frame, draws=50)
    assert len(found.prompts) == n
    for row in found.prompts.itertuples():
        own = frame[frame["prompt_index"] == row.prompt_index]
        line = stats.linregress(own["strength"].astype(float), own["value"])
        assert row.slope == pytest.approx(line.slope)
        assert row.linearity == pytest.approx(line.rvalue**2)
    mean = frame.groupby("strength")["value"].mean()
    line = stats.linregress(mean.index.astype(float), mean)
    assert found.slope.estimate == pytest.approx(line.slope)
    assert found.linearity == pytest.approx(line.rvalue**2)
    np.testing.assert_allclose(found.curve["mean"], mean)
    np.testing.assert_allclose(found.curve["strength"], STRENGTHS)


def test_anti_steerable_prompts_are_found() -> None:
    slopes = np.array([1.0, -0.2, 0.7, 0.0, -3.0, 0.4, 1.2, 2.0])
    found = steerability(planted(slopes))
    assert found.anti_steerable.estimate == 2 / 8
    assert found.anti_steerable_prompts == (4, 1)
    assert found.anti_steerable.low < 2 / 8 < found.anti_steerable.high
    assert found.linearity == pytest.approx(1)
    np.testing.assert_allclose(found.prompts["slope"], slopes, atol=1e-12)
    assert "25% [" in repr(found)
    assert "<table" in found._repr_html_()


def test_intervals_are_those_of_a_paired_bootstrap() -> None:
    frame = planted(np.linspace(-1, 2, 12), noise=0.3)
    found = steerability(frame, seed=3)
    slopes = found.prompts["slope"].to_numpy()
    other = paired_difference(slopes, np.zeros(12), np.arange(12), seed=3)
    assert found.slope.estimate == pytest.approx(other.estimate)
    # Of one distribution, from other draws.
    spread = slopes.std() / 12**0.5
    assert found.slope.low == pytest.approx(other.low, abs=0.15 * spread)
    assert found.slope.high == pytest.approx(other.high, abs=0.15 * spread)
    assert (found.curve["low"] < found.curve["mean"]).all()
    assert (found.curve["mean"] < found.curve["high"]).all()
    wide = frame.pivot_table(index="prompt_index", columns="strength", values="value")
    for strength, low in zip(STRENGTHS, found.curve["low"], strict=True):
        each = wide[strength].to_numpy()
        alone = paired_difference(each, np.zeros(12), np.arange(12), seed=3)
        assert low == pytest.approx(alone.low, abs=0.15 * each.std() / 12**0.5)


def test_the_interval_covers_the_true_slope_at_about_the_stated_rate() -> None:
    random, covered = np.random.default_rng(0), 0
    with as_users_run_it():
        for number in range(120):
            frame = planted(random.normal(0.5, 1, 32), noise=0.5, seed=number)
            found = steerability(frame, draws=400, seed=number).slope
            covered += found.low <= 0.5 <= found.high
    # Binomial: below .87 or at 1 comes once in thousands of times at a rate of .94.
    assert 0.87 < covered / 120 < 1


def test_samples_are_averaged_and_prompts_come_along() -> None:
    frame = planted(np.array([1.0, -1.0]))
    twice = pd.concat([frame.assign(value=frame["value"] + d) for d in (0.5, -0.5)])
    texts = twice.assign(prompt=twice["prompt_index"].map(lambda n: f"prompt {n}"))
    found, plain = steerability(texts, draws=20), steerability(frame, draws=20)
    pd.testing.assert_frame_equal(found.prompts.drop(columns="prompt"), plain.prompts)
    assert found.prompts["prompt"].tolist() == ["prompt 0", "prompt 1"]


def test_what_is_flat_has_no_linearity() -> None:
    frame = planted(np.zeros(3)).assign(value=0.1 + 0.2)
    found = steerability(frame, draws=20)
    assert np.isnan(found.linearity)
    assert found.anti_steerable.estimate == 0
    two = planted(np.ones(3))
    two = two[two["strength"].isin([0, 1])]
    assert np.isnan(steerability(two, draws=20).linearity)
    one = steerability(planted(np.ones(1)))
    assert np.isnan([one.slope.low, one.slope.high]).all()
    assert one.anti_steerable.low == 0 < one.anti_steerable.high


def test_the_figure_shows_the_mean_and_who_moves_the_other_way() -> None:
    found = steerability(planted(np.array([1.0, -1.0, 2.0])), draws=20)
    (axes,) = found.plot().axes
    lines = {line.get_label(): line for line in axes.get_lines()}
    np.testing.assert_allclose(lines["mean"].get_ydata(), found.curve["mean"])
    np.testing.assert_allclose(lines["moves the other way"].get_ydata(), found.values.loc[1])
    assert axes.get_xlabel() == "strength"
    assert figure_png(found.plot()).startswith(b"\x89PNG")


def test_what_is_refused() -> None:
    frame = planted(np.ones(3))
    with pytest.raises(DataError, match=r"lacks \['sentiment'\]"):
        steerability(frame, value="sentiment")
    with pytest.raises(DataError, match="Got 1 strength"):
        steerability(frame[frame["strength"] == 0])
    gap = frame[~((frame["prompt_index"] == 2) & (frame["strength"] == 0.5))]
    with pytest.raises(DataError, match=r"prompt 2 has no value at strength 0\.5"):
        steerability(gap)
    with pytest.raises(NonFiniteError, match=r"has strength .* and value nan"):
        steerability(frame.assign(value=frame["value"].where(frame["strength"] != 1)))
    with pytest.raises(DataError, match="Got 2 values of 'direction'"):
        steerability(pd.concat([frame.assign(direction=name) for name in ("joy", "random")]))
    with pytest.raises(ArgumentError, match="confidence=1"):
        steerability(frame, confidence=1)


def test_a_sweep_s_unsteered_row_belongs_to_the_curve() -> None:
    frame = planted(np.ones(2)).assign(direction="joy", hook_name="blocks.1.hook_resid_post")
    zero = frame["strength"] == 0
    sweep = frame.assign(
        direction=frame["direction"].mask(zero, "none"),
        hook_name=frame["hook_name"].mask(zero, ""),
    )
    assert len(steerability(sweep, draws=20).curve) == 7
