"""Equal KL, against KL computed by hand from the model's own logits, one text at a time."""

from typing import Any

import pytest
import torch
from kinds import one_architecture
from making import TEXTS, direction, hooks_of, own_model

import tl_steer as ts
from tl_steer.dosing._equal_kl import NextTokenKL, dose_at_kl, mean_kl, strengths_at_kl
from tl_steer.errors import MismatchError
from tl_steer.lens.tokens import tokenize

SITE = "blocks.1.hook_resid_post"


@pytest.fixture(scope="module")
def small() -> Any:
    return own_model("bridge")


def added(one: ts.Direction) -> Any:
    return lambda dose: ts.Steering(ts.Add(one, one.strength_for(dose=dose)))


@torch.no_grad()
def kl_by_hand(model: Any, prompt: str, steering: ts.Steering, read: str | None = None) -> float:
    """One text alone, by torch's own function; ``read`` is read in place of the prompt."""
    row, other = tokenize(model, [prompt, read or prompt])
    plain = model(torch.tensor([row]))[0, -1].double().log_softmax(-1)
    with ts.steer(model, steering, prompt_lengths=[len(other)]):
        steered = model(torch.tensor([other]))[0, -1].double().log_softmax(-1)
    return float(torch.nn.functional.kl_div(plain, steered, reduction="sum", log_target=True))


def test_it_is_the_mean_over_the_prompts_alone(model: Any) -> None:
    steering = ts.Steering(ts.Add(direction(model, SITE), 0.5))
    found = NextTokenKL.on(model, TEXTS).of_rows(steering)
    expected = [kl_by_hand(model, text, steering) for text in TEXTS]
    assert found.tolist() == pytest.approx(expected, rel=1e-3, abs=1e-6)
    assert mean_kl(model, TEXTS, steering) == float(found.mean())
    assert mean_kl(model, TEXTS, ts.Steering()) == 0


def test_rows_have_directions_strengths_and_texts_of_their_own(model: Any) -> None:
    measure = NextTokenKL.on(model, TEXTS)
    several = [direction(model, SITE, seed) for seed in range(3)]
    strengths = [0.3, -0.6, 1.2]
    found = measure.of_directions(several, strengths, scope=ts.last_prompt_token)
    for one, strength, kl in zip(several, strengths, found.tolist(), strict=True):
        steering = ts.Steering(ts.Add(one, strength, scope=ts.last_prompt_token))
        assert kl == pytest.approx(mean_kl(model, TEXTS, steering), rel=1e-3)
    longer = [f"it is so good and {text}" for text in TEXTS]
    read = measure.of_rows(ts.Steering(), tokenize(model, longer))
    expected = [
        kl_by_hand(model, text, ts.Steering(), more)
        for text, more in zip(TEXTS, longer, strict=True)
    ]
    assert read.tolist() == pytest.approx(expected, rel=1e-3)
    assert min(expected) > 0


@pytest.mark.parametrize("limit", [0.01, 0.2])
def test_what_is_found_is_just_within_the_limit(small: Any, limit: float) -> None:
    made = added(direction(small, SITE))
    dose, kl = dose_at_kl(small, TEXTS, made, limit)
    assert 0.98 * limit <= kl <= limit
    assert mean_kl(small, TEXTS, made(dose)) == kl


@one_architecture
@pytest.mark.parametrize("limit", [0.01, 0.2])
def test_all_at_once_is_each_alone(model: Any, limit: float) -> None:
    several = [direction(model, SITE, seed) * (1 + seed) for seed in range(4)]
    before = hooks_of(model)
    strengths, reached = strengths_at_kl(NextTokenKL.on(model, TEXTS), several, limit)
    assert hooks_of(model) == before
    assert len(set(strengths.tolist())) == 4
    for one, strength, kl in zip(several, strengths.tolist(), reached.tolist(), strict=True):
        assert 0.98 * limit <= kl <= limit
        assert mean_kl(model, TEXTS, ts.Steering(ts.Add(one, strength))) == pytest.approx(
            kl, rel=1e-3
        )
        dose, _ = dose_at_kl(model, TEXTS, added(one), limit)
        assert one.dose(strength) == pytest.approx(dose, rel=1e-2)


def test_what_cannot_be_reached_is_said_to_be_low(small: Any) -> None:
    one = direction(small, SITE)
    strengths, reached = strengths_at_kl(NextTokenKL.on(small, TEXTS), [one, one], 1e6)
    assert bool(strengths.isfinite().all())
    assert bool((reached < 1e3).all())
    measure = NextTokenKL.on(small, TEXTS)
    _, nothing = strengths_at_kl(measure, [one], 0.1, scope=ts.generated)
    assert nothing.tolist() == [0.0]


def test_other_numbers_of_rows_are_refused(small: Any) -> None:
    measure, one = NextTokenKL.on(small, TEXTS), direction(small, SITE)
    with pytest.raises(MismatchError, match="settings for 4 rows and 3 rows, and 3 prompts"):
        measure.of_rows(ts.Steering(ts.Add(one, [1.0] * 4)))
    with pytest.raises(MismatchError, match="2 rows, and 3 prompts"):
        measure.of_rows(ts.Steering(ts.Add(one, 1.0)), measure.prompts[:2])
