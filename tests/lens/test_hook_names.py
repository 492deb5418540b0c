"""Hook names and patterns, against the model's own dictionary and activations."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings, strategies as st
from making import rows_of, shared_model

from tl_steer.errors import HookNameError, SteerError
from tl_steer.lens.hook_names import (
    layer_of,
    needs_writing_in_place,
    resolve,
    site_of,
    site_shape,
)
from tl_steer.lens.sites import VECTOR_SITES

LAYERS = 4
"""Of the small llama."""


@pytest.fixture(scope="module")
def llama() -> Any:
    return shared_model("bridge", "llama")


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("blocks.2.hook_mlp_out", ["blocks.2.hook_mlp_out"]),
        ("blocks.*.hook_mlp_out", [f"blocks.{n}.hook_mlp_out" for n in range(LAYERS)]),
        ("blocks.{1..3}.attn.hook_z", [f"blocks.{n}.attn.hook_z" for n in (1, 2, 3)]),
        ("blocks.{2..2}.hook_resid_pre", ["blocks.2.hook_resid_pre"]),
        ("blocks.{3,0}.hook_resid_post", ["blocks.3.hook_resid_post", "blocks.0.hook_resid_post"]),
        ("blocks.{0, 2}.mlp.hook_post", ["blocks.0.mlp.hook_post", "blocks.2.mlp.hook_post"]),
        (
            ["blocks.1.hook_resid_mid", "blocks.{0..1}.hook_resid_mid"],
            ["blocks.1.hook_resid_mid", "blocks.0.hook_resid_mid"],
        ),
    ],
)
def test_patterns(llama: Any, at: Any, expected: list[str]) -> None:
    assert resolve(llama, at) == tuple(expected)


def test_every_name_is_the_models_own_and_its_width_is_right(model: Any) -> None:
    names = resolve(model, [f"blocks.*.{site}" for site in VECTOR_SITES])
    assert len(names) == len(set(names)) == len(VECTOR_SITES) * model.cfg.n_layers
    with torch.no_grad():
        _, cache = model.run_with_cache(torch.tensor([rows_of(model)[0]]))
    for name in names:
        assert name in model.hook_dict
        assert tuple(cache[name].shape[2:]) == site_shape(model, name), name


@pytest.mark.parametrize("name", ["blocks.12.hook_mlp_out", "blocks.0.attn.hook_z"])
def test_parts_of_a_name(name: str) -> None:
    assert f"blocks.{layer_of(name)}.{site_of(name)}" == name


def test_only_the_middle_of_a_bridges_block_is_written_in_place(model: Any) -> None:
    names = resolve(model, [f"blocks.0.{site}" for site in VECTOR_SITES])
    in_place = [name for name in names if needs_writing_in_place(model, name)]
    assert in_place == (["blocks.0.hook_resid_mid"] if hasattr(model, "original_model") else [])


@pytest.mark.parametrize(
    ("at", "says"),
    [
        ("blocks.31.hook_mlp_out", "this model has blocks 0 to 3"),
        ("blocks.{2..9}.hook_mlp_out", "this model has blocks 0 to 3"),
        ("blocks.{3..1}.hook_mlp_out", "this model has blocks 0 to 3"),
        ("blocks.{0,9}.hook_mlp_out", '"blocks.*.hook_mlp_out" match all of them'),
        ("blocks.-1.hook_mlp_out", "is not a layer"),
        ("blocks.+1.hook_mlp_out", "is not a layer"),
        ("blocks. 1.hook_mlp_out", "is not a layer"),
        ("blocks.1_0.hook_mlp_out", "is not a layer"),
        ("blocks.01.hook_mlp_out", "is not a layer"),
        ("blocks.٢.hook_mlp_out", "is not a layer"),
        ("blocks.two.hook_mlp_out", "Use a number, *, {4..8} or {4,6}"),
        ("blocks.{1..}.hook_mlp_out", "is not a layer"),
        ("blocks.**.hook_mlp_out", "is not a layer"),
        ("blocks.1.hook_mlp", "is not a hook name that can be steered"),
        ("blocks.1.ln1.hook_normalized", "after the block may stand hook_resid_pre"),
        ("hook_embed", "Names look like"),
        ("", "Names look like"),
        ("blocks.1.hook_mlp_out\n", "is not a hook name"),
        ([], "Expected a hook name"),
    ],
)
def test_what_the_model_lacks_is_refused(llama: Any, at: Any, says: str) -> None:
    with pytest.raises(HookNameError) as refused:
        resolve(llama, at)
    assert says in str(refused.value)
    if at:
        assert repr(at) in str(refused.value), "the error says what came"


@pytest.mark.parametrize("name", ["blocks.*.hook_mlp_out", "blocks.{0..2}.hook_mlp_out"])
def test_a_pattern_is_no_single_hook_name(name: str) -> None:
    with pytest.raises(HookNameError, match="expected one hook point"):
        layer_of(name)


@settings(deadline=None, derandomize=True, max_examples=200)
@given(
    text=st.one_of(
        st.text(max_size=20),
        st.builds(
            "blocks.{}.{}".format,
            st.text(alphabet="0123456789*{}., -+_", max_size=6),
            st.sampled_from(["hook_mlp_out", "attn.hook_z", "hook_mlp_out "]),
        ),
    )
)
def test_anything_is_resolved_or_refused_in_words(text: str) -> None:
    llama = shared_model("bridge", "llama")
    try:
        names = resolve(llama, text)
    except SteerError:
        return
    assert names
    assert set(names) <= set(llama.hook_dict)


def test_a_site_that_this_model_lacks_is_refused(llama: Any, monkeypatch: Any) -> None:
    whole = llama.hook_dict
    rest = {name: point for name, point in whole.items() if not name.endswith("hook_resid_mid")}
    monkeypatch.setattr(type(llama), "hook_dict", property(lambda self: rest))
    with pytest.raises(HookNameError, match=r"no such hook point\. In block 2 it has") as refused:
        resolve(llama, "blocks.2.hook_resid_mid")
    assert "hook_resid_post" in str(refused.value)
    assert "hook_resid_mid," not in str(refused.value)
