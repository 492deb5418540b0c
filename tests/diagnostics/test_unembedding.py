"""What a direction says, against the model's own final norm and unembedding."""

from typing import Any

import pytest
import torch
from making import direction
from models import KINDS, small_model

import tl_steer as ts
from tl_steer.diagnostics._unembedding import top_tokens
from tl_steer.errors import HookNameError, MismatchError, SteerError
from tl_steer.lens.unembedding import vocabulary_scores


def with_norm_weights(kind: str, architecture: str) -> Any:
    """New models have a final norm of ones, which would hide a forgotten weight."""
    made = small_model(kind, architecture)
    g = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, parameter in made.ln_final.named_parameters():
            noise = torch.randn(parameter.shape, generator=g)
            parameter.copy_(noise if name.endswith(("bias", "b")) else 1 + 0.5 * noise)
    return made


def slope(model: Any, resid: torch.Tensor, vector: torch.Tensor) -> torch.Tensor:
    """How the logits change along a vector, by central differences, around a residual."""

    def logits(at: torch.Tensor) -> torch.Tensor:
        normed = model.ln_final(at[None, None].float())
        found: torch.Tensor = model.unembed(normed).double().flatten()
        return found

    with torch.no_grad():
        found = (logits(resid + 0.05 * vector) - logits(resid - 0.05 * vector)) / 0.1
    return found - found.mean()


@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_what_the_models_own_norm_and_unembedding_do(
    kind: str, architecture: str
) -> None:
    """Around a residual at a right angle to the direction, whose size it does not change."""
    model = with_norm_weights(kind, architecture)
    g = torch.Generator().manual_seed(1)
    vector, resid = torch.randn(32, generator=g), 10 * torch.randn(32, generator=g)
    if architecture == "gpt2":
        resid = resid - resid.mean()
    seen = vector - vector.mean() if architecture == "gpt2" else vector
    resid = resid - seen * (resid @ seen) / (seen @ seen)
    rms = float(resid.square().mean().sqrt())
    (found,) = vocabulary_scores(model, vector[None])
    expected = slope(model, resid, vector) * rms
    torch.testing.assert_close(found.double(), expected, atol=2e-3, rtol=2e-3)


@pytest.mark.skipif("hooked" not in KINDS, reason="this TransformerLens has no HookedTransformer")
@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_folded_weights_say_the_same(architecture: str) -> None:
    """Folding moves the norm's weight into the unembedding."""
    raw, folded = (
        with_norm_weights("hooked", architecture),
        with_norm_weights("hooked", architecture),
    )
    folded.process_weights_(
        fold_ln=True, center_writing_weights=False, center_unembed=False,
        refactor_factored_attn_matrices=False,
    )  # fmt: skip
    vectors = torch.randn(3, 32, generator=torch.Generator().manual_seed(2))
    assert not torch.allclose(raw.W_U, folded.W_U)
    torch.testing.assert_close(
        vocabulary_scores(folded, vectors), vocabulary_scores(raw, vectors), atol=1e-4, rtol=1e-4
    )


def test_the_frame_has_the_highest_and_the_lowest_in_order(model: Any) -> None:
    names = ["blocks.0.hook_mlp_out", "blocks.1.hook_resid_post"]
    directions = ts.Directions({n: direction(model, n, seed=s) for s, n in enumerate(names)})
    found = top_tokens(model, directions, k=4)
    assert len(found) == 2 * 2 * 4
    for name in names:
        (scores,) = vocabulary_scores(model, directions[name].unit.vector[None])
        order = scores.argsort(descending=True).tolist()
        own = found[found["hook_name"] == name]
        assert own[own["way"] == "up"]["token_id"].tolist() == order[:4]
        assert own[own["way"] == "down"]["token_id"].tolist() == order[:-5:-1]
        first = own.iloc[0]
        assert first["token"] == model.tokenizer.decode([order[0]])
        assert first["score"] == pytest.approx(float(scores.max()))


def test_the_embedding_of_a_word_says_that_word() -> None:
    """Where the unembedding is known, so is the answer."""
    model = small_model("bridge", "llama")
    name = "blocks.2.hook_resid_post"
    great = model.tokenizer.convert_tokens_to_ids("great")
    with torch.no_grad():
        unit = model.W_U[:, great] - model.W_U.mean(1)
    made = direction(model, name)
    said = ts.Direction(unit, name, 1.0, made.provenance)
    found = top_tokens(model, ts.Directions({name: said}), k=1)
    assert found["token"].iloc[0] == "great"


def test_what_cannot_be_read_out_is_refused(model: Any) -> None:
    z, resid = "blocks.1.attn.hook_z", "blocks.1.hook_resid_post"
    with pytest.raises(HookNameError, match=r"attn\.hook_z"):
        top_tokens(model, ts.Directions({z: direction(model, z)}))
    with pytest.raises(SteerError, match="k=0"):
        top_tokens(model, ts.Directions({resid: direction(model, resid)}), k=0)
    with pytest.raises(SteerError, match="at least one direction, got none"):
        top_tokens(model, ts.Directions({}))
    architecture = "gpt2" if "llama" in str(model.cfg.model_name) else "llama"
    other = direction(small_model("bridge", architecture), resid)
    with pytest.raises(MismatchError, match="another model"):
        top_tokens(model, ts.Directions({resid: other}))
