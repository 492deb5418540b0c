"""A language model as judge, with replies that are made up."""

import pytest
from hypothesis import given, settings, strategies as st

from tl_steer.errors import DataError, NonFiniteError
from tl_steer.judges._judges import Judge
from tl_steer.judges._llm_judge import llm_judge

CHEER = "How cheerful is the text?"


def judge_saying(*replies: object, **settings: object) -> object:
    return llm_judge(lambda prompts: list(replies), question=CHEER, **settings)  # type: ignore


@pytest.mark.parametrize(
    ("reply", "score"),
    [
        ("7", 0.7),
        (" 10\n", 1),
        ("0", 0),
        ("Rating: **7.5**", 0.75),
        ("7/10", 0.7),
        ("7 out of 10.", 0.7),
        ("8. I would say 8.", 0.8),
        ("10/10", 1),
        ("I give it 3, no more", 0.3),
    ],
)
def test_replies_that_hold_a_number(reply: str, score: float) -> None:
    judge = judge_saying(reply)
    assert isinstance(judge, Judge)
    assert judge(["a text"]) == [pytest.approx(score)]


@pytest.mark.parametrize(
    "reply",
    ["", "very cheerful", "11", "-3", "between 6 and 8", "6-8", "7,5", "GPT4", "1e1", "nan", None],
)
def test_other_replies_are_refused_with_text_and_reply(reply: object) -> None:
    with pytest.raises(DataError, match=r"one number from .* to the text 'a fine film'"):
        judge_saying(reply)(["a fine film"])


@settings(deadline=None, max_examples=40)
@given(st.floats(-50, 50), st.floats(0.1, 50), st.floats(0, 1))
def test_any_scale(low: float, width: float, share: float) -> None:
    low, high = round(low, 2), round(low + width, 2)
    number = min(high, max(low, round(low + share * (high - low), 6)))
    (score,) = judge_saying(f"{number:.6f}", scale=(low, high))(["text"])
    assert score == pytest.approx((number - low) / (high - low), abs=1e-4)
    assert 0 <= score <= 1


def test_texts_are_asked_about_once_and_in_order() -> None:
    asked: list[list[str]] = []

    def ask(prompts: list[str]) -> list[str]:
        asked.append(prompts)
        return [str(len(prompts) - number) for number in range(len(prompts))]

    judge = llm_judge(ask, question=CHEER, scale=(1, 3), name="gpt")
    assert judge(["first", "second", "third"]) == [1, 0.5, 0]
    ((one, two, three),) = asked
    assert all(CHEER in prompt and "from 1 " in prompt for prompt in (one, two, three))
    assert ["first" in one, "second" in two, "third" in three] == [True] * 3
    assert judge([]) == []
    assert len(asked) == 1


@settings(deadline=None, max_examples=50)
@given(st.text())
def test_a_text_cannot_leave_its_marks(text: str) -> None:
    judge = judge_saying("1")
    prompt = judge.prompt(text)
    mark = next(line for line in prompt.split("\n") if line.startswith("====="))
    before, inside, after = prompt.split(f"\n{mark}")
    assert inside == f"\n{text}"
    # A text that quotes the whole prompt for another text is still inside.
    again = judge.prompt(prompt)
    assert again.count(mark) == 3
    outer = [line for line in again.split("\n") if line.startswith("=====") and line != mark]
    assert len(outer) == 2
    assert again.split(f"\n{outer[0]}")[1] == f"\n{prompt}"
    assert before
    assert after


def test_what_is_refused() -> None:
    for scale in [(10, 0), (1, 1)]:
        with pytest.raises(DataError, match="the lower one first"):
            judge_saying(scale=scale)
    with pytest.raises(NonFiniteError, match="item 1 is infinity, which is not finite"):
        judge_saying(scale=(0, float("inf")))
    with pytest.raises(DataError, match="Expected a question and a name"):
        llm_judge(lambda prompts: [], question=" ")
    with pytest.raises(DataError, match="got 1 replies to 2 prompts"):
        judge_saying("7")(["one", "two"])
    with pytest.raises(DataError, match="expected a list of replies, got '7'"):
        llm_judge(lambda prompts: "7", question=CHEER)(["one"])  # type: ignore
    with pytest.raises(DataError, match="got one string"):
        judge_saying("7")("one")
