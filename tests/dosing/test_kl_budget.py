"""The KL budget, against KL computed by hand from the model's own logits."""

import math
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from kinds import one_architecture
from making import as_users_run_it, direction, hooks_of, rows_of
from torch import Tensor

import tl_steer as ts
from tl_steer.dosing._kl_budget import strength_within_kl
from tl_steer.errors import DataError, MismatchError, NonFiniteError, SteerError

SITE = "blocks.1.hook_resid_post"
PROMPTS = ("the film was very good", "a movie", "i loved it so much and the plot")


def found(model: Any, what: Any, limit: float, **changes: Any) -> Any:
    return strength_within_kl(model, PROMPTS, what, limit, progress=False, **changes)


@torch.no_grad()
def kl_by_hand(model: Any, prompt: str, steering: Any, after: str = "") -> float:
    """One text alone, by torch's own function."""
    (row,) = rows_of(model, [prompt], prepend_bos=True)
    text = row + (rows_of(model, [after])[0] if after else ())
    tokens = torch.tensor([text])
    at = list(range(len(row) - 1, max(len(row), len(text) - 1)))
    plain = model(tokens)[0, at].double().log_softmax(-1)
    with ts.steer(model, steering, prompt_lengths=[len(row)]):
        steered = model(tokens)[0, at].double().log_softmax(-1)
    return float(
        torch.nn.functional.kl_div(plain, steered, reduction="none", log_target=True).sum()
        / len(at)
    )


@pytest.mark.parametrize("limit", [0.02, 0.3])
def test_what_is_found_is_within_the_limit_and_a_little_more_is_not(
    model: Any, limit: float
) -> None:
    along = direction(model, SITE)
    answer = found(model, along, limit, prepend_bos=True, at_most=6.0, tolerance=0.01)
    assert answer.strengths.unique().numel() == len(PROMPTS)
    for row, prompt in enumerate(PROMPTS):
        strength, over = float(answer.strengths[row]), float(answer.over[row])
        kl = kl_by_hand(model, prompt, ts.Add(along, strength))
        assert kl == pytest.approx(float(answer.kl[row]), abs=1e-4)
        assert kl <= limit + 1e-4
        assert 0 < strength < over <= strength + 0.01
        assert kl_by_hand(model, prompt, ts.Add(along, over)) > limit - 1e-4


def test_nothing_below_what_is_found_that_was_tried_is_over(model: Any) -> None:
    along = direction(model, SITE)
    answer = found(model, along, 0.1, prepend_bos=True, at_most=6.0)
    for row, prompt in enumerate(PROMPTS):
        for step in range(1, 9):
            strength = 6.0 * step / 8
            if strength < float(answer.over[row]):
                assert kl_by_hand(model, prompt, ts.Add(along, strength)) <= 0.1 + 1e-4


def test_the_mean_over_a_continuation(model: Any) -> None:
    along = direction(model, SITE)
    after = ("and the plot", "great", "was dull but not too long")
    answer = found(
        model, along, 0.1, prepend_bos=True, scope=ts.generated, continuations=after, at_most=6.0
    )
    for row, (prompt, text) in enumerate(zip(PROMPTS, after, strict=True)):
        add = ts.Add(along, float(answer.strengths[row]), scope=ts.generated)
        kl = kl_by_hand(model, prompt, add, text)
        assert kl == pytest.approx(float(answer.kl[row]), abs=1e-4)
    # One word foretold from the prompt, which is not steered.
    assert float(answer.kl[1]) == 0
    assert float(answer.strengths[1]) == 6.0
    assert bool(answer.over[1].isnan())
    assert float(answer.strengths[2]) < 6.0


@one_architecture
def test_batches_do_not_matter(model: Any) -> None:
    several = [direction(model, SITE, seed) for seed in range(3)]
    add = ts.Add(several, [1.0, 2.0, 3.0], scope=ts.last_prompt_token)
    together = found(model, add, 0.1)
    apart = found(model, add, 0.1, max_tokens=1)
    torch.testing.assert_close(together.strengths, apart.strengths, atol=0.04, rtol=0)
    for row, (prompt, one) in enumerate(zip(PROMPTS, several, strict=True)):
        alone = strength_within_kl(
            model, prompt, one, 0.1, scope=ts.last_prompt_token, progress=False
        )
        assert float(alone.strengths[0]) == pytest.approx(float(apart.strengths[row]), abs=1e-6)


def test_any_intervention_with_a_strength(model: Any) -> None:
    def fading(acts: Any, context: Any) -> Any:
        raise AssertionError("its own strength does not matter")

    along = direction(model, SITE)
    assert torch.equal(
        found(model, ts.Add(along, fading), 0.1).strengths, found(model, along, 0.1).strengths
    )


