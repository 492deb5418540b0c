"""Contract 8: saved directions come back identical, and only where they belong."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from models import ARCHITECTURES, KINDS, hf_gpt2, hf_llama, small_model, tokenizer
from transformers import LlamaConfig, LlamaForCausalLM

import tl_steer as ts
from tl_steer.errors import MismatchError
from tl_steer.lens.loading import wrap

SET = ts.ContrastSet(
    positive=["the film was great", "i loved this bright and good movie", "good music"],
    negative=["the film was awful", "you hated the dull movie very much", "bad acting it was"],
    name="small reviews",
)
AT = ["blocks.{0..2}.hook_resid_post", "blocks.1.hook_mlp_out", "blocks.0.attn.hook_z"]
TOKENS = torch.tensor([[5, 6, 7, 8]])
cached_model = cache(small_model)


def read_from(model: Any) -> ts.Directions:
    return ts.mean_difference(ts.capture(model, SET, at=AT, progress=False))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("kind", KINDS)
def test_they_come_back_identical_and_steer_alike(
    kind: str, architecture: str, tmp_path: Path
) -> None:
    model = cached_model(kind, architecture)
    saved = read_from(model)
    loaded = ts.Directions.load(saved.save(tmp_path / "joy.safetensors"))
    assert list(loaded) == list(saved)
    for name, joy in saved.items():
        back = loaded[name]
        assert torch.equal(back.vector, joy.vector)
        assert (back.hook_name, back.scale, back.provenance) == (name, joy.scale, joy.provenance)
        back.check_fits(model)
        logits = []
        for direction in (joy, back):
            with ts.steer(model, ts.Add(direction, 3.0)):
                logits.append(model(TOKENS))
        assert torch.equal(*logits)


def other_width() -> Any:
    config = LlamaConfig(
        vocab_size=40, hidden_size=16, intermediate_size=32, num_hidden_layers=4,
        num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=64,
        attn_implementation="eager",
    )  # fmt: skip
    return wrap(LlamaForCausalLM(config).eval(), tokenizer(), name="small-llama", device="cpu")


def processed(hf_model: Any) -> Any:
    """The weights as TransformerLens processes them by default."""
    name = f"small-{hf_model.config.model_type}"
    model: Any = wrap(hf_model, tokenizer(), name=name, device="cpu")
    model.enable_compatibility_mode()
    return model


def other_name() -> Any:
    return wrap(hf_gpt2(), tokenizer(), name="other-gpt2", device="cpu")


@pytest.mark.parametrize(
    ("architecture", "other", "words"),
    [
        ("llama", other_width, r"d_model is 32, not 16"),
        ("llama", lambda: cached_model("bridge", "gpt2"),
         r"name is 'small-llama', not 'small-gpt2'; n_layers is 4, not 3"),
        ("gpt2", other_name, r"\(name is 'small-gpt2', not 'other-gpt2'\)"),
        ("gpt2", lambda: processed(hf_gpt2()), r"processing is 'raw', not '.*weights centred'"),
    ],
)  # fmt: skip
def test_another_model_is_refused_in_words(
    architecture: str, other: Any, words: str, tmp_path: Path
) -> None:
    path = read_from(cached_model("bridge", architecture)).save(tmp_path / "joy.safetensors")
    loaded = ts.Directions.load(path)
    model = other()
    before = [len(point.fwd_hooks) for point in model.hook_dict.values()]
    for joy in loaded.values():
        steering = ts.Steering(ts.Add(joy))
        for use in (joy.check_fits, steering.check_fits, steering.fwd_hooks):
            with pytest.raises(MismatchError, match=words):
                use(model)
    assert [len(point.fwd_hooks) for point in model.hook_dict.values()] == before


def test_processed_weights_fit_their_like(tmp_path: Path) -> None:
    saved = read_from(processed(hf_gpt2())).save(tmp_path / "joy.safetensors")
    for joy in ts.Directions.load(saved).values():
        joy.check_fits(processed(hf_gpt2()))
        with pytest.raises(MismatchError, match=r"processing is '.*weights centred', not 'raw'"):
            joy.check_fits(cached_model("bridge", "gpt2"))


def test_processing_that_is_not_told_apart_changes_no_activation() -> None:
    """A layer norm that is folded into the weights that read it leaves what is written alone."""

    def made() -> Any:
        plain = hf_llama()
        with torch.no_grad():
            for name, weight in plain.named_parameters():
                if "norm" in name:
                    weight *= torch.linspace(0.5, 2.0, len(weight))
        return plain

    raw = read_from(wrap(made(), tokenizer(), name="small-llama", device="cpu"))
    folded = read_from(processed(made()))
    for name, joy in raw.items():
        other = folded[name]
        if not joy.provenance.model.difference(other.provenance.model):
            torch.testing.assert_close(other.vector, joy.vector, rtol=1e-3, atol=1e-4)


def test_a_random_control_is_saved_as_what_it_is(tmp_path: Path) -> None:
    joy = read_from(cached_model("bridge", "llama"))["blocks.1.hook_mlp_out"]
    control = joy.random_like(5)
    path = control.save(tmp_path / "control.safetensors")
    (back,) = ts.Directions.load(path).values()
    assert torch.equal(back.vector, control.vector)
    assert back.provenance.method == "random (seed 5)"
