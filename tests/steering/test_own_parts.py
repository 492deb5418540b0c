"""What users write themselves is right, or refused with what it should have been."""

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from making import direction, generated_by_model, generated_by_us, own_model, shared_model
from models import KINDS
from torch import Tensor

import tl_steer as ts
from tl_steer.errors import DataError, NonFiniteError, SteerError
from tl_steer.interventions import KeepNorm

AT = "blocks.1.hook_resid_post"
PROMPT = "the film was a good movie"
on_every_class = pytest.mark.parametrize("kind", KINDS)


def seen(context: Any) -> Any:
    """Tokens from the first even token id on."""
    return ((context.tokens % 2 == 0).cumsum(1) > 0) & context.real


def first_of_its_kind(context: Any) -> Any:
    """Tokens that did not stand in the text before."""
    ids = context.tokens
    earlier = (ids[:, :, None] == ids[:, None, :]).tril(-1).any(-1)
    return context.real & ~earlier


def long_words(context: Any) -> Any:
    """By what the text says, token by token."""
    mask = torch.zeros_like(context.real)
    for row, text in enumerate(context.texts):
        starts = [0, *text.ends[:-1]]
        for column, (start, end) in enumerate(zip(starts, text.ends, strict=True)):
            mask[row, column] = end - start > 3
    return mask & context.real


@on_every_class
@pytest.mark.parametrize("scope", [seen, first_of_its_kind, long_words])
def test_a_scope_may_look_back_with_a_cache_and_without(kind: str, scope: Any) -> None:
    model = shared_model(kind, "llama")
    acting = ts.Steering(ts.Add(direction(model, AT), 4.0, scope=scope))
    with ts.steer(model, acting):
        whole = generated_by_model(model, steps=6, use_past_kv_cache=False)
        assert generated_by_model(model, steps=6) == whole
    assert generated_by_us(model, steering=acting, steps=6) == whole


def looks_ahead(context: Any) -> Any:
    """Tokens before an even token id."""
    return context.tokens.roll(-1, dims=1) % 2 == 0


def all_or_none(context: Any) -> Any:
    return (context.positions >= 7).any(1, keepdim=True).expand(context.shape)


@pytest.mark.parametrize("scope", [looks_ahead, all_or_none])
def test_a_scope_that_looks_ahead_is_found_out(scope: Any) -> None:
    model = shared_model("bridge", "llama")
    acting = ts.Add(direction(model, AT), 4.0, scope=scope)
    with pytest.raises(SteerError, match="said otherwise before the text went on"):
        ts.generate(model, PROMPT, acting, max_new_tokens=6, temperature=0, stop_at_eos=False)


def test_a_mask_of_this_pass_only_is_refused() -> None:
    model = shared_model("bridge", "llama")

    def one_column(context: Any) -> Any:
        return context.real[:, -1:]

    acting = ts.Add(direction(model, AT), 4.0, scope=one_column)
    with pytest.raises(SteerError, match="mask of shape"):
        ts.generate(model, [[3]], acting, max_new_tokens=3)


@dataclass(frozen=True, eq=False)
class Own:
    """An intervention as a user writes it."""

    change: Any
    strength: Any = 1.0
    scope: Any = ts.everywhere
    hook_name: Any = AT

    def edit(self) -> Any:
        return self.change


def even(context: Any) -> Any:
    return context.positions % 2 == 0


def texts_of(model: Any, acting: Any) -> list[str]:
    found = ts.generate(model, PROMPT, acting, max_new_tokens=4, temperature=0, progress=False)
    return found.texts


def in_place(acts: Tensor, strength: Tensor, context: Any) -> Tensor:
    return acts.add_(3 * strength[..., None].to(acts))


def pure(acts: Tensor, strength: Tensor, context: Any) -> Tensor:
    return acts + 3 * strength[..., None].to(acts)


@pytest.mark.parametrize("strength", [1.0, [2.0], lambda acts, context: torch.ones(acts.shape[:2])])
@pytest.mark.parametrize("around", [lambda each: each, KeepNorm])
def test_writing_in_place_stays_within_the_scope(strength: Any, around: Any) -> None:
    model = shared_model("bridge", "llama")
    wrote, made = around(Own(in_place, strength, even)), around(Own(pure, strength, even))
    with ts.steer(model, wrote):
        found = model(PROMPT)
    with ts.steer(model, made):
        assert torch.equal(model(PROMPT), found)


