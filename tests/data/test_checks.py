import numpy as np
import pytest

from tl_steer.data._checks import check
from tl_steer.data._contrast import ContrastSet
from tl_steer.errors import DataError

WORDS = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa"]


def random_texts(n: int, side: int, mean_words: int = 12) -> list[str]:
    """Texts of about `mean_words` words, of which the last is unlike any other.

    The lengths and all other words are the same on every side, so that chance finds nothing.
    """
    random = np.random.default_rng(0)
    return [
        " ".join([*random.choice(WORDS, random.integers(4, 2 * mean_words - 3)), f"{side}x{index}"])
        for index in range(n)
    ]


def kinds(contrast: ContrastSet, **options: object) -> list[str]:
    return [finding.kind for finding in check(contrast, **options).findings]  # type: ignore[arg-type]


def test_a_sound_contrast_has_no_findings() -> None:
    contrast = ContrastSet(random_texts(200, 1), random_texts(200, 2))
    report = check(contrast, against={"test": ContrastSet(random_texts(9, 3), random_texts(9, 4))})
    assert report.findings == ()
    assert report.ok
    report.raise_if_any()
    assert "nothing found" in str(report)
    assert report.frame().empty


def test_duplicates_are_counted_without_regard_to_case_and_white_space() -> None:
    negative = random_texts(50, 2)
    positive = [*random_texts(47, 1), "Twice told", "twice  told ", "TWICE\ttold"]
    report = check(ContrastSet(positive, negative))
    assert [(finding.kind, finding.count) for finding in report.findings] == [("duplicates", 2)]
    assert "'twice told' comes 3 times" in str(report)


def test_texts_on_both_sides_are_counted() -> None:
    positive, negative = random_texts(50, 1), random_texts(50, 2)
    report = check(ContrastSet([*positive, "On both"], [*negative, "on both"]))
    assert [(finding.kind, finding.count) for finding in report.findings] == [("both sides", 1)]


def test_leakage_is_found_on_either_side_and_the_other_set_is_named() -> None:
    contrast = ContrastSet(random_texts(50, 1), random_texts(50, 2))
    # Leaked texts may have changed sides.
    other = ContrastSet([contrast.negative[3].upper()], [contrast.positive[0], "new"])
    report = check(contrast, against={"sound": ContrastSet(["a"], ["b"]), "test set": other})
    assert [(finding.kind, finding.count) for finding in report.findings] == [("leakage", 2)]
    assert "'test set'" in str(report)


def test_imbalance_counts_above_its_limit_only() -> None:
    at_limit = ContrastSet(random_texts(90, 1), random_texts(60, 2))
    assert kinds(at_limit) == []
    above = ContrastSet(random_texts(60, 1), random_texts(91, 2))
    assert kinds(above) == ["imbalance"]
    assert kinds(above, max_ratio=2.0) == []


def test_the_length_difference_is_the_standardised_one() -> None:
    positive, negative = random_texts(200, 1, mean_words=20), random_texts(200, 2, mean_words=12)
    finding = check(ContrastSet(positive, negative)).findings[0]
    lengths = [np.array([len(text.split()) for text in side]) for side in (positive, negative)]
    spread = np.sqrt((lengths[0].var() + lengths[1].var()) / 2)
    expected = (lengths[0].mean() - lengths[1].mean()) / spread
    assert finding.kind == "length"
    assert f"{expected:.2f} standard deviations" in finding.message
    assert kinds(ContrastSet(positive, negative), max_length_difference=expected + 0.01) == []


def test_constant_lengths_that_differ_are_found() -> None:
    assert kinds(ContrastSet(["a b", "c d"], ["e", "f"])) == ["length"]
    assert kinds(ContrastSet(["a b", "c d"], ["e f", "g h"])) == []


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (lambda text: f"{text}!", "form", "end in a full stop"),
        (str.capitalize, "form", "begin with a capital letter"),
        (lambda text: text.replace(" ", "\n", 1), "form", "have several lines"),
        (lambda text: f"well {text.split(' ', 1)[1]}", "opening", "begin with 'well'"),
    ],
)
def test_a_form_that_tells_the_sides_apart_is_found(change, kind: str, words: str) -> None:  # type: ignore[no-untyped-def]
    positive, negative = random_texts(100, 1), random_texts(100, 2)
    half_changed = [change(text) for text in positive[:50]] + positive[50:]
    for contrast in (ContrastSet(half_changed, negative), ContrastSet(negative, half_changed)):
        findings = check(contrast).findings
        assert [finding.kind for finding in findings] == [kind]
        assert words in findings[0].message
    assert kinds(ContrastSet(half_changed, negative), max_share_difference=0.6) == []


def test_a_handful_of_texts_is_not_blamed_for_chance() -> None:
    assert kinds(ContrastSet(["a good film.", "fine work"], ["an awful film", "poor work"])) == []


def test_a_report_is_words_a_frame_and_an_error() -> None:
    contrast = ContrastSet(["same", "same", "same", "same"], ["same"])
    report = check(contrast)
    frame = report.frame()
    assert list(frame.columns) == ["kind", "count", "message"]
    assert list(frame["kind"]) == ["duplicates", "both sides", "imbalance"]
    assert not report.ok
    with pytest.raises(DataError) as caught:
        report.raise_if_any()
    assert str(caught.value) == str(report)
    assert "4.00 to 1" in str(report)
