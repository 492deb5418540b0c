"""Activation addition against a hook by hand."""

from typing import Any

import pytest
import torch
from making import generated_by_model, logits_of, own_model, rows_of
from models import tokenizer

import tl_steer as ts
from tl_steer.errors import DataError, HookNameError
from tl_steer.trained._prompt_pair import activation_addition, add_at_front

PAIR = ("the film was great and bright", "the film awful")
SITES = ("blocks.1.hook_resid_pre", "blocks.0.hook_mlp_out", "blocks.2.attn.hook_z")
BOS, PAD = 1, 0
TEXTS = ("i saw it and the plot was so very long", "a movie this dull but good and short")


def by_hand(model: Any, at: str, prepend_bos: bool) -> torch.Tensor:
    """The difference of two runs of TransformerLens' own cache, `pos *site`."""
    rows = [([BOS] if prepend_bos else []) + list(row) for row in rows_of(model, PAIR)]
    length = max(map(len, rows))
    found = []
    for row in rows:
        tokens = torch.tensor([row + [PAD] * (length - len(row))])
        # Padding is a token like any other here.
        mask = torch.ones_like(tokens)
        _, cache = model.run_with_cache(tokens, attention_mask=mask, names_filter=at)
        found.append(cache[at][0].detach().clone())
    return found[0] - found[1]


@pytest.mark.parametrize("prepend_bos", [False, True])
@pytest.mark.parametrize("at", SITES)
def test_it_is_the_difference_at_each_position(model: Any, at: str, prepend_bos: bool) -> None:
    found = activation_addition(model, *PAIR, at=at, prepend_bos=prepend_bos)
    expected = by_hand(model, at, prepend_bos)
    assert len(found) == len(expected) == 6 + prepend_bos
    for each, vector in zip(found, expected, strict=True):
        torch.testing.assert_close(each.vector, vector, rtol=1e-4, atol=1e-5)
        each.check_fits(model)
        assert each.hook_name == at
        assert each.scale == found[0].scale > 0
    shared = 2 + prepend_bos
    assert all(not each.vector.any() for each in found[:shared])
    assert all(each.norm > 0 for each in found[shared:])
    assert found[shared].provenance.read == f"TokenAt(index={shared}) of {len(found)}"
    assert "'the film was great and bright' − 'the film awful'" in found[0].provenance.method


@pytest.mark.parametrize("at", SITES)
def test_added_at_the_front_it_is_a_hook_by_hand(model: Any, at: str) -> None:
    found = activation_addition(model, *PAIR, at=at, prepend_bos=False)
    steering = ts.Steering(*add_at_front(found, 2.0))
    added = 2.0 * by_hand(model, at, False)

    def hook_by_hand(acts: torch.Tensor, hook: Any) -> torch.Tensor:
        after = acts.clone()
        after[:, : len(added)] += added
        return after

    with torch.no_grad():
        for text in TEXTS:
            tokens = torch.tensor(rows_of(model, [text]))
            with ts.steer(model, steering):
                ours = model(tokens)
            theirs = model.run_with_hooks(tokens, fwd_hooks=[(at, hook_by_hand)])
            torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)
            assert (ours - model(tokens)).abs().max() > 0.01


def test_only_the_front_of_a_prompt_is_touched(model: Any) -> None:
    additions = add_at_front(activation_addition(model, *PAIR, at=SITES[0], prepend_bos=True))
    assert [each.scope for each in additions] == [ts.Positions(p, p + 1) for p in (3, 4, 5, 6)]
    kept: list[torch.Tensor] = []

    def keep(acts: torch.Tensor, hook: Any) -> None:
        kept.append(acts.detach().clone())

    row = torch.tensor(rows_of(model, [TEXTS[0]]))
    with torch.no_grad(), model.hooks(fwd_hooks=[(SITES[0], keep)]):
        model(row)
    with torch.no_grad(), ts.steer(model, *additions), model.hooks(fwd_hooks=[(SITES[0], keep)]):
        model(row)
    changed = (kept[1] - kept[0]).norm(dim=-1)[0] > 1e-4
    assert changed.nonzero().flatten().tolist() == [3, 4, 5, 6]


def test_neither_padding_nor_the_cache_matter(model: Any) -> None:
    steering = ts.Steering(
        *add_at_front(activation_addition(model, *PAIR, at=SITES[0], prepend_bos=False), 3.0)
    )
    short = "it was"
    with ts.steer(model, steering):
        together = logits_of(model, (TEXTS[0], short))
        alone = logits_of(model, (short,))
        steps = [
            generated_by_model(model, short, prepend_bos=False, use_past_kv_cache=cache)
            for cache in (True, False)
        ]
    torch.testing.assert_close(together[1, -2:], alone[0], rtol=1e-3, atol=1e-3)
    # A prompt shorter than the pair: tokens that are written at its positions are steered too.
    assert steps[0] == steps[1]


def test_a_space_fills_up_where_it_is_a_token() -> None:
    model = own_model("bridge")
    model.tokenizer = tokenizer()
    space = model.tokenizer.convert_tokens_to_ids("so")
    own = type(model.tokenizer).__call__

    class Spaced(type(model.tokenizer)):
        def __call__(self, text: Any, **options: Any) -> Any:
            return {"input_ids": [space]} if text == " " else own(self, text, **options)

    model.tokenizer.__class__ = Spaced
    filled = activation_addition(model, "the film", "awful", at=SITES[0], prepend_bos=False)
    written = activation_addition(model, "the film", "awful so", at=SITES[0], prepend_bos=False)
    padded = activation_addition(model, "the film", "awful <pad>", at=SITES[0], prepend_bos=False)
    torch.testing.assert_close(filled[1].vector, written[1].vector)
    assert not torch.allclose(filled[1].vector, padded[1].vector)


def test_what_makes_no_pair_is_refused(model: Any) -> None:
    with pytest.raises(DataError, match="'the film' and 'the film' are the same tokens"):
        activation_addition(model, "the film", "the film", at=SITES[0])
    with pytest.raises(DataError, match="are the same tokens"):
        activation_addition(model, "the film", "the film <pad>", at=SITES[0])
    with pytest.raises(HookNameError, match="expected one hook point"):
        activation_addition(model, *PAIR, at="blocks.*.hook_resid_pre")
    with pytest.raises(HookNameError, match="this model has blocks"):
        activation_addition(model, *PAIR)
