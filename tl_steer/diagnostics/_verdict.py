"""Whether a direction is worth using, with the reasons in words."""

from dataclasses import dataclass
from enum import StrEnum
from math import isnan

from tl_steer.arguments import Index, Measured, Share, checked
from tl_steer.page.html import result_html


class Decision(StrEnum):
    """What to do with a direction."""

    USE = "use"
    DOUBTFUL = "doubtful"
    DO_NOT_USE = "do not use"


@checked
@dataclass(frozen=True)
class Thresholds:
    """Where a verdict turns. The defaults are conventions; each says why."""

    doubtful_auroc: Share = 0.65
    """Held-out texts told apart less often than two times in three are weak evidence that the
    direction is about the property. d′ is .54 there, a medium effect by Cohen's convention."""

    min_reliability: Share = 0.25
    """Below it, over three quarters of the direction's squared length is sampling error: another
    sample of texts would give another direction. So it would where the interval reaches zero."""

    doubtful_reliability: Share = 0.5
    """Below it, over half is. A direction whose interval begins above it owes nothing to luck."""

    doubtful_length: Share = 0.5
    """Over half of the gap between the classes is then what their lengths predict."""

    doubtful_first_token: Share = 0.5
    """Over half of the gap then goes away among texts that begin alike."""

    doubtful_dominated: Share = 0.5
    """One dimension then holds over half of the squared length, as massive activations do."""

    few: Index = 16
    """With fewer held-out texts in a class, the standard error of an AUROC is over .1."""


@checked
@dataclass(frozen=True)
class Evidence:
    """The numbers of one direction that a verdict is made from; NaN for what was not measured."""

    auroc: Measured
    auroc_low: Measured
    d_prime: Measured
    chance_d_prime: Measured
    reliability: Measured
    reliability_low: Measured
    length_share: Measured
    first_token_share: Measured
    comparable: Measured
    dominated: Measured
    texts: int
    """Held-out texts in the smaller class."""


@checked
@dataclass(frozen=True)
class Verdict:
    """One direction's verdict."""

    hook_name: str
    decision: Decision

    score: Measured
    """0 to 1, to rank directions by; the formula is at :func:`verdict`."""

    reasons: tuple[str, ...]
    """In words, the gravest first."""

    def __str__(self) -> str:
        """One sentence a reason."""
        return f"{self.hook_name}: {self.decision} ({self.score:.2f}). " + " ".join(self.reasons)

    def _repr_html_(self) -> str:
        said = f"{self.decision} ({self.score:.2f}): {self.hook_name}"
        return result_html(said, points=self.reasons)


def verdict(hook_name: str, seen: Evidence, thresholds: Thresholds) -> Verdict:
    """Judge one direction.

    *Do not use*: the interval of its held-out AUROC reaches one half, halves of the texts disagree
    about it, or its d′ is within what directions that know nothing reach. (Where classes lie far
    apart, a shuffled direction that by luck kept some of the labels separates them as well as any;
    but halves of the texts do not agree on luck, so a surely reliable direction passes.)
    *Doubtful*: it passes these, and something else is wrong. *Use*: nothing is.

    The score is a product of shares, each cut to 0 to 1, so that one fault pulls it down::

        (2 AUROC − 1) · (d′ / chance d′) · reliability · (1 − length share) · 2 (1 − dominated)

    A number that was not measured leaves the score as it is, and so does a d′ that reliability
    vouches for.
    """
    grave, slight = list(_grave(seen, thresholds)), list(_slight(seen, thresholds))
    decision = Decision.DO_NOT_USE if grave else Decision.DOUBTFUL if slight else Decision.USE
    good = (
        f"It tells held-out texts apart (AUROC {seen.auroc:.2f}, d′ {seen.d_prime:.2f}; "
        f"directions that know nothing reach {seen.chance_d_prime:.2f})."
    )
    missing = (
        ["Its reliability was not measured: give the estimator."] if isnan(seen.reliability) else []
    )
    reasons = (*grave, *slight, *([] if grave else [good]), *missing)
    return Verdict(hook_name, decision, _score(seen, thresholds), reasons)


def _lucky(seen: Evidence, at: Thresholds) -> bool:
    """Whether what it does may be luck."""
    known = seen.reliability_low >= at.doubtful_reliability and seen.d_prime > 0
    return not known and not seen.d_prime > seen.chance_d_prime


def _unreliable(seen: Evidence, at: Thresholds) -> bool:
    return seen.reliability < at.min_reliability or seen.reliability_low <= 0


def _grave(seen: Evidence, at: Thresholds) -> list[str]:
    found = []
    if seen.auroc < 0.5:
        found.append(f"It points the wrong way on held-out texts (AUROC {seen.auroc:.2f}).")
    elif not seen.auroc_low > 0.5:
        found.append(
            f"It does not tell held-out texts apart: AUROC {seen.auroc:.2f}, and the interval "
            f"begins at {seen.auroc_low:.2f}."
        )
    if _lucky(seen, at):
        found.append(
            f"Directions that know nothing do as well: d′ {seen.d_prime:.2f}, and theirs reaches "
            f"{seen.chance_d_prime:.2f}. More texts would tell it from them, if anything does."
        )
    if _unreliable(seen, at):
        found.append(
            f"Two halves of the texts give different directions (reliability "
            f"{seen.reliability:.2f}, from {seen.reliability_low:.2f}): it is mostly sampling "
            "error."
        )
    return found


def _slight(seen: Evidence, at: Thresholds) -> list[str]:
    found = []
    if seen.auroc < at.doubtful_auroc and seen.auroc_low > 0.5:
        found.append(f"It tells held-out texts apart only weakly (AUROC {seen.auroc:.2f}).")
    if seen.reliability < at.doubtful_reliability and not _unreliable(seen, at):
        found.append(
            f"More than half of it is sampling error (reliability {seen.reliability:.2f}): give "
            "the estimator more texts."
        )
    if seen.length_share > at.doubtful_length:
        found.append(
            f"Text length predicts {seen.length_share:.0%} of the gap between the classes: "
            "balance the lengths."
        )
    if seen.first_token_share > at.doubtful_first_token:
        found.append(
            f"Among texts that begin alike, {seen.first_token_share:.0%} of the gap goes away: "
            "balance how texts begin."
        )
    if seen.dominated > at.doubtful_dominated:
        found.append(
            f"One dimension makes up {seen.dominated:.0%} of it, as massive activations do: "
            "leave_out=LeaveOut(massive=…) can be made stricter."
        )
    if seen.texts < at.few:
        found.append(f"Only {seen.texts} held-out texts in a class: all of this is uncertain.")
    return found


def _beside_chance(seen: Evidence) -> float:
    return seen.d_prime / seen.chance_d_prime if seen.chance_d_prime > 0 else 0.0


def _score(seen: Evidence, at: Thresholds) -> float:
    shares = (
        2 * seen.auroc - 1,
        _beside_chance(seen) if _lucky(seen, at) else 1.0,
        seen.reliability,
        1 - seen.length_share,
        2 * (1 - seen.dominated),
    )
    score = 1.0
    for share in shares:
        score *= 1.0 if isnan(share) else min(max(share, 0.0), 1.0)
    return score
