"""What a cache is called between a model and its layers, and that bridges find it all the same."""

from collections.abc import Callable, Iterator
from functools import cache
from inspect import signature
from typing import Any

import pytest
import torch
from making import TEXTS, direction, generated_by_model, generated_by_us, hooks_of, rows_of
from models import hf_gpt2, hf_llama, tokenizer
from torch import Tensor, nn
from transformer_lens.model_bridge import TransformerBridge
from transformers import LlamaForCausalLM
from transformers.models.llama.modeling_llama import LlamaAttention, LlamaDecoderLayer

import tl_steer as ts
from tl_steer.lens.cache_names import (
    cache_given,
    cache_returned,
    pass_cache_on,
    pass_cache_on_for_good,
)
from tl_steer.lens.loading import wrap

STEPS = 6

OWN = signature(LlamaForCausalLM.forward).parameters


class RenamedAttention(LlamaAttention):
    """As in transformers 5.24, whichever is installed."""

    def forward(
        self,
        hidden_states: Tensor,
        position_embeddings: Any,
        attention_mask: Any = None,
        cache: Any = None,
        **kwargs: Any,
    ) -> Any:
        raise AssertionError("a bridge computes the attention of a Llama itself")


class RenamedLayer(LlamaDecoderLayer):
    """Calls its attention as in transformers 5.24, whatever it is called with itself."""

    def forward(
        self, hidden_states: Tensor, past_key_values: Any = None, cache: Any = None, **kwargs: Any
    ) -> Tensor:
        given = past_key_values if cache is None else cache
        normed = self.input_layernorm(hidden_states)
        hidden_states = hidden_states + self.self_attn(normed, cache=given, **kwargs)[0]
        normed = self.post_attention_layernorm(hidden_states)
        return hidden_states + self.mlp(normed)


class RenamedLlama(LlamaForCausalLM):
    def forward(self, input_ids: Any = None, cache: Any = None, **kwargs: Any) -> Any:
        # Both names are understood here, as by transformers' own decorator; not by the layers.
        given = kwargs.pop("past_key_values", None) if cache is None else cache
        own = "cache" if "cache" in OWN else "past_key_values"
        return super().forward(input_ids, **{own: given}, **kwargs)


def renamed_llama() -> Any:
    made = hf_llama()
    made.__class__ = RenamedLlama
    for layer in made.model.layers:
        layer.__class__ = RenamedLayer
        layer.self_attn.__class__ = RenamedAttention
    return made


@cache
def somebodys(make: Callable[[], Any]) -> Any:
    """A bridge that was not loaded by us, used once already."""
    bridge: Any = TransformerBridge.boot_transformers(
        "small", hf_model=make(), tokenizer=tokenizer(), device="cpu", dtype=torch.float32
    )
    bridge.cfg.default_prepend_bos = False
    bridge.original_model.eval()
    with torch.no_grad():
        bridge("the film")
    return bridge


@pytest.fixture(params=[hf_llama, hf_gpt2, renamed_llama], ids=["llama", "gpt2", "renamed"])
def bridge(request: pytest.FixtureRequest) -> Iterator[Any]:
    made = somebodys(request.param)
    before = hooks_of(made)
    yield made
    assert hooks_of(made) == before


def steering_of(model: Any) -> ts.Steering:
    return ts.Steering(ts.Add(direction(model, "blocks.1.hook_resid_post"), 2.0))


@pytest.mark.filterwarnings("ignore:.past_key_values. is deprecated:FutureWarning")
def test_the_rename_is_what_breaks_a_bridge() -> None:
    """Otherwise the tests below prove nothing. When this fails, TransformerLens has mended it."""
    model = somebodys(renamed_llama)
    assert generated_by_model(model, steps=STEPS) != without_cache(model)


def test_without_steering_in_our_loop(bridge: Any) -> None:
    assert generated_by_us(bridge, steps=STEPS, path="bridge") == without_cache(bridge)


def test_in_a_block_in_the_models_own_loops(bridge: Any) -> None:
    steering = steering_of(bridge)
    with ts.steer(bridge, steering):
        expected = without_cache(bridge)
        assert generated_by_model(bridge, prepend_bos=False, steps=STEPS) == expected
        for row, written in zip(rows_of(bridge), expected, strict=True):
            assert by_hugging_face(bridge, row) == written
    found = generated_by_us(bridge, steering=steering, steps=STEPS, path="bridge")
    assert found == expected
    assert expected != without_cache(bridge)


