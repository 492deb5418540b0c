"""A judge of formality, trained on the package's own pairs."""

from tl_steer.arguments import checked
from tl_steer.data import ContrastSet, formal_informal
from tl_steer.judges._trained_judge import TrainedJudge, train_judge


@checked
def formality_judge(pairs: ContrastSet | None = None) -> TrainedJudge:
    """Train a judge of formal (1) against informal (0) English; it takes a moment, at every call.

    It puts 31 of the 32 held-out texts of ``formal_informal`` on the right side of 0.5, and 30 if
    it sees only their first eight words. Those texts have other subjects but the same author, so
    expect less of other texts. It judges by letters: contractions, slang and long words.

    Do not judge a direction by the texts that it was computed from: take it from others, or train
    the judge on the other half::

        halves = ts.data.formal_informal().split({"direction": 0.5, "judge": 0.5})
        judge = formality_judge(halves["judge"])

    Args:
        pairs: Formal and informal texts, none of them held out; by default the 48 training pairs
            of ``formal_informal``.

    Raises:
        DataError: For fewer than eight texts of a class, or texts of the held-out pairs.
    """
    texts = formal_informal("train") if pairs is None else pairs
    return train_judge(texts, held_out=formal_informal("held_out"), name="formality")