def test_the_budget_may_be_nothing_or_more_than_enough(model: Any) -> None:
    along = direction(model, SITE)
    for nothing in (found(model, along, 0.0), found(model, along, 1.0, at_most=0.0)):
        assert nothing.strengths.tolist() == nothing.kl.tolist() == [0.0] * 3
    enough = found(model, along, 1e6, at_most=2.0)
    assert enough.strengths.tolist() == [2.0] * 3
    assert bool(enough.over.isnan().all())


def test_a_strength_that_the_model_cannot_stand_is_over(model: Any) -> None:
    along = direction(model, SITE)
    answer = found(model, along * 1e36, 0.1, at_most=80.0, tolerance=20.0)
    assert bool(answer.strengths.isfinite().all())
    assert bool((answer.kl <= 0.1).all())


def test_few_forward_passes_and_nothing_stays(model: Any) -> None:
    passes = []
    before = hooks_of(model)
    point = model.hook_dict["blocks.0.hook_resid_pre"]
    handle = point.register_forward_hook(lambda *_: passes.append(1))
    found(model, direction(model, SITE), 0.1, at_most=8.0, tolerance=8.0 / 256)
    handle.remove()
    assert 6 < len(passes) <= 14
    assert hooks_of(model) == before


def test_a_frame_to_look_at(model: Any) -> None:
    answer = found(model, direction(model, SITE), 0.1)
    assert answer.frame["prompt"].tolist() == list(PROMPTS)
    assert answer.frame["strength"].tolist() == answer.strengths.tolist()
    assert answer.frame["kl"].max() <= 0.1
    assert "<table" in answer._repr_html_()


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"limit": -0.1}, SteerError, "limit=-0.1"),
        ({"limit": float("nan")}, SteerError, "limit=nan"),
        ({"at_most": -1.0}, SteerError, "at_most=-1.0"),
        ({"tolerance": 0.0}, SteerError, "tolerance=0.0"),
        ({"prompts": ()}, DataError, "at least one prompt"),
        ({"continuations": ("great",)}, DataError, "1 continuations and 3"),
    ],
    ids=str,
)
def test_what_is_refused(
    model: Any, changes: dict[str, Any], error: type[Exception], says: str
) -> None:
    asked: dict[str, Any] = {"prompts": PROMPTS, "limit": 0.1, **changes}
    prompts, limit = asked.pop("prompts"), asked.pop("limit")
    with pytest.raises(error, match=says):
        strength_within_kl(model, prompts, direction(model, SITE), limit, **asked)


@dataclass(frozen=True, eq=False)
class Breaks:
    """Nothing below a strength of 1, and NaN from there on."""

    hook_name: str = SITE
    strength: Any = 0.0
    scope: Any = ts.everywhere

    def edit(self) -> Any:
        def breaks(acts: Tensor, strength: Tensor, context: Any) -> Tensor:
            return torch.where(strength[..., None] < 1, acts, math.nan)

        return breaks


def test_a_strength_that_breaks_the_model_is_over(model: Any) -> None:
    answer = found(model, Breaks(), 0.5, at_most=2.0, tolerance=0.1)
    assert bool(((answer.strengths >= 0.9) & (answer.strengths < 1)).all())
    assert bool(((answer.over >= 1) & (answer.over < 1.1)).all())
    assert answer.kl.tolist() == [0.0] * len(PROMPTS)


def test_a_broken_model_has_no_kl(model: Any) -> None:
    with pytest.raises(NonFiniteError, match="logits hold NaN"):
        ts.dosing.mean_kl(model, PROMPTS, Breaks(strength=1.0))
    dose, reached = ts.dosing.dose_at_kl(model, PROMPTS, lambda dose: Breaks(strength=dose), 0.5)
    assert 0.9 < dose < 1
    assert reached == 0


def test_what_cannot_be_steered_with(model: Any) -> None:
    along = direction(model, SITE)
    with pytest.raises(NonFiniteError, match="zero vector"):
        found(model, along * 0.0, 0.1)
    with pytest.raises(SteerError, match="intervention has its own"):
        found(model, ts.Add(along), 0.1, scope=ts.generated)
    with pytest.raises(MismatchError, match="settings for 2 rows"):
        found(model, ts.Add([along, along]), 0.1)
    with (
        pytest.raises(
            SteerError, match=r"expected a direction or an intervention.*steering\.active"
        ),
        as_users_run_it(),
    ):
        found(model, ts.Steering(ts.Add(along)), 0.1)
