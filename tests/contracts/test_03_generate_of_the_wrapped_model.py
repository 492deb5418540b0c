"""Contract 3 in the wrapped model's own ``generate``: beams, pieces, caches used again."""

from typing import Any

import pytest
import torch
from making import TEXTS, batch_of, direction, own_model, rows_of, shared_model
from moving import REMEMBERS, WHOLE_PROMPT, steerings
from scopes_of import COMMON
from torch import Tensor

import tl_steer as ts
from tl_steer.errors import MismatchError, SteerError
from tl_steer.lens.cache_names import cache_name, cache_returned

SITE = "blocks.1.hook_resid_post"


def generated(model: Any, texts: Any = TEXTS, steps: int = 4, **settings: Any) -> Tensor:
    """The wrapped model's own ``generate``; only the new tokens."""
    batch = batch_of(model, texts)
    found: Tensor = model.original_model.generate(
        input_ids=batch.tokens,
        attention_mask=batch.real.long(),
        max_new_tokens=steps,
        min_new_tokens=steps,
        eos_token_id=None,
        pad_token_id=0,
        **({"do_sample": False} | settings),
    )
    return found[:, batch.tokens.shape[1] :]


def test_beam_search() -> None:
    """With a cache and without, as where it is said how long the prompts are."""
    model, texts = shared_model("bridge", "gpt2"), TEXTS[1:]
    beams: dict[str, Any] = {"num_beams": 3, "num_return_sequences": 2}
    unsteered = generated(model, texts, **beams)
    batch = batch_of(model, texts)
    plain = model.original_model.generate(
        input_ids=batch.tokens,
        attention_mask=batch.real.long(),
        max_new_tokens=4,
        return_dict_in_generate=True,
        output_logits=True,
        eos_token_id=None,
        pad_token_id=0,
        **beams,
    )
    assert (plain.beam_indices[:, :-1] != plain.beam_indices[:, 1:]).any(), "beams change places"
    lengths = [len(row) for row in rows_of(model, texts) for _ in range(3)]
    unmoved = []
    for name, steering in steerings(model):
        with ts.steer(model, steering, prompt_lengths=lengths):
            expected = generated(model, texts, use_cache=False, **beams)
        with ts.steer(model, steering):
            assert torch.equal(generated(model, texts, **beams), expected), name
            without = generated(model, texts, use_cache=False, **beams)
            assert torch.equal(without, expected), name
        if torch.equal(expected, unsteered):
            unmoved.append(name)
    assert len(unmoved) < 8, unmoved


def test_other_ways_to_generate() -> None:
    """Prompts are read in pieces: the longest has eight tokens, and of the last piece one or two
    are left. Candidates come with the prompt, and are cut off again. Keys stand in one tensor."""
    model = shared_model("bridge", "gpt2")
    ways: list[dict[str, Any]] = [
        {"prefill_chunk_size": 7},
        {"prefill_chunk_size": 3},
        {"prompt_lookup_num_tokens": 2},
        {"cache_implementation": "static"},
    ]
    refused = []
    for name, steering in steerings(model):
        together: list[list[int]] = []
        for way in ways:
            alone = not any(key.startswith("prefill") for key in way)
            with ts.steer(model, steering):
                if not together:
                    together = generated(model).tolist()
                try:
                    found = generated(model, TEXTS[2:] if alone else TEXTS, **way).tolist()
                except SteerError:
                    refused.append((name, *way))
                    continue
            assert found == (together[2:] if alone else together), (name, way)
    for name, way in refused:
        expected = {
            "prefill_chunk_size": WHOLE_PROMPT,
            "prompt_lookup_num_tokens": REMEMBERS,
            "cache_implementation": {"attends"},
        }
        assert name in expected[way]
    pieces = [name for name, way in refused if way == "prefill_chunk_size"]
    assert sorted(pieces) == sorted([*WHOLE_PROMPT] * 2)
    assert sum(way == "prompt_lookup_num_tokens" for _, way in refused) < len(REMEMBERS)


