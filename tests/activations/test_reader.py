from typing import Any

import pytest
import torch
from making import shared_model
from models import WORDS, hf_gpt2, hf_llama, tokenizer

import tl_steer as ts
from tl_steer.activations import _reader
from tl_steer.errors import NonFiniteError
from tl_steer.lens.hook_points import attach, points
from tl_steer.lens.loading import wrap

AT = "blocks.1.hook_resid_post"
TEXTS = ["the film was great", "a dull movie", "i saw it and you hated this long story so much"]
SET = ts.ContrastSet(TEXTS, ["the film was awful", "bad acting it was"])


def acts_alone(model: Any, text: str) -> torch.Tensor:
    ids = model.tokenizer(text, add_special_tokens=False)["input_ids"]
    _, found = model.run_with_cache(torch.tensor([ids]), names_filter=AT)
    return found[AT][0].detach()


def test_half_precision_is_averaged_in_float32() -> None:
    model: Any = wrap(hf_llama().to(torch.bfloat16), tokenizer(), name="half", device="cpu")
    text = " ".join(WORDS[i] for i in torch.randint(3, 37, (60,)).tolist())
    # To the last bit, so on the modules that the other pass runs through.
    found = ts.capture(model, [text], at=AT, path="bridge", progress=False)
    acts = acts_alone(model, text)[1:]
    assert acts.dtype == torch.bfloat16
    assert found[AT].dtype == torch.float32
    torch.testing.assert_close(found[AT][0], acts.double().mean(0).float(), rtol=1e-5, atol=1e-5)
    assert not torch.equal(found[AT], found[AT].bfloat16().float())
    every = ts.capture(
        model, [text], at=AT, path="bridge", progress=False, read=ts.activations.EveryToken()
    )
    assert torch.equal(every[AT], acts.float())


@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
@pytest.mark.parametrize("moments_only", [False, True])
def test_nan_is_told_with_its_hook_point(architecture: str, moments_only: bool) -> None:
    made: Any = {"llama": hf_llama, "gpt2": hf_gpt2}[architecture]()
    block = (made.model.layers if architecture == "llama" else made.transformer.h)[2]
    with torch.no_grad():
        (block.mlp.down_proj if architecture == "llama" else block.mlp.c_proj).weight[3, 4] = float(
            "nan"
        )
    model = wrap(made, tokenizer(), name="broken", device="cpu")
    with pytest.raises(NonFiniteError, match=r"^blocks\.2\.hook_mlp_out: .*NaN or infinity"):
        ts.capture(model, SET, at="blocks.*.hook_mlp_out", moments_only=moments_only,
                   progress=False)  # fmt: skip
    assert not any(point.fwd_hooks for point in model.hook_dict.values())
    # Before the broken block, nothing is wrong.
    found = ts.capture(model, SET, at="blocks.{0,1}.hook_resid_post", progress=False)
    assert bool(found[AT].isfinite().all())


def passes_of(model: Any) -> tuple[list[int], Any]:
    rows: list[int] = []
    point = points(model, ["blocks.0.hook_resid_pre"])["blocks.0.hook_resid_pre"]
    return rows, attach(point, lambda acts, hook: rows.append(len(acts)))


def test_no_text_is_read_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    model = shared_model("bridge", "llama")
    texts = [" ".join(WORDS[start : start + 3 + start % 5]) for start in range(20)]
    found = []
    for room, twice in ((_reader._KEPT_BYTES, 0), (0, 16)):
        monkeypatch.setattr(_reader, "_KEPT_BYTES", room)
        rows, hook = passes_of(model)
        try:
            found.append(ts.capture(model, texts, at="blocks.*.hook_resid_post", progress=False))
        finally:
            hook.remove()
        assert sum(rows) == len(texts) + twice
    for name in found[0].hook_names:
        assert torch.equal(found[0].text_index[name], found[1].text_index[name])
        torch.testing.assert_close(found[0][name], found[1][name], atol=1e-5, rtol=1e-5)
    assert found[0].left_out.equals(found[1].left_out)
