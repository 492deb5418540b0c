"""The smallest dose that flips an answer, against the plain model, one prompt alone."""

import math
from typing import Any

import pytest
import torch
from flips_by_hand import AT, PROMPTS, answers_of, margin_by_hand
from making import assert_same_state, direction, own_model, shared_model, state_of
from models import KINDS

import tl_steer as ts
from tl_steer.dosing._flip import DosesToFlip, dose_to_flip
from tl_steer.errors import DataError, MismatchError, NonFiniteError, SteerError


def found(model: Any, **changes: Any) -> DosesToFlip:
    answer, other = answers_of(model)
    settings = {
        "prompts": PROMPTS,
        "answer": answer,
        "other": other,
        "direction": direction(model, AT, seed=2),
        "most": 4.0,
        "scan": 8,
        **changes,
    }
    return dose_to_flip(model, **settings)


@pytest.mark.parametrize("scope", ["everywhere", "last_prompt_token"])
def test_what_is_reported_flips_and_less_does_not(model: Any, scope: str) -> None:
    bounds = {"everywhere": (0, None), "last_prompt_token": (-1, None)}[scope]
    answers = found(model, scope=getattr(ts, scope), precision=0.02)
    vector = answers.direction.vector
    assert answers.frame["dose"].map(math.isfinite).any()
    for _, row in answers.frame.iterrows():
        asked = (model, row["prompt"], row["answer"], row["other"])

        def margin(strength: float, asked: Any = asked) -> float:
            return margin_by_hand(*asked, strength * vector, AT, bounds)

        assert row["margin"] == pytest.approx(margin(0.0), abs=1e-3)
        assert row["margin"] < 0
        own = answers.curve[answers.curve["prompt_index"] == row["prompt_index"]]
        assert len(own) == 9
        assert own["margin"].tolist() == pytest.approx(
            [margin(each) for each in own["strength"]], abs=1e-3
        )
        smaller = own[own["strength"] < row["strength"] * 0.98]
        assert bool((smaller["margin"] <= 0).all())
        if math.isfinite(row["dose"]):
            assert margin(row["strength"]) > -1e-4
            assert margin(0.98 * row["strength"]) < 1e-4
            assert row["dose"] == pytest.approx(answers.direction.dose(row["strength"]))
            later = own[own["strength"] > row["strength"]]
            assert row["returns"] == bool((later["margin"] <= 0).any())
        else:
            assert own["margin"].max() <= 0
            assert not row["returns"]


@pytest.mark.parametrize("kind", KINDS)
def test_all_prompts_together_are_each_prompt_alone(kind: str) -> None:
    model = shared_model(kind, "gpt2")
    together = found(model).frame
    for number, prompt in enumerate(PROMPTS[:3]):
        row = together.iloc[number]
        alone = found(model, prompts=[prompt], answer=row["answer"], other=row["other"]).frame
        assert alone["dose"][0] == pytest.approx(row["dose"], rel=1e-3)


def test_an_answer_that_is_other_already_needs_nothing(model: Any) -> None:
    answer, other = answers_of(model, likelier=False)
    answers = found(model, answer=answer, other=other)
    assert answers.frame["dose"].tolist() == [0.0] * len(PROMPTS)
    assert answers.frame["strength"].tolist() == [0.0] * len(PROMPTS)
    assert bool((answers.frame["margin"] > 0).all())
    assert len(answers.held) == 0
    assert math.isnan(answers.median)
    assert math.isnan(answers.share_flipped(1.0))


def test_a_scope_beyond_the_prompt_flips_nothing(model: Any) -> None:
    answers = found(model, scope=ts.generated, scan=2)
    assert set(answers.frame["dose"]) == {math.inf}
    assert answers.curve.groupby("prompt_index")["margin"].nunique().tolist() == [1] * len(PROMPTS)
    assert len(answers.plot().axes) == 2


def test_the_scan_finds_a_crossing_that_goes_back() -> None:
    model = shared_model("bridge", "llama")
    answers = dose_to_flip(
        model, PROMPTS[2:3], "great", "dull", direction(model, AT, 1), most=4.0, scan=12
    )
    (row,) = [row for _, row in answers.frame.iterrows()]
    margins = answers.curve["margin"]
    # Below, above, and below again as the dose grows; the first crossing is what is reported.
    assert (margins > 0).astype(int).diff().abs().sum() >= 2
    assert margins.iloc[-1] < 0
    assert row["returns"]
    assert row["dose"] <= answers.curve.loc[margins > 0, "dose"].min()
    assert bool((margins[answers.curve["dose"] < row["dose"]] <= 0).all())


def test_to_read_and_to_look_at() -> None:
    answers = found(shared_model("bridge", "llama"))
    flipped = answers.frame["dose"].map(math.isfinite).sum()
    assert repr(answers).startswith(f"DosesToFlip({flipped} of 6 answers flip up to dose 4")
    assert answers.share_flipped(4.0) == flipped / 6
    assert answers.share_flipped(0.0) == 0
    assert "<table" in answers._repr_html_()
    margins, share = answers.plot().axes
    assert len(margins.get_lines()) == 6 + 2
    assert share.get_lines()[0].get_ydata()[-1] == pytest.approx(flipped / 6)


@pytest.mark.parametrize("kind", KINDS)
def test_the_model_is_left_as_it_was(kind: str) -> None:
    model = own_model(kind)
    before = state_of(model)
    found(model, scan=3)
    assert_same_state(state_of(model), before)


def zero(model: Any) -> ts.Direction:
    return 0 * direction(model, AT)


def of_another(model: Any) -> ts.Direction:
    return direction(shared_model("bridge", "gpt2"), AT)


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"prompts": []}, DataError, "at least one prompt, got none"),
        ({"prompts": "the film"}, DataError, "expected a list of texts"),
        ({"answer": ["good", "bad"]}, DataError, "Got 2 answers and 6 prompts"),
        ({"answer": "good", "other": "good"}, DataError, "begin with the same token"),
        ({"direction": zero}, NonFiniteError, "has no dose"),
        ({"direction": of_another}, MismatchError, "another model"),
        ({"most": 0.0}, SteerError, "most=0.0"),
        ({"most": math.inf}, SteerError, "most=inf"),
        ({"scan": 0}, SteerError, "scan=0"),
        ({"precision": 1.0}, SteerError, "precision=1.0"),
        ({"scope": slice(0, 4, 2)}, SteerError, "no step"),
    ],
)
def test_wrong_input_is_refused_before_the_model_runs(
    changes: dict[str, Any], error: type[Exception], says: str
) -> None:
    model = shared_model("bridge", "llama")
    asked = {name: value(model) if callable(value) else value for name, value in changes.items()}
    fine = {"answer": "good", "other": "bad", "direction": direction(model, AT), **asked}

    def runs(acts: torch.Tensor, hook: Any) -> None:
        pytest.fail("the model ran")

    with (
        model.hooks(fwd_hooks=[("blocks.0.hook_resid_pre", runs)]),
        pytest.raises(error, match=says),
    ):
        dose_to_flip(model, **{"prompts": PROMPTS, **fine})


def test_logits_that_are_not_finite_are_refused() -> None:
    model = shared_model("bridge", "llama")

    def spoils(acts: torch.Tensor, hook: Any) -> torch.Tensor:
        return acts * math.nan

    with (
        model.hooks(fwd_hooks=[("blocks.0.hook_resid_pre", spoils)]),
        pytest.raises(NonFiniteError, match="the metric is nan for prompt"),
    ):
        found(model, answer="good", other="bad")
