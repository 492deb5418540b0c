"""Checks of a contrast set: what a direction might pick up instead of the property."""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import fmean, pvariance

import pandas as pd

from tl_steer.arguments import NotNegative, Positive, Share, checked
from tl_steer.data._contrast import ContrastSet
from tl_steer.data._texts import short
from tl_steer.errors import DataError


@checked
@dataclass(frozen=True)
class Finding:
    """One thing that a check found."""

    kind: str
    """What was checked: duplicates, both sides, leakage, imbalance, length, form or opening."""
    message: str
    """What was found, in words, with the numbers."""
    count: int
    """How many texts it concerns."""


@checked
@dataclass(frozen=True)
class CheckReport:
    """What the checks of a contrast set found; ideally nothing."""

    checked: str
    """Which set was checked: its `repr`."""
    findings: tuple[Finding, ...]
    """In the order of the checks."""

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def __str__(self) -> str:
        """The findings as lines of text."""
        lines = [f"- {finding.kind}: {finding.message}" for finding in self.findings]
        return "\n".join([self.checked, *(lines or ["- nothing found"])])

    def frame(self) -> pd.DataFrame:
        """One row a finding, with the columns kind, count and message."""
        rows = [(finding.kind, finding.count, finding.message) for finding in self.findings]
        return pd.DataFrame(rows, columns=["kind", "count", "message"])

    def raise_if_any(self) -> None:
        """Raise a DataError with the report's text, if anything was found."""
        if not self.ok:
            raise DataError(str(self))


@checked
def check(
    contrast: ContrastSet,
    *,
    against: Mapping[str, ContrastSet] | None = None,
    max_ratio: Positive = 1.5,
    max_length_difference: NotNegative = 0.3,
    max_share_difference: Share = 0.25,
) -> CheckReport:
    """Look for confounds: what may make a contrast show something other than its property.

    Texts are compared without regard to case and white space. The checks are:

    - duplicates: texts that occur more than once on one side;
    - both sides: texts that are both positive and negative;
    - leakage: texts that are also in one of the sets `against`;
    - imbalance: a larger side of more than `max_ratio` times the smaller;
    - length: sides whose mean numbers of words differ by more than `max_length_difference`
      standard deviations, ``|m₊ − m₋| / √((s₊² + s₋²) / 2)``;
    - form: sides that differ much in how many texts end in a full stop or similar, begin with a
      capital letter, or have several lines;
    - opening: sides that differ much in how many texts begin with the same word.

    A difference of shares counts if it exceeds `max_share_difference` and two standard errors, so
    that a handful of texts does not raise it by chance.

    Args:
        contrast: The set to check.
        against: Other sets under their names, e.g. the test part, that should share no text.
        max_ratio: See above.
        max_length_difference: See above.
        max_share_difference: See above.

    Returns:
        The findings. They raise nothing: a finding may be what the contrast is about.
    """
    positive = [_normalised(text) for text in contrast.positive]
    negative = [_normalised(text) for text in contrast.negative]
    findings = [
        _duplicates("positive", positive),
        _duplicates("negative", negative),
        _both_sides(positive, negative),
        *(_leakage({*positive, *negative}, name, other) for name, other in (against or {}).items()),
        _imbalance(len(positive), len(negative), max_ratio),
        _length(positive, negative, max_length_difference),
        *(
            _form(contrast, words, has_form, max_share_difference)
            for words, has_form in _FORMS.items()
        ),
        _opening(positive, negative, max_share_difference),
    ]
    return CheckReport(repr(contrast), tuple(finding for finding in findings if finding))


def _normalised(text: str) -> str:
    return " ".join(text.casefold().split())


def _duplicates(side: str, texts: list[str]) -> Finding | None:
    counts = Counter(texts)
    surplus = len(texts) - len(counts)
    if not surplus:
        return None
    text, times = counts.most_common(1)[0]
    return Finding(
        "duplicates",
        f"{surplus} of {len(texts)} {side} texts repeat another; {short(text)} comes {times} times",
        surplus,
    )


def _both_sides(positive: list[str], negative: list[str]) -> Finding | None:
    on_both = sorted(set(positive) & set(negative))
    if not on_both:
        return None
    message = f"{len(on_both)} texts are both positive and negative, among them {short(on_both[0])}"
    return Finding("both sides", message, len(on_both))


def _leakage(texts: set[str], name: str, other: ContrastSet) -> Finding | None:
    shared = sorted(texts & {_normalised(text) for text in other.texts})
    if not shared:
        return None
    message = f"{len(shared)} texts are also in {name!r}, among them {short(shared[0])}"
    return Finding("leakage", message, len(shared))


def _imbalance(n_positive: int, n_negative: int, limit: float) -> Finding | None:
    ratio = max(n_positive, n_negative) / min(n_positive, n_negative)
    if ratio <= limit:
        return None
    message = f"{n_positive} positive and {n_negative} negative texts, {ratio:.2f} to 1"
    return Finding("imbalance", message, abs(n_positive - n_negative))


def _length(positive: list[str], negative: list[str], limit: float) -> Finding | None:
    first, second = ([len(text.split()) for text in texts] for texts in (positive, negative))
    gap = fmean(first) - fmean(second)
    spread = math.sqrt((pvariance(first) + pvariance(second)) / 2)
    # Without any spread, the least gap tells the sides apart with certainty.
    difference = abs(gap) / spread if spread else math.inf if gap else 0.0
    if difference <= limit:
        return None
    message = (
        f"{fmean(first):.1f} words a positive text and {fmean(second):.1f} a negative one: "
        f"{difference:.2f} standard deviations apart"
    )
    return Finding("length", message, len(positive) + len(negative))


_FORMS: dict[str, Callable[[str], bool]] = {
    "end in a full stop or the like": lambda text: text.rstrip().endswith((".", "!", "?", "…")),
    "begin with a capital letter": lambda text: text.lstrip()[0].isupper(),
    "have several lines": lambda text: "\n" in text.strip(),
}


def _form(
    contrast: ContrastSet, words: str, has_form: Callable[[str], bool], limit: float
) -> Finding | None:
    counts = [sum(map(has_form, side)) for side in (contrast.positive, contrast.negative)]
    sizes = [len(contrast.positive), len(contrast.negative)]
    if not _shares_differ(counts, sizes, limit):
        return None
    return Finding("form", _shares_in_words(counts, sizes, words), sum(counts))


def _opening(positive: list[str], negative: list[str], limit: float) -> Finding | None:
    first, second = (Counter(text.split()[0] for text in side) for side in (positive, negative))
    sizes = [len(positive), len(negative)]
    word = max(
        sorted({*first, *second}),
        key=lambda word: abs(first[word] / sizes[0] - second[word] / sizes[1]),
    )
    counts = [first[word], second[word]]
    if not _shares_differ(counts, sizes, limit):
        return None
    return Finding("opening", _shares_in_words(counts, sizes, f"begin with {word!r}"), sum(counts))


def _shares_differ(counts: list[int], sizes: list[int], limit: float) -> bool:
    difference = abs(counts[0] / sizes[0] - counts[1] / sizes[1])
    pooled = sum(counts) / sum(sizes)
    error = math.sqrt(pooled * (1 - pooled) * (1 / sizes[0] + 1 / sizes[1]))
    return difference > limit and difference > 2 * error


def _shares_in_words(counts: list[int], sizes: list[int], words: str) -> str:
    shares = [count / size for count, size in zip(counts, sizes, strict=True)]
    return f"{shares[0]:.0%} of the positive and {shares[1]:.0%} of the negative texts {words}"
