"""What a model is asked about its hook points, and what is refused by it."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from making import as_users_run_it, direction, hooks_of, own_model
from models import has_hooked, tokenizer
from transformers import GPT2Config, GPT2LMHeadModel

import tl_steer as ts
from tl_steer.errors import HookNameError, NonFiniteError, SteerError
from tl_steer.lens.hook_names import passes_before, require_readable, require_writable, resolve
from tl_steer.lens.loading import wrap
from tl_steer.lens.sites import ATTENTION_SITES, VECTOR_SITES, sites_of
from tl_steer.lens.unsupported import why_unsupported

LAST = "blocks.1.hook_mlp_out"


def fresh(seed: int = 0) -> Any:
    """A model that nobody has asked anything yet."""
    torch.manual_seed(seed)
    config = GPT2Config(vocab_size=40, n_embd=32, n_layer=2, n_head=4, n_positions=32)
    config._attn_implementation = "eager"
    return wrap(GPT2LMHeadModel(config).eval(), tokenizer(), name="fresh", device="cpu")


def changed(model: Any, monkeypatch: Any, change: Callable[[dict[str, Any]], Any]) -> None:
    """Let the model have other hook points."""
    points = dict(model.hook_dict)
    change(points)
    monkeypatch.setattr(type(model), "hook_dict", property(lambda self: points))


def test_everything_is_seen_in_the_order_in_which_it_comes(model: Any) -> None:
    sites = sites_of(model)
    block = [name for name in sites.shapes if name.startswith("blocks.1.")]
    wanted = {f"blocks.1.{site}" for site in (*VECTOR_SITES, *ATTENTION_SITES)}
    assert set(block) == wanted
    assert passes_before(model, "blocks.0.hook_resid_post", "blocks.1.hook_resid_pre")
    assert passes_before(model, "blocks.1.attn.hook_z", "blocks.1.hook_attn_out")
    assert not passes_before(model, LAST, "blocks.1.hook_resid_mid")
    assert not sites.reads_padding
    assert sites.whole_mlps == frozenset()


def test_a_model_is_asked_once_and_hooks_on_it_hear_nothing() -> None:
    model, heard = fresh(), []
    with torch.no_grad():
        model("the film")
    own = [(f"blocks.0.{site}", lambda acts, hook: heard.append(acts)) for site in VECTOR_SITES]
    before = hooks_of(model)
    with model.hooks(fwd_hooks=own):
        within = hooks_of(model)
        seen = sites_of(model)
        assert hooks_of(model) == within
        assert sites_of(model) is seen
        assert heard == []
        with torch.no_grad():
            model("the film")
        assert len(heard) == len(VECTOR_SITES)
    assert hooks_of(model) == before


def test_a_model_in_training_mode_stays_in_it_and_random_numbers_are_as_before() -> None:
    model = fresh()
    model.train()
    modes = [module.training for module in model.original_model.modules()]
    assert sites_of(model).shapes == sites_of(fresh()).shapes
    assert [module.training for module in model.original_model.modules()] == modes
    assert any(modes)
    model = fresh(seed=1)
    model.train()
    state = torch.get_rng_state()
    sites_of(model)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_model_in_another_mode_is_asked_again() -> None:
    model = own_model("bridge", "gpt2")
    raw = sites_of(model)
    model.enable_compatibility_mode(no_processing=True)
    assert sites_of(model) is not raw
    assert sites_of(model).shapes.keys() == raw.shapes.keys()


def test_hook_points_that_never_fire_are_refused(monkeypatch: Any) -> None:
    from transformer_lens.hook_points import HookPoint

    model = fresh()
    post = "blocks.0.hook_resid_post"
    changed(
        model, monkeypatch, lambda points: points.update({LAST: HookPoint(), post: HookPoint()})
    )
    for use in (require_readable, require_writable, resolve):
        with pytest.raises(
            HookNameError, match=r"nothing ever comes by.*In block 1 use hook_resid"
        ):
            use(model, LAST)
    with pytest.raises(HookNameError, match=r"blocks\.1\.hook_resid_pre holds what would stand"):
        ts.capture(model, ["the film"], at=post, progress=False)
    with pytest.raises(HookNameError, match="nothing ever comes by"):
        ts.steer(model, ts.Add(direction(model, "blocks.0.hook_mlp_out"), at=LAST))


def test_heads_before_tokens_are_refused(monkeypatch: Any) -> None:
    """As in latent attention: the axes are those of another name."""
    model = fresh()
    pattern = model.hook_dict["blocks.0.attn.hook_pattern"]
    changed(model, monkeypatch, lambda points: points.update({"blocks.0.attn.hook_q": pattern}))
    with pytest.raises(HookNameError, match="not so many for each row and token"):
        resolve(model, "blocks.0.attn.hook_q")
    assert resolve(model, "blocks.1.attn.hook_q") == ("blocks.1.attn.hook_q",)


def test_a_stream_behind_the_mlp_is_no_stream_between(monkeypatch: Any) -> None:
    model = fresh()
    behind = model.hook_dict["blocks.0.hook_resid_post"]
    changed(model, monkeypatch, lambda points: points.update({"blocks.0.hook_resid_mid": behind}))
    with pytest.raises(HookNameError, match="is the stream behind the MLP"):
        resolve(model, "blocks.0.hook_resid_mid")


def test_what_is_there_in_other_blocks_is_named(monkeypatch: Any) -> None:
    model = fresh()
    changed(model, monkeypatch, lambda points: points.pop("blocks.0.hook_attn_out"))
    with pytest.raises(HookNameError, match=r'others have it: "blocks\.1\.hook_attn_out"'):
        resolve(model, "blocks.*.hook_attn_out")


def test_a_model_that_looks_ahead_is_refused() -> None:
    model = fresh()
    handle = model.original_model.transformer.h[0].register_forward_hook(
        lambda module, args, output: output + output.mean(1, keepdim=True)
    )
    with pytest.raises(SteerError, match="depends on later tokens"):
        ts.capture(model, ["the film"], at=LAST, progress=False)
    handle.remove()
    assert resolve(model, LAST) == (LAST,)


def test_a_pass_that_breaks_is_said_with_both_versions() -> None:
    model = fresh()

    def breaks(module: Any, args: Any) -> None:
        raise ValueError("pixels are wanted")

    handle = model.original_model.transformer.register_forward_pre_hook(breaks)
    said = r"TransformerLens \d.* with transformers \d.* cannot run GPT2LMHeadModel.*pixels are"
    with pytest.raises(SteerError, match=said):
        resolve(model, LAST)
    handle.remove()
    assert resolve(model, LAST) == (LAST,)


def test_numbers_that_are_not_finite_are_called_that() -> None:
    model = fresh()
    model.original_model.transformer.wte.weight.data[0] = float("inf")
    with pytest.raises(NonFiniteError, match="holds NaN or infinity over a few tokens"):
        resolve(model, LAST)


def test_every_model_here_is_supported(model: Any) -> None:
    assert why_unsupported(model) is None


@pytest.mark.skipif(not has_hooked(), reason="TransformerLens 3 has classes of its own for them")
def test_the_encoders_of_transformer_lens_are_refused() -> None:
    from transformer_lens import HookedEncoder, HookedTransformerConfig

    cfg = HookedTransformerConfig(
        n_layers=1, d_model=8, n_ctx=8, d_head=4, d_vocab=40, d_mlp=8, act_fn="gelu"
    )
    with pytest.warns(DeprecationWarning, match="HookedEncoder"):
        encoder = HookedEncoder(cfg)
    with as_users_run_it(), pytest.raises(SteerError, match="HookedEncoder is an encoder"):
        ts.capture(encoder, ["the film"], at=LAST, progress=False)


def test_attention_that_is_computed_before_is_read_and_not_changed() -> None:
    """As in OPT: the pattern comes by when all of attention is done."""
    model = fresh()
    z, pattern = "blocks.0.attn.hook_z", "blocks.0.attn.hook_pattern"
    require_writable(model, pattern)
    sites = sites_of(model)
    shapes = {name: shape for name, shape in sites.shapes.items() if name != pattern}
    shapes[pattern] = sites.shapes[pattern]
    object.__setattr__(sites, "shapes", shapes)
    require_readable(model, pattern)
    with pytest.raises(HookNameError, match="has computed its attention before"):
        require_writable(model, pattern)
    with pytest.raises(SteerError, match="comes later in the pass"):
        ts.steer(model, ts.Custom(lambda acts, context: acts, z, reads=(pattern,)))
