"""A user's own function as an intervention."""

from typing import Any

import pytest
import torch
from making import (
    as_users_run_it,
    generated_by_model,
    generated_by_us,
    hooks_of,
    logits_of,
    own_model,
    shared_model,
)
from models import KINDS
from torch import Tensor

import tl_steer as ts
from tl_steer.errors import HookNameError, NonFiniteError, SteerError
from tl_steer.interventions._custom import Custom

AT, Z = "blocks.1.hook_resid_post", "blocks.2.attn.hook_z"
SCORES, PATTERN = "blocks.1.attn.hook_attn_scores", "blocks.1.attn.hook_pattern"

on_every_class = pytest.mark.parametrize("kind", KINDS)


def doubled(acts: Tensor, context: Any) -> Tensor:
    return 2 * acts


@on_every_class
@pytest.mark.parametrize("name", [AT, Z, SCORES, PATTERN])
def test_it_is_what_a_plain_hook_does(kind: str, name: str) -> None:
    model, texts = shared_model(kind, "llama"), ("the film was", "a good movie")
    with model.hooks(fwd_hooks=[(name, lambda acts, hook: 2 * acts)]):
        expected = logits_of(model, texts)
    with ts.steer(model, Custom(doubled, name)):
        assert torch.equal(logits_of(model, texts), expected)
    with ts.steer(model, Custom(doubled, name, 0.5)):
        found = logits_of(model, ["a movie"])
    with model.hooks(fwd_hooks=[(name, lambda acts, hook: 1.5 * acts)]):
        torch.testing.assert_close(found, logits_of(model, ["a movie"]))


def test_strength_goes_straight_from_nothing_to_the_function() -> None:
    acts = torch.randn(2, 3, 32)
    edit = Custom(lambda acts, context: acts.sin(), AT).edit()
    for share in (0.25, 1.0, -0.5):
        found = edit(acts, torch.tensor([[share]]), None)
        torch.testing.assert_close(found, acts + share * (acts.sin() - acts))
    assert torch.equal(edit(acts, torch.ones(1, 1), None), acts.sin())


@on_every_class
def test_it_knows_which_tokens_it_sees_and_cache_and_batch_do_not_matter(kind: str) -> None:
    model = shared_model(kind, "llama")

    def only_third(acts: Tensor, context: Any) -> Tensor:
        return torch.where((context.positions >= 3)[..., None, None], acts.flip(-1), acts)

    steering = ts.Steering(Custom(only_third, Z), Custom(masked, SCORES))
    texts = ("the film was very good", "a movie")
    together = generated_by_us(model, texts, steering)
    with ts.steer(model, steering):
        for text, expected in zip(texts, together, strict=True):
            for cache in (True, False):
                settings = {"prepend_bos": False, "use_past_kv_cache": cache}
                assert generated_by_model(model, text, **settings) == [expected]


def masked(acts: Tensor, context: Any) -> Tensor:
    """Attention scores ``batch query head key``: no token looks at the first one, but the first."""
    first = (context.whole_positions == 0)[:, None, None] & (context.positions > 0)[..., None, None]
    # Not −∞: padding is before it, and a query that looks at nothing has no softmax.
    return acts.masked_fill(first, -1e4)


@on_every_class
def test_attention_scores_can_be_changed_by_any_share(kind: str) -> None:
    model = shared_model(kind, "llama")
    unsteered = logits_of(model)
    real = torch.tensor([[0] * 3 + [1] * 5, [0] * 6 + [1] * 2, [1] * 8]).bool()
    for strength in (0.5, 1.0, 2.0):
        with ts.steer(model, Custom(masked, SCORES, strength, debug=True)):
            steered = logits_of(model)
        assert steered[real].isfinite().all()
        assert not torch.allclose(steered[real], unsteered[real])


def test_what_it_leaves_alone_stays_also_where_it_is_infinite() -> None:
    acts = torch.randn(2, 3, 4, 5)
    acts[:, :, :, 3:] = -torch.inf

    def sharper(scores: Tensor, context: Any) -> Tensor:
        return 2 * scores

    for share in (0.5, 1.0, 3.0):
        found = Custom(sharper, SCORES, debug=True).edit()(acts, torch.tensor([[share]]), None)
        assert torch.equal(found[..., 3:], acts[..., 3:])
        torch.testing.assert_close(found[..., :3], (1 + share) * acts[..., :3])


def test_writing_into_what_it_is_given_touches_nothing_else() -> None:
    model = shared_model("bridge", "llama")
    unsteered = logits_of(model)

    def erased(acts: Tensor, context: Any) -> Tensor:
        return acts.zero_()

    with ts.steer(model, Custom(erased, AT, [1.0, 0.0, 1.0])):
        assert torch.equal(logits_of(model)[1], unsteered[1])


WRONG: dict[str, tuple[Any, str]] = {
    "nothing": (lambda acts, context: None, "returned NoneType"),
    "a list": (lambda acts, context: acts.tolist(), "returned list"),
    "a shape": (lambda acts, context: acts[..., :1], r"shape \(1, 2, 1\)"),
    "a dtype": (lambda acts, context: acts.double(), r"torch\.float64 of shape"),
    "truths": (lambda acts, context: acts > 0, r"torch\.bool of shape"),
}


@pytest.mark.parametrize("what", WRONG)
@on_every_class
def test_a_result_that_does_not_fit_is_told_with_its_place(what: str, kind: str) -> None:
    model = own_model(kind)
    before = hooks_of(model)
    function, says = WRONG[what]
    with (
        ts.steer(model, Custom(function, AT)),
        pytest.raises(SteerError, match=says) as refused,
    ):
        model("a movie", prepend_bos=False)
    for part in (AT, "Return torch.float32 of shape (1, 2, 32) on cpu, like its input"):
        assert part in str(refused.value)
    assert hooks_of(model) == before


def test_debug_mode_finds_what_is_not_finite() -> None:
    model = shared_model("bridge", "llama")

    def broken(acts: Tensor, context: Any) -> Tensor:
        return torch.where(context.positions[..., None] == 1, torch.nan, acts)

    with ts.steer(model, Custom(broken, AT)):
        assert logits_of(model, ["a movie"]).isnan().any()
    with (
        ts.steer(model, Custom(broken, AT, debug=True)),
        pytest.raises(NonFiniteError, match=f"{AT}.*32 of the 64 numbers"),
    ):
        logits_of(model, ["a movie"])


def test_what_is_no_function_or_no_hook_point() -> None:
    model = shared_model("bridge", "llama")
    with (
        as_users_run_it(),
        pytest.raises(SteerError, match=r"expected a function of 2 arguments, got 2.0"),
    ):
        Custom(2.0, AT)  # type: ignore[arg-type]
    for name in ("blocks.9.hook_resid_post", "blocks.*.attn.hook_pattern", "nowhere"):
        with pytest.raises(HookNameError):
            ts.steer(model, Custom(doubled, name))