def test_a_strength_that_writes_in_place_changes_nothing_by_it() -> None:
    model = shared_model("bridge", "llama")

    def writes(acts: Tensor, context: Any) -> Tensor:
        return acts.mul_(0).sum(-1) + 1

    def reads(acts: Tensor, context: Any) -> Tensor:
        return torch.ones(acts.shape[:2])

    joy = direction(model, AT)
    assert texts_of(model, ts.Add(joy, writes)) == texts_of(model, ts.Add(joy, reads))


def test_the_strength_of_each_token_arrives() -> None:
    model = shared_model("bridge", "llama")
    shapes: list[Any] = []

    def change(acts: Tensor, strength: Tensor, context: Any) -> Tensor:
        shapes.append((strength.shape, acts.shape[:2]))
        return acts

    for strength in (1.0, [2.0], lambda acts, context: torch.ones(acts.shape[:2])):
        texts_of(model, Own(change, strength))
    assert shapes
    assert all(found == wanted for found, wanted in shapes)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda acts, strength, context: None, "NoneType. Return torch.float32 of shape"),
        (lambda acts, strength, context: 0.0, "float. Return"),
        (lambda acts, strength, context: acts.sum(-1, keepdim=True), r"shape \(1, \d+, 1\)"),
        (lambda acts, strength, context: acts[0, 0], "Return torch.float32"),
        (lambda acts, strength, context: acts.double(), "torch.float64"),
        (lambda acts, strength, context: acts.numpy(), "ndarray"),
    ],
)
def test_what_a_map_returns_is_looked_at(change: Any, said: str) -> None:
    model = shared_model("bridge", "llama")
    for acting in (Own(change), KeepNorm(Own(change))):
        with pytest.raises(
            SteerError, match=f"edit.. of Own made a function that returned.*{said}"
        ):
            texts_of(model, acting)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (None, "returned NoneType, not a function"),
        (torch.ones(3), "returned torch.float32 of shape"),
        (lambda acts, strength: acts, "takes .acts, strength.. Return a function of"),
    ],
)
def test_what_edit_returns_is_looked_at(change: Any, said: str) -> None:
    model = own_model("bridge")
    model.forward = lambda *args, **kwargs: pytest.fail("the model ran")
    with pytest.raises(SteerError, match=said), ts.steer(model, Own(change)):
        pass


@pytest.mark.parametrize(
    ("own", "said"),
    [
        (Own(pure, hook_name=15), "hook_name of Own is 15; expected a text"),
        (Own(pure, strength="2"), "expected a strength, got '2'"),
        (Own(pure, strength=None), "expected a strength, got None"),
        (Own(pure, scope=3), "Expected a scope, got 3"),
    ],
)
def test_what_its_fields_hold_is_looked_at(own: Any, said: str) -> None:
    with pytest.raises(SteerError, match=said):
        ts.Steering(own)


def test_what_lacks_something_is_told_what() -> None:
    class Half:
        hook_name = AT
        strength = 1.0

    with pytest.raises(SteerError, match="Half lacks scope and edit"):
        ts.Steering(Half())  # type: ignore[arg-type]
    with pytest.raises(SteerError, match="with a star"):
        ts.Steering([Own(pure)])  # type: ignore[arg-type]


@on_every_class
def test_a_strength_that_is_not_finite_is_refused_everywhere(kind: str) -> None:
    model = shared_model(kind, "llama")

    def hyperbola(acts: Tensor, context: Any) -> Tensor:
        return 1 / context.generated_index.float()

    acting = ts.Add(direction(model, AT), hyperbola)
    with pytest.raises(NonFiniteError, match="is inf at position"):
        texts_of(model, acting)
    undefined = ts.Add(direction(model, AT), lambda acts, context: acts.sum(-1) * float("nan"))
    with (
        pytest.raises(NonFiniteError, match="is nan at position 0 of row 0"),
        ts.steer(model, undefined),
    ):
        model(PROMPT)


def test_classes_of_moments_are_refused() -> None:
    model = shared_model("bridge", "llama")
    texts = ts.ContrastSet(positive=["a good film"], negative=["a bad film"])
    acts = ts.capture(model, texts, at=1, moments_only=True, progress=False)
    with pytest.raises(DataError, match="only moments were kept"):
        acts.classes(1)
