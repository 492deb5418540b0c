"""What holds for any judge, and VADER."""

import pytest

from tl_steer.errors import DataError
from tl_steer.judges._judges import Judge, checked_texts
from tl_steer.judges._vader import vader_judge


def test_vader_is_a_judge_with_a_name() -> None:
    assert isinstance(vader_judge(), Judge)
    assert vader_judge().name == "vader"


def test_vader_maps_compound_onto_zero_to_one() -> None:
    judge = vader_judge()
    # From the lexicon: "good" has valence 1.9, and compound = x / sqrt(x² + 15).
    good = 1.9 / (1.9**2 + 15) ** 0.5
    assert judge(["good"]) == pytest.approx([(good + 1) / 2], abs=1e-4)
    # "bad" has −2.5.
    bad = -2.5 / (2.5**2 + 15) ** 0.5
    assert judge(["bad"]) == pytest.approx([(bad + 1) / 2], abs=1e-4)


def test_vader_orders_the_obvious_and_leaves_the_neutral_undecided() -> None:
    worst, bad, nothing, empty, good, best = vader_judge()(
        [
            "A horrible, awful, disgusting disaster!!!",
            "It was bad.",
            "The film was shot in 1950.",
            "",
            "It was good.",
            "A wonderful, brilliant, amazing delight!!!",
        ]
    )
    assert 0 <= worst < bad < nothing == empty == 0.5 < good < best <= 1


def test_vader_sees_a_negation() -> None:
    plain, negated = vader_judge()(["It was good.", "It was not good."])
    assert negated < 0.5 < plain


def test_no_texts_give_no_scores() -> None:
    assert vader_judge()([]) == []


def test_one_string_is_not_judged_letter_by_letter() -> None:
    with pytest.raises(DataError, match="Expected a list of texts"):
        vader_judge()("It was good.")


def test_what_is_no_text_is_named() -> None:
    with pytest.raises(DataError, match=r"text 1 is nan \(float\)"):
        checked_texts(["fine", float("nan")])