def test_with_plain_hooks(bridge: Any) -> None:
    steering = steering_of(bridge)
    expected = generated_by_us(bridge, steering=steering, steps=STEPS)
    hooks = steering.fwd_hooks(bridge)
    with bridge.hooks(fwd_hooks=hooks):
        assert generated_by_model(bridge, prepend_bos=False, steps=STEPS) == expected
    tokens = torch.tensor([rows_of(bridge)[0]])
    with torch.no_grad():
        whole = bridge.run_with_hooks(tokens, fwd_hooks=hooks)
        _, kept = bridge.run_with_hooks(
            tokens[:, :-1], fwd_hooks=hooks, use_cache=True, return_type="logits_and_cache"
        )
        last = bridge.run_with_hooks(
            tokens[:, -1:], fwd_hooks=hooks, use_cache=True, past_key_values=kept
        )
    torch.testing.assert_close(last[:, -1], whole[:, -1], atol=1e-5, rtol=0)


def test_blocks_end_in_any_order(bridge: Any) -> None:
    steering = steering_of(bridge)
    expected = generated_by_us(bridge, steering=steering, steps=STEPS)
    other = ts.steer(bridge, ts.Add(direction(bridge, "blocks.0.hook_resid_post"), 0.0)).start()
    with ts.steer(bridge, steering):
        other.remove()
        assert generated_by_model(bridge, prepend_bos=False, steps=STEPS) == expected


def test_a_model_that_we_load_is_right_outside_of_blocks_too() -> None:
    model: Any = wrap(renamed_llama(), tokenizer(), name="small-llama", device="cpu")
    with torch.no_grad():
        model("the film")
    before = hooks_of(model)
    assert generated_by_model(model, steps=STEPS) == without_cache(model)
    with ts.steer(model, steering_of(model)):
        assert generated_by_model(model, steps=STEPS) == without_cache(model)
    assert generated_by_us(model, steps=STEPS, path="bridge") == without_cache(model)
    assert hooks_of(model) == before
    pass_cache_on_for_good(model)
    assert hooks_of(model) == before


class Knows(nn.Module):
    """Something that is wrapped, and knows the cache by the new name alone."""

    def forward(self, x: Tensor, cache: Any = None) -> Tensor:
        self.got = cache
        return x


class Delegates(nn.Module):
    """A bridge that leaves the work to what it wraps."""

    def __init__(self) -> None:
        super().__init__()
        self._original_component = Knows()

    @property
    def original_component(self) -> nn.Module:
        return self._original_component

    def forward(self, x: Tensor, **kwargs: Any) -> Tensor:
        self.got = kwargs
        return self.original_component(x, **kwargs)


class StateSpace(nn.Module):
    """A wrapped model that calls its cache by a third name."""

    def forward(self, x: Tensor, cache_params: Any = None) -> Tensor:
        self.got = cache_params
        return x


class Wrapper(nn.Module):
    """As much of a bridge as is looked at here, and what the annotation asks for besides."""

    cfg = tokenizer = hook_dict = None
    hooks = run_with_hooks = run_with_cache = generate = to_tokens = reset_hooks = nn.Module.modules

    def __init__(self, root: nn.Module) -> None:
        super().__init__()
        object.__setattr__(self, "original_model", root)
        self.mixer = Delegates()


def test_what_delegates_hands_on_one_name_only() -> None:
    model: Any = Wrapper(Knows())
    x, kept = torch.ones(1), object()
    with pass_cache_on(model):
        model.mixer(x, cache=kept)
        assert model.mixer.got == dict.fromkeys(("cache", "past_key_values", "cache_params"), kept)
        assert model.mixer.original_component.got is kept
        model.mixer(x, cache=None)
        assert model.mixer.got == {"cache": None}
        model.mixer(x)
        assert model.mixer.got == {}
    model.mixer(x, cache=kept)
    assert model.mixer.got == {"cache": kept}


@pytest.mark.parametrize("root", [Knows, StateSpace])
def test_the_model_itself_is_called_by_the_name_that_it_knows(root: Callable[[], Any]) -> None:
    model: Any = Wrapper(root())
    x, kept = torch.ones(1), object()
    with pass_cache_on(model):
        model.original_model(x, past_key_values=kept)
        assert model.original_model.got is kept
        model.original_model(x, past_key_values=None)
        assert model.original_model.got is None


def test_names_of_a_cache() -> None:
    kept = object()
    for name in ("cache", "past_key_values", "cache_params"):
        assert cache_given({"cache": None, "past_key_values": None, name: kept}) is kept
    assert cache_given({"use_cache": True}) is None
    assert cache_returned((torch.ones(1),)) is None


def without_cache(model: Any) -> Any:
    return generated_by_model(model, TEXTS, prepend_bos=False, steps=STEPS, use_past_kv_cache=False)


def by_hugging_face(model: Any, row: Any) -> list[int]:
    """What the wrapped model's own ``generate`` writes."""
    tokens = torch.tensor([list(row)])
    found = model.original_model.generate(
        tokens,
        attention_mask=torch.ones_like(tokens),
        max_new_tokens=STEPS,
        do_sample=False,
        eos_token_id=None,
        pad_token_id=0,
    )
    written: list[int] = found[0, len(row) :].tolist()
    return written
