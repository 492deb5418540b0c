"""The formality judge, on pairs that it has not seen."""

import pytest

import tl_steer as ts
from tl_steer.errors import DataError
from tl_steer.judges._formality_judge import formality_judge
from tl_steer.judges._judges import Judge


def test_it_tells_held_out_texts() -> None:
    judge, held_out = formality_judge(), ts.data.formal_informal("held_out")
    assert isinstance(judge, Judge)
    assert judge.name == "formality"
    formal, informal = judge(held_out.positive), judge(held_out.negative)
    right = sum(score > 0.5 for score in formal) + sum(score < 0.5 for score in informal)
    assert judge.accuracy == right / 32
    # Of 32 texts, .8 is over three standard errors above chance.
    assert judge.accuracy >= 0.8
    # Of a pair, the formal one is the more formal.
    assert sum(f > i for f, i in zip(formal, informal, strict=True)) >= 14


def test_it_can_be_trained_on_other_pairs() -> None:
    halves = ts.data.formal_informal().split({"direction": 0.5, "judge": 0.5}, seed=0)
    judge = formality_judge(halves["judge"])
    assert judge.trained_on.startswith("48 texts of formal")
    assert judge.accuracy >= 0.7
    with pytest.raises(DataError, match="both trained on and held out"):
        formality_judge(ts.data.formal_informal("all"))
