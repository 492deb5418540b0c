"""On the packaged model: reading agrees with plain Hugging Face, whatever the batches."""

from functools import cache
from typing import Any

import pandas as pd
import pytest
import torch
from making import packaged

import tl_steer as ts
from tl_steer.data import packaged_model_dir

pytestmark = [pytest.mark.packaged, pytest.mark.once]
RESID, MLP = "blocks.17.hook_resid_post", "blocks.14.hook_mlp_out"
N = 32


@cache
def reviews() -> ts.ContrastSet:
    whole = ts.rotten_tomatoes()
    # Three of these hold a token whose norm is 14 to 120 times the median; see the test below.
    return ts.ContrastSet(whole.positive[N : 2 * N], whole.negative[4 * N : 5 * N], name="reviews")


def ours(texts: ts.ContrastSet, max_tokens: int | None = None) -> ts.Activations:
    return ts.capture(
        packaged("bridge"), texts, at=[RESID, MLP], max_tokens=max_tokens, progress=False
    )


@cache
def ours_of_all() -> ts.Activations:
    return ours(reviews())


@cache
def by_hugging_face() -> dict[str, list[torch.Tensor]]:
    """Activations of every token of every text, one text at a time, by torch's own hooks."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = packaged_model_dir()
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    whole = AutoModelForCausalLM.from_pretrained(
        folder, local_files_only=True, dtype=torch.float32, attn_implementation="eager"
    )
    plain = whole.eval().model
    # What comes later changes nothing here.
    plain.layers = plain.layers[:18]
    found: dict[str, list[torch.Tensor]] = {RESID: [], MLP: []}

    def keep(name: str) -> Any:
        def hook(module: Any, args: Any, output: Any) -> None:
            found[name].append((output[0] if isinstance(output, tuple) else output)[0].clone())

        return hook

    plain.layers[17].register_forward_hook(keep(RESID))
    plain.layers[14].mlp.register_forward_hook(keep(MLP))
    with torch.inference_mode():
        for text in reviews().texts:
            plain(tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"])
    return found


def kept(name: str) -> tuple[list[torch.Tensor], int]:
    """Without first positions, and without tokens of over 10 times the median norm."""
    acts = [each[1:].double() for each in by_hugging_face()[name]]
    median = torch.cat(acts).norm(dim=-1).median()
    ordinary = [each.norm(dim=-1) <= 10 * median for each in acts]
    massive = sum(int((~mask).sum()) for mask in ordinary)
    return [each[mask] for each, mask in zip(acts, ordinary, strict=True)], massive


@pytest.mark.parametrize("name", [RESID, MLP])
def test_a_direction_equals_one_from_plain_hugging_face(name: str) -> None:
    acts, massive = kept(name)
    means = torch.stack([each.mean(0) for each in acts])
    expected = means[:N].mean(0) - means[N:].mean(0)
    found = ts.mean_difference(ours_of_all())[name]
    assert (found.vector.double() - expected).norm() <= 1e-4 * expected.norm()
    assert found.scale == pytest.approx(float(torch.cat(acts).norm(dim=-1).mean()), rel=1e-4)
    left_out = ours_of_all().left_out.loc[name]
    assert (left_out["bos"], left_out["first"], left_out["massive"]) == (0, 2 * N, massive)


def test_there_are_sinks_that_would_drown_the_direction() -> None:
    """What the default is for, as it was measured on this model."""
    acts, massive = kept(RESID)
    assert massive >= 3
    whole = torch.stack([each[1:].double().mean(0) for each in by_hugging_face()[RESID]])
    with_sinks = whole[:N].mean(0) - whole[N:].mean(0)
    means = torch.stack([each.mean(0) for each in acts])
    without = means[:N].mean(0) - means[N:].mean(0)
    assert with_sinks.norm() > 2 * without.norm()


@cache
def ours_of_some() -> ts.Activations:
    return ours(some())


def some() -> ts.ContrastSet:
    """Two of these, one in each class, hold such a token."""
    return ts.ContrastSet(reviews().positive[:8], reviews().negative[8:16])


@pytest.mark.parametrize("max_tokens", [64, 256])
def test_batches_change_nothing_but_rounding(max_tokens: int) -> None:
    found, expected = ours(some(), max_tokens), ours_of_some()
    assert expected.left_out.loc[RESID, "massive"] >= 2
    pd.testing.assert_frame_equal(found.left_out, expected.left_out)
    for name in (RESID, MLP):
        gap = (found[name] - expected[name]).norm(dim=-1)
        assert bool((gap <= 1e-4 * expected[name].norm(dim=-1)).all())
        assert found.norms[name] == pytest.approx(expected.norms[name], rel=1e-4)
        one, other = (ts.mean_difference(each)[name].vector for each in (found, expected))
        assert (one - other).norm() <= 1e-4 * other.norm()
