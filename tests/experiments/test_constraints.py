"""What steering may cost."""

import math

import pytest

import tl_steer as ts
from tl_steer.experiments._constraints import Constraints

BASE = {"perplexity": 10.0, "repetition": 0.01, "kl": 0.0}


def row(perplexity: float = 10.0, repetition: float = 0.01, kl: float = 0.0) -> dict[str, float]:
    return {"perplexity": perplexity, "repetition": repetition, "kl": kl}


@pytest.mark.parametrize(
    ("limits", "found", "excesses"),
    [
        (Constraints(), row(), {"perplexity_ratio": -1, "repetition": -1}),
        (Constraints(), row(15.0, 0.03), {"perplexity_ratio": 0, "repetition": 0}),
        (Constraints(), row(17.5, 0.04), {"perplexity_ratio": 0.5, "repetition": 0.5}),
        (Constraints(), row(9.0, 0.0), {"perplexity_ratio": -1.2, "repetition": -1.5}),
        (Constraints(None, None, 0.2), row(kl=0.3), {"kl": 0.5}),
        (Constraints(2.0, None, 0.4), row(20.0, kl=0.2), {"perplexity_ratio": 0, "kl": -0.5}),
        # Nothing is allowed.
        (Constraints(1.0, 0.0), row(12.0, 0.02), {"perplexity_ratio": 0.2, "repetition": 0.01}),
        (Constraints(), row(math.inf), {"perplexity_ratio": math.inf, "repetition": -1}),
        (Constraints(None, None, 1.0), row(kl=math.nan), {"kl": math.inf}),
    ],
)
def test_how_far_a_limit_is_overstepped(
    limits: Constraints, found: dict[str, float], excesses: dict[str, float]
) -> None:
    assert limits.excesses(found, BASE) == pytest.approx(excesses, abs=1e-9)


def test_short_texts_do_not_repeat_themselves() -> None:
    none = {**BASE, "repetition": math.nan}
    assert Constraints().excesses(row(repetition=math.nan), BASE)["repetition"] < 0
    assert Constraints().excesses(row(repetition=0.05), none)["repetition"] == pytest.approx(1.5)
    assert Constraints().why_not(row(repetition=math.nan), none) == ""


def test_in_words() -> None:
    limits = Constraints(kl=0.5)
    assert str(limits) == (
        "perplexity ≤ 1.5 × unsteered, repetition ≤ unsteered + 0.02, KL ≤ 0.5 nats"
    )
    assert limits.why_not(row(), BASE) == ""
    assert limits.why_not(row(20.0, 0.06, 0.75), BASE) == (
        "perplexity 2.00 × unsteered, repetition +0.050 over unsteered, KL 0.75 nats"
    )
    assert limits.why_not(row(20.0), BASE) == "perplexity 2.00 × unsteered"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"perplexity_ratio": 0.9}, r"perplexity_ratio=0.9: .* 1 or more"),
        ({"perplexity_ratio": math.inf}, "perplexity_ratio=inf"),
        ({"repetition": -0.1}, r"repetition=-0.1: .* 0 or more"),
        ({"kl": 0.0}, r"kl=0.0: .* over 0"),
        ({"kl": math.nan}, "kl=nan"),
        ({"perplexity_ratio": None, "repetition": None}, "no constraint came"),
    ],
)
def test_limits_that_cannot_be(settings: dict[str, float], said: str) -> None:
    with pytest.raises(ts.SteerError, match=said):
        Constraints(**settings)
