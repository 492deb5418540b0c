"""Caches that do not hold what was read: we go on without; the model's own loops are refused."""

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import pytest
import torch
from making import (
    TEXTS,
    batch_of as batch,
    direction,
    generated_by_model,
    generated_by_us,
    hooks_of,
    own_model,
)
from models import KINDS, tokenizer
from torch import Tensor
from transformer_lens.model_bridge.generalized_components.attention import AttentionBridge
from transformers import (
    DynamicCache,
    LlamaConfig,
    MambaConfig,
    MambaForCausalLM,
    MistralConfig,
    Qwen3NextConfig,
    RecurrentGemmaConfig,
    RecurrentGemmaForCausalLM,
    StaticCache,
)

import tl_steer as ts
from tl_steer.errors import CacheError
from tl_steer.lens import forward
from tl_steer.lens.forward import Decoder
from tl_steer.lens.kept_cache import is_kept, tokens_in
from tl_steer.lens.loading import wrap

STEPS = 5
WIDE = {"hidden_size": 32, "num_hidden_layers": 3, "vocab_size": 40}
KEYS = torch.ones(1, 2, 5, 4)


def keeps_nothing_from(layer: int) -> Callable[..., tuple[Tensor, Tensor]]:
    keep = AttentionBridge._update_kv_cache

    def update(self: Any, k: Tensor, v: Tensor, **kwargs: Any) -> tuple[Tensor, Tensor]:
        return (k, v) if self._layer_idx >= layer else keep(self, k, v, **kwargs)

    return update