def test_pieces_without_a_mask() -> None:
    """Hugging Face finds the padding itself, where it is no end-of-text token."""
    model = shared_model("bridge", "gpt2")
    batch = batch_of(model)
    call = {"input_ids": batch.tokens, "max_new_tokens": 2, "do_sample": False}
    call |= {"pad_token_id": 0, "eos_token_id": 39, "prefill_chunk_size": 3}
    with ts.steer(model, ts.Add(direction(model, SITE), scope=ts.generated)):
        with pytest.raises(SteerError, match="called without attention_mask="):
            model.original_model.generate(**call)
        model.original_model.generate(**call | {"input_ids": batch.tokens[2:]})


@pytest.mark.parametrize("lengths", [None, [5, 2, 8]])
def test_a_static_cache_does_not_show_padding(lengths: Any) -> None:
    model = shared_model("bridge", "gpt2")
    add = ts.Add(direction(model, SITE), scope=ts.last_prompt_token)
    with (
        ts.steer(model, add, prompt_lengths=lengths),
        pytest.raises(MismatchError, match="does not say what is padding"),
    ):
        generated(model, cache_implementation="static")
    with ts.steer(model, ts.Add(direction(model, SITE))):
        generated(model, cache_implementation="static")


def test_a_prompt_whose_beginning_is_cached() -> None:
    model = shared_model("bridge", "gpt2")
    wrapped = model.original_model
    (row,) = (torch.tensor([row]) for row in rows_of(model, TEXTS[2:]))
    call: dict[str, Any] = {"max_new_tokens": 4, "do_sample": False, "eos_token_id": None}

    def went_on(steering: ts.Steering) -> Tensor:
        with ts.steer(model, steering), torch.no_grad():
            cache = cache_returned(wrapped(row[:, :3], use_cache=True))
            found: Tensor = wrapped.generate(row, **{str(cache_name(wrapped)): cache}, **call)
        return found

    for scope in (
        ts.prompt,
        ts.generated,
        ts.scopes.NthGenerated(0, 2),
        slice(2, 9),
        ts.everywhere,
    ):
        steering = ts.Steering(ts.Add(direction(model, SITE), 3.0, scope=scope))
        with ts.steer(model, steering):
            expected = wrapped.generate(row, **call)
        assert torch.equal(went_on(steering), expected)
    for scope in (ts.last_prompt_token, ts.Positions(-3), COMMON):
        with pytest.raises(SteerError, match="read before as if it were all of it"):
            went_on(ts.Steering(ts.Add(direction(model, SITE), 3.0, scope=scope)))


def test_a_second_turn_over_the_same_cache() -> None:
    """What was written in the first is called prompt in the second."""
    model = shared_model("bridge", "gpt2")
    wrapped = model.original_model
    (row,) = (torch.tensor([row]) for row in rows_of(model, TEXTS[2:]))
    call: dict[str, Any] = {"max_new_tokens": 4, "do_sample": False, "eos_token_id": None}

    def two_turns(scope: Any) -> None:
        with ts.steer(model, ts.Add(direction(model, SITE), scope=scope)):
            first = wrapped.generate(row, return_dict_in_generate=True, **call)
            again = torch.cat([first.sequences, row], dim=1)
            cache = cache_returned(first)
            wrapped.generate(again, **{str(cache_name(wrapped)): cache}, **call)

    for scope in (ts.everywhere, slice(2, 9)):
        two_turns(scope)
    for scope in (ts.generated, ts.last_prompt_token):
        with pytest.raises(SteerError, match="are now called part of the prompt"):
            two_turns(scope)


def test_nothing_is_left_of_hearing_generate() -> None:
    model = own_model("bridge", "gpt2")
    wrapped = model.original_model
    before = wrapped.generate
    blocks = [ts.steer(model, ts.Add(direction(model, SITE), scope=ts.prompt)) for _ in range(2)]
    for block in blocks:
        block.start()
    assert "generate" in vars(wrapped)
    assert wrapped.generate.__doc__ == before.__doc__
    for block in blocks:
        block.remove()
    assert "generate" not in vars(wrapped)
    assert wrapped.generate == before


def test_a_generate_of_ones_own_stays() -> None:
    model = own_model("bridge", "gpt2")
    wrapped = model.original_model
    wrapped.generate = mine = lambda *args, **settings: torch.zeros(1, 1)
    with ts.steer(model, ts.Add(direction(model, SITE), scope=ts.prompt)):
        assert wrapped.generate is mine
    assert wrapped.generate is mine
