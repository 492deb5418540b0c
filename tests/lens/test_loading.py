"""Local checkpoints as either model class, and what cannot be loaded."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from by_hand import logits_by_hand, plain_model
from making import rows_of
from models import ARCHITECTURES, KINDS, hf_llama, tokenizer
from transformers import BertConfig, BertLMHeadModel

import tl_steer as ts
from tl_steer.errors import SteerError
from tl_steer.lens.loading import wrap
from tl_steer.lens.protocol import context_length, device_of, dtype_of, model_info
from tl_steer.lens.tokens import tokenize

HOOKED = "hooked" in KINDS
CLASSES = ["bridge", *(["hooked"] if HOOKED else [])]


@pytest.fixture(params=ARCHITECTURES)
def checkpoint(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    folder = tmp_path / f"small-{request.param}"
    plain_model(request.param).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return request.param, folder


@pytest.mark.parametrize("kind", CLASSES)
def test_a_folder_becomes_a_model(checkpoint: tuple[str, Path], kind: Any) -> None:
    architecture, folder = checkpoint
    model: Any = ts.load_local(folder, kind=kind, device="cpu")
    assert type(model).__name__ == {"bridge": "TransformerBridge"}.get(kind, "HookedTransformer")
    (row,) = rows_of(model, ["the film was very good"])
    with torch.no_grad():
        found = model(torch.tensor([row]))[0]
    torch.testing.assert_close(found, logits_by_hand(architecture, row), atol=1e-4, rtol=0)
    assert not model.training
    assert model.cfg.default_prepend_bos is False
    assert model_info(model).name == folder.name
    assert (device_of(model).type, dtype_of(model)) == ("cpu", torch.float32)
    assert context_length(model) == 64
    assert model_info(ts.load_local(str(folder), kind=kind, name="org/other")).name == "other"


@pytest.mark.parametrize("kind", CLASSES)
def test_in_half_precision(checkpoint: tuple[str, Path], kind: Any) -> None:
    model: Any = ts.load_local(checkpoint[1], kind=kind, device="cpu", dtype=torch.bfloat16)
    assert dtype_of(model) == torch.bfloat16
    assert torch.isfinite(model("a movie")).all()


@pytest.mark.parametrize("kind", CLASSES)
def test_the_tokenizers_beginning_of_text_is_kept(kind: Any) -> None:
    from tokenizers.processors import TemplateProcessing

    adding = tokenizer()
    adding.backend_tokenizer.post_processor = TemplateProcessing(
        single="<bos> $A", special_tokens=[("<bos>", 1)]
    )
    assert adding("film")["input_ids"][0] == 1
    model = wrap(hf_llama(), adding, name="small", kind=kind, device="cpu")
    assert model.cfg.default_prepend_bos is True
    (row,) = tokenize(model, ["film"])
    assert row == tuple(adding("film")["input_ids"])


def test_a_tokenizer_without_padding_gets_one() -> None:
    without = tokenizer()
    without.pad_token = None
    model = wrap(hf_llama(), without, name="small", device="cpu")
    assert model.tokenizer.pad_token == model.tokenizer.eos_token


def test_what_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(SteerError, match=r"no config\.json"):
        ts.load_local(tmp_path)
    with pytest.raises(SteerError, match=r"no config\.json"):
        ts.load_local(tmp_path / "nowhere")


def said_of(folder: Path, **changed: Any) -> str:
    """What is said of a folder with another configuration."""
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changed))
    with pytest.raises(SteerError) as refused:
        ts.load_local(folder, device="cpu")
    return str(refused.value)


def test_a_configuration_of_other_blocks_than_the_weights(checkpoint: tuple[str, Path]) -> None:
    """transformers loads half a model, or draws the rest at random, and goes on."""
    architecture, folder = checkpoint
    blocks = "n_layer" if architecture == "gpt2" else "num_hidden_layers"
    assert "belong to blocks that config.json does not have" in said_of(folder, **{blocks: 2})
    assert "are missing, the first" in said_of(folder, **{blocks: 5})
    for none in (0, -4):
        assert f"has {none} blocks" in said_of(folder, **{blocks: none})


def test_code_of_its_own_is_named_where_the_model_needs_it(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    hf_llama().save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    own = {"model_type": "mine", "auto_map": {"AutoModelForCausalLM": "modeling_mine.Mine"}}
    assert "code of its own (auto_map), which is not run" in said_of(folder, **own)


def test_weights_that_could_execute_something_are_not_read(checkpoint: tuple[str, Path]) -> None:
    folder = checkpoint[1]
    (folder / "model.safetensors").unlink()
    torch.save(plain_model(checkpoint[0]).state_dict(), folder / "pytorch_model.bin")
    with pytest.raises(SteerError, match=r"no \*\.safetensors"):
        ts.load_local(folder)


@pytest.mark.skipif(not HOOKED, reason="HookedTransformer is in TransformerLens 3 only")
def test_what_cannot_be_a_hooked_transformer() -> None:
    other = BertLMHeadModel(BertConfig(
        vocab_size=40, hidden_size=8, num_hidden_layers=1, num_attention_heads=1,
        intermediate_size=8, is_decoder=True,
    ))  # fmt: skip
    with pytest.raises(SteerError, match="BertLMHeadModel cannot be loaded as Hooked"):
        wrap(other, tokenizer(), name="bert", kind="hooked", device="cpu")
    scaled = hf_llama()
    scaled.config.rope_parameters = {"rope_type": "llama3", "rope_theta": 1e4}
    with pytest.raises(SteerError, match="rope_type 'llama3' is not supported"):
        wrap(scaled, tokenizer(), name="scaled", kind="hooked", device="cpu")


@pytest.mark.skipif(HOOKED, reason="on TransformerLens 3 there is one")
def test_no_hooked_transformer_on_transformer_lens_4(checkpoint: tuple[str, Path]) -> None:
    with pytest.raises(SteerError, match='Use kind="bridge", or install "transformer-lens<4"'):
        ts.load_local(checkpoint[1], kind="hooked")


def test_the_weights_of_a_bridge_go_where_they_are_asked_to() -> None:
    # A device that every machine has, and that is not where the weights were made.
    model: Any = wrap(hf_llama(), tokenizer(), name="small-llama", kind="bridge", device="meta")
    assert {each.device.type for each in model.parameters()} == {"meta"}
