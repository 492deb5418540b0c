"""Padding that no mask tells of: refused where it matters, and only where it looks like it."""

from typing import Any

import pytest
import torch
from kinds import one_architecture
from making import TEXTS, batch_of, direction, own_model
from models import KINDS, tokenizer
from scopes_of import SCOPES
from strengths_of import STRENGTHS

import tl_steer as ts
from tl_steer.errors import MismatchError
from tl_steer.lens.padding import Padding

AT = "blocks.1.hook_resid_post"

NEED_NO_POSITIONS = {"everywhere", "condition", "similar"}

STRENGTHS_OF_ACTS = {"Dose", "HoldProjection", "WithinDistribution"}


def left(*rows: list[int]) -> Padding:
    return Padding(torch.tensor(rows), len(rows), tokenizer())


@pytest.mark.parametrize(
    ("rows", "padded"),
    [
        ([[5, 6, 7], [8, 9, 5]], False),
        ([[0, 6, 7], [8, 9, 5]], True),
        ([[0, 6, 7], [0, 9, 5]], False),  # a first token that looks like padding
        ([[0, 0, 7], [0, 9, 5]], True),  # and one that is, behind it
        ([[0, 0, 7], [0, 0, 5]], True),
        ([[0, 6, 7]], False),
        ([[0, 0, 7]], True),
        ([[6, 0, 7], [5, 0, 0]], False),
        ([[0], [5]], False),
        ([[0]], False),
    ],
)
def test_what_looks_padded_on_the_left(rows: list[list[int]], padded: bool) -> None:
    assert bool(left(*rows).left) is padded


@pytest.mark.parametrize(
    ("rows", "side", "padded"),
    [
        ([[5, 6, 7], [8, 9, 0]], "left", True),
        ([[5, 6, 0], [8, 9, 0]], "left", False),  # every text ends with an end-of-text token
        ([[5, 6, 0], [8, 9, 0]], "right", True),
        ([[5, 6, 7], [8, 9, 5]], "right", False),
        ([[5, 6, 0]], "right", False),
    ],
)
def test_what_looks_padded_on_the_right(rows: list[list[int]], side: str, padded: bool) -> None:
    tells = tokenizer()
    tells.padding_side = side
    assert bool(Padding(torch.tensor(rows), len(rows), tells).right) is padded
    none = torch.zeros(len(rows), dtype=torch.bool)
    assert not Padding(torch.tensor(rows), len(rows), tells, fresh=none).right


@one_architecture
@torch.no_grad()
def test_left_padded_ids_without_a_mask(model: Any) -> None:
    """TransformerLens 3 finds their mask itself; a bridge counts the padding as text."""
    batch = batch_of(model)
    made = {name: (make(model), 1.0) for name, make in SCOPES.items()}
    made |= {name: (ts.everywhere, make(model)) for name, make in STRENGTHS.items()}
    for name, (scope, strength) in made.items():
        add = ts.Add(direction(model, AT), strength, scope=scope)
        with ts.steer(model, add):
            plain = name in NEED_NO_POSITIONS | STRENGTHS_OF_ACTS
            if hasattr(model, "original_model") and not plain:
                with pytest.raises(MismatchError, match="padded on the left") as refused:
                    model(batch.tokens)
                assert "attention_mask=" in str(refused.value)
            else:
                model(batch.tokens)
            model(batch.tokens, attention_mask=batch.real.long())
            model(batch.tokens[2:])


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_a_pass_that_lacks_the_mask_of_the_one_before(kind: Any) -> None:
    model = own_model(kind)
    if kind == "hooked":
        pytest.skip("HookedTransformer keeps the mask in its cache")
    batch, step = batch_of(model), torch.full((3, 1), 5)
    call: dict[str, Any] = {"use_cache": True, "return_type": "logits_and_cache"}
    with ts.steer(model, ts.Add(direction(model, AT), scope=slice(9, 12))):
        _, cache = model(batch.tokens, attention_mask=batch.real.long(), **call)
        with pytest.raises(MismatchError, match="without the attention mask of the passes before"):
            model(step, past_key_values=cache, **call)
        _, cache = model(batch.tokens[2:], attention_mask=batch.real[2:].long(), **call)
        model(step[2:], past_key_values=cache, **call)


@one_architecture
def test_rows_that_ended_are_not_taken_for_padded(model: Any) -> None:
    """Without a cache, the model's own ``generate`` gives ids that end with end-of-text tokens."""
    add = ts.Add(direction(model, AT), 30.0, scope=ts.generated)
    tokens = batch_of(model, TEXTS[:1]).tokens
    rows = torch.cat([tokens, tokens.flip(1)])
    ended = torch.tensor([[5], [0]])
    with ts.steer(model, add), torch.no_grad():
        first = model(rows)
        second = model(torch.cat([rows, ended], dim=1))
        third = model(torch.cat([rows, ended, ended], dim=1))
    with ts.steer(model, add, prompt_lengths=[5, 5]), torch.no_grad():
        assert torch.equal(model(rows), first)
        assert torch.equal(model(torch.cat([rows, ended], dim=1)), second)
        assert torch.equal(model(torch.cat([rows, ended, ended], dim=1)), third)