@pytest.fixture(params=[0, 2], ids=["nothing", "half"])
def forgetful(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A bridge whose layers do not put into the cache what they should, from one on."""
    model = own_model("bridge")
    monkeypatch.setattr(AttentionBridge, "_update_kv_cache", keeps_nothing_from(request.param))
    return model


def steering_of(model: Any, scope: Any = ts.generated, strength: Any = 2.0) -> ts.Steering:
    return ts.Steering(ts.Add(direction(model, "blocks.1.hook_resid_post"), strength, scope=scope))


@pytest.mark.parametrize("scope", [ts.everywhere, ts.generated, ts.Positions(-3)])
def test_our_loop_goes_on_without(forgetful: Any, scope: Any) -> None:
    steering = steering_of(forgetful, scope)
    with ts.steer(forgetful, steering):
        expected = without_cache(forgetful)
    assert expected != without_cache(forgetful)
    with pytest.warns(UserWarning, match="LlamaForCausalLM keeps no cache") as said:
        found = ours(forgetful, steering=steering, max_tokens=20)
    assert found == expected
    # Once, and not for each batch; it names the versions.
    assert len(said) == 1
    assert_names_versions(str(said[0].message))
    assert generated_by_us(forgetful, steering=steering, steps=STEPS) == expected, "by the twin"
    with pytest.warns(UserWarning, match="pass over the whole text"):
        assert ours(forgetful) == without_cache(forgetful)


def test_shared_prompts_and_rows_of_their_own(
    monkeypatch: pytest.MonkeyPatch, forgetful: Any
) -> None:
    sampling = ts.Sampling(STEPS, samples=3, stop_at_eos=False)
    conditions = {
        "none": None,
        "glad": steering_of(forgetful),
        "more": steering_of(forgetful, strength=4.0),
    }

    def written() -> Any:
        made = ts.compare(forgetful, TEXTS, conditions, sampling, path="bridge", progress=False)
        return made.frame

    with pytest.warns(UserWarning, match="keeps no cache"):
        found = written()
    monkeypatch.undo()
    expected = written()
    assert found["tokens"].tolist() == expected["tokens"].tolist()
    assert len(set(map(tuple, expected["tokens"]))) > len(TEXTS) * 3


def test_the_models_own_loops_are_refused(forgetful: Any) -> None:
    before = hooks_of(forgetful)
    tokens = batch(forgetful, TEXTS[:1]).tokens
    asked = {"attention_mask": torch.ones_like(tokens), "do_sample": False, "max_new_tokens": STEPS}
    asked |= {"eos_token_id": None, "pad_token_id": 0}
    with ts.steer(forgetful, steering_of(forgetful)):
        with pytest.raises(CacheError, match="LlamaForCausalLM: the cache does not hold") as said:
            generated_by_model(forgetful, TEXTS[0], steps=STEPS)
        assert_names_versions(str(said.value))
        assert "use_past_kv_cache=False" in str(said.value)
        with pytest.raises(CacheError, match="does not hold"):
            forgetful.original_model.generate(tokens, **asked)
        # Nothing is wrong until a pass goes on from it.
        generated_by_model(forgetful, TEXTS[0], steps=1)
        with torch.no_grad():
            forgetful(tokens)
            forgetful(tokens)
    assert hooks_of(forgetful) == before


def test_with_plain_hooks_too(forgetful: Any) -> None:
    hooks = steering_of(forgetful, ts.everywhere).fwd_hooks(forgetful)
    with (
        forgetful.hooks(fwd_hooks=hooks),
        pytest.raises(CacheError, match="does not hold"),
    ):
        generated_by_model(forgetful, TEXTS[0], steps=STEPS)


def test_which_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    model = own_model("bridge")
    monkeypatch.setattr(AttentionBridge, "_update_kv_cache", keeps_nothing_from(2))
    with ts.steer(model), pytest.raises(CacheError, match=r"were read in layers 2, 3, so"):
        generated_by_model(model, TEXTS[0], steps=2)


def test_a_cache_that_is_not_handed_on() -> None:
    model = own_model("bridge")
    tokens = batch(model, TEXTS[:1]).tokens
    mask = torch.ones_like(tokens)
    with ts.steer(model), torch.no_grad():
        model.original_model(tokens, attention_mask=mask, use_cache=True)
        with pytest.raises(CacheError, match="tells of 5 tokens, but 1 came with a cache that hol"):
            model.original_model(tokens[:, -1:], attention_mask=mask, use_cache=True)
        # A mask with room left, as for a cache of a fixed size.
        room = torch.cat([mask, torch.zeros_like(mask)], dim=1)
        kept = model.original_model(tokens[:, :1], attention_mask=room[:, 4:], use_cache=True)
    assert kept.logits.isfinite().all()


def test_a_loop_that_reads_everything_again_is_not_refused(
    forgetful: Any, request: pytest.FixtureRequest
) -> None:
    """As Hugging Face's does where it sees that the cache is empty."""
    tokens = batch(forgetful, TEXTS[:1]).tokens
    # Over a cache that holds half, nobody can say where the prompt ends: who asks is refused.
    empty = request.node.callspec.params["forgetful"] == 0
    steering = steering_of(forgetful, ts.generated if empty else ts.everywhere)
    with ts.steer(forgetful, steering), torch.no_grad():
        kept = DynamicCache()
        for stop in (3, 4, 5):
            forgetful.original_model(tokens[:, :stop], past_key_values=kept, use_cache=True)


@pytest.mark.parametrize("kind", KINDS)
def test_our_loop_without_a_cache_agrees_with_it(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    model = own_model(kind)
    expected = ours(model, steering=steering_of(model))

    def refuse(*args: Any) -> None:
        raise CacheError("as if it were not there")

    monkeypatch.setattr(forward, "require_kept", refuse)
    with pytest.warns(UserWarning, match="keeps no cache"):
        assert ours(model, steering=steering_of(model)) == expected


STATES = {
    "mamba": lambda: MambaForCausalLM(MambaConfig(**WIDE, state_size=8)),
    "recurrent": lambda: RecurrentGemmaForCausalLM(
        RecurrentGemmaConfig(
            **WIDE,
            intermediate_size=64,
            num_attention_heads=4,
            head_dim=8,
            lru_width=32,
            attention_window_size=16,
            pad_token_id=0,
        )
    ),
}


@pytest.fixture(scope="module", params=STATES)
def with_states(request: pytest.FixtureRequest) -> tuple[str, Any]:
    torch.manual_seed(0)
    made = STATES[request.param]().eval()
    made.config.architectures = [type(made).__name__]
    model: Any = wrap(made, tokenizer(), name=request.param, device="cpu")
    return request.param, model


@pytest.mark.filterwarnings("ignore:RecurrentGemmaForCausalLM keeps no cache")
def test_models_with_states(with_states: Any) -> None:
    name, model = with_states
    steering = steering_of(model, strength=5.0)
    expected = []
    for text in TEXTS:
        decoder, logits = Decoder.begin(model, batch(model, [text]), cached=False)
        assert not decoder.cached
        assert logits.isfinite().all()
        expected += ours(model, text, steering)
    decoder, _ = Decoder.begin(model, batch(model))
    assert decoder.cached == (name == "mamba")
    assert ours(model, TEXTS, steering) == expected
    assert generated_by_us(model, TEXTS, steering, steps=STEPS) == expected


def test_caches_of_several_kinds() -> None:
    heads = {**WIDE, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 4}
    plain = DynamicCache(config=LlamaConfig(**heads))
    assert tokens_in(None) == tokens_in(plain) == tokens_in(DynamicCache()) == 0
    assert not is_kept(None, 5)
    assert not is_kept(plain, 5)
    for layer in range(3):
        assert not is_kept(plain, 5)
        plain.update(KEYS, KEYS, layer)
    assert is_kept(plain, 5)
    assert not is_kept(plain, 6)
    assert tokens_in(plain) == 5

    # The window is shorter than what went through it.
    sliding = DynamicCache(config=MistralConfig(**heads, sliding_window=3))
    fixed = StaticCache(config=LlamaConfig(**heads), max_cache_len=9)
    for cache in (sliding, fixed):
        assert tokens_in(cache) == 0
        for layer in range(3):
            cache.update(KEYS, KEYS, layer)
        assert is_kept(cache, 5)
        assert not is_kept(cache, 3)
        assert tokens_in(cache) == 5

    kinds = ["linear_attention", "full_attention", "linear_attention"]
    hybrid = DynamicCache(config=Qwen3NextConfig(**heads, layer_types=kinds))
    hybrid.update(KEYS, KEYS, 1)
    hybrid.update_conv_state(KEYS[0], 0)
    assert not is_kept(hybrid, 5)
    hybrid.update_conv_state(KEYS[0], 2)
    assert is_kept(hybrid, 5)
    assert tokens_in(hybrid) == 5

    states = DynamicCache(config=MambaConfig(**WIDE))
    assert tokens_in(states) is None
    for layer in range(3):
        assert not is_kept(states, 5)
        states.update_conv_state(KEYS[0], layer)
    assert is_kept(states, 5)


def ours(model: Any, *args: Any, **settings: Any) -> Any:
    """Through the model's own modules; a plain twin keeps its cache itself."""
    return generated_by_us(model, *args, steps=STEPS, path="bridge", **settings)


def without_cache(model: Any) -> Any:
    return generated_by_model(model, TEXTS, prepend_bos=False, steps=STEPS, use_past_kv_cache=False)


def assert_names_versions(text: str) -> None:
    assert f"TransformerLens {version('transformer-lens')}" in text
    assert f"transformers {version('transformers')}" in text
