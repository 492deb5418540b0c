import warnings
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings, strategies as st
from models import KINDS, small_model

import tl_steer as ts
from tl_steer.directions._measured import DominatedDirectionWarning, measured
from tl_steer.errors import DataError
from tl_steer.lens.protocol import ModelInfo, model_info

AT = "blocks.1.hook_resid_post"
cached_model = cache(small_model)
SET = ts.ContrastSet(
    positive=["the film was great", "i loved this bright and good movie", "good music"],
    negative=["the film was awful", "you hated the dull movie very much"],
    name="small reviews",
)


def activations(positive: torch.Tensor, negative: torch.Tensor, **changes: Any) -> ts.Activations:
    """Activations as `capture` would give them, of vectors that are already there."""
    both = torch.cat([positive, negative])
    fields: Mapping[str, Any] = {
        "model": ModelInfo("m", 4, 32, "raw"),
        "hook_names": (AT,),
        "vectors": {AT: both},
        "kept_moments": {},
        "text_index": {AT: torch.arange(len(both))},
        "is_positive": torch.arange(len(both)) < len(positive),
        "paired": False,
        "site_shapes": {AT: tuple(both.shape[1:])},
        "norms": {AT: float(both.flatten(1).norm(dim=-1).mean())},
        "left_out": pd.DataFrame({"first": {AT: len(both)}, "massive": {AT: 0}}),
        "data": "made up",
        "read": "MeanOfTokens()",
    }
    return ts.Activations(**{**fields, **changes})


@settings(deadline=None, max_examples=50)
@given(
    st.integers(1, 20), st.integers(1, 20), st.sampled_from([(5,), (2, 3)]),
    st.sampled_from([0.0, 1.0, 1e4]), st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_it_is_the_difference_of_the_means(
    n: int, m: int, shape: tuple[int, ...], offset: float, seed: int
) -> None:
    random = np.random.default_rng(seed)
    positive, negative = (
        (offset + random.standard_normal((count, *shape))).astype(np.float32) for count in (n, m)
    )
    expected = positive.mean(0, dtype=np.float64) - negative.mean(0, dtype=np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DominatedDirectionWarning)
        found = ts.mean_difference(
            activations(torch.from_numpy(positive), torch.from_numpy(negative))
        )
    np.testing.assert_allclose(found[AT].vector.numpy(), expected, rtol=1e-5, atol=1e-7)
    assert found[AT].vector.shape == shape


def test_means_are_taken_in_float64() -> None:
    """2**24 + 1 is no float32: a float32 sum would lose the difference."""
    positive = torch.tensor([[2.0**24], [1.0], [1.0], [-(2.0**24)]]).repeat(1, 2)
    found = ts.mean_difference(activations(positive, torch.zeros(4, 2)))
    assert found[AT].vector.tolist() == [0.5, 0.5]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("moments_only", [False, True])
def test_a_direction_knows_where_it_came_from(kind: str, moments_only: bool) -> None:
    model = cached_model(kind)
    acts = ts.capture(
        model, SET, at=["blocks.*.hook_mlp_out", AT], read=ts.LastToken(),
        moments_only=moments_only, progress=False,
    )  # fmt: skip
    found = ts.mean_difference(acts)
    assert list(found) == [*(f"blocks.{layer}.hook_mlp_out" for layer in range(4)), AT]
    for name, joy in found.items():
        assert joy.hook_name == name
        assert joy.scale == acts.norms[name]
        joy.check_fits(model)
    origin = found[AT].provenance
    assert origin.model == model_info(model)
    assert (origin.method, origin.data) == ("mean difference", "small reviews")
    assert (origin.n_positive, origin.n_negative) == (3, 2)
    assert (origin.read, origin.left_out) == ("LastToken()", "5 first")
    assert origin.version == version("tl_steer")


def test_strength_one_moves_the_one_mean_onto_the_other() -> None:
    model = cached_model("bridge")
    acts = ts.capture(model, SET, at=AT, progress=False)
    (joy,) = ts.mean_difference(acts).values()
    with ts.steer(model, ts.Add(joy)):
        moved = ts.capture(model, SET, at=AT, progress=False)
    torch.testing.assert_close(moved.means(AT)[1], acts.means(AT)[0], rtol=1e-4, atol=1e-5)


def test_turning_the_classes_around_turns_the_direction_around() -> None:
    model = cached_model("bridge")
    swapped = ts.ContrastSet(SET.negative, SET.positive)
    one, other = (
        ts.mean_difference(ts.capture(model, each, at=AT, progress=False))[AT]
        for each in (SET, swapped)
    )
    torch.testing.assert_close(one.vector, -other.vector)


def test_a_dimension_with_over_half_of_a_direction_is_named() -> None:
    positive = torch.tensor([[3.0, 1.0, -5.0, 1.0]])
    with pytest.warns(DominatedDirectionWarning, match=rf"{AT} \(dimension 2: 69%\)"):
        ts.mean_difference(activations(positive, torch.zeros(1, 4)))


@pytest.mark.parametrize(
    "vector",
    [
        [3.0, 1.0, -3.5, 3.0],  # 41 %
        [1.0, 5.0],  # of two dimensions, one nearly always has more than half
    ],
)
def test_other_directions_are_not_warned_of(vector: list[float]) -> None:
    # Warnings are errors here.
    ts.mean_difference(activations(torch.tensor([vector]), torch.zeros(1, len(vector))))


def test_texts_without_classes_have_no_difference() -> None:
    acts = activations(torch.ones(2, 4), torch.zeros(2, 4), is_positive=None)
    with pytest.raises(DataError, match=r"no classes. Capture a ContrastSet\(positive="):
        ts.mean_difference(acts)


def test_a_vector_of_nothing_is_refused() -> None:
    acts = activations(torch.randn(4, 8), torch.randn(4, 8))
    with pytest.raises(DataError, match="my method found the zero vector"):
        measured(acts, {acts.hook_names[0]: torch.zeros(8)}, "my method")
