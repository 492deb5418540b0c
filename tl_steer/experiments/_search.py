"""Search: what is tried on the validation prompts, and within which limits."""

from collections.abc import Sequence
from dataclasses import dataclass

from tl_steer.arguments import Count, Positive, checked, means
from tl_steer.errors import SteerError
from tl_steer.experiments._constraints import Constraints
from tl_steer.experiments._optuna_search import Optuna

_USUAL = Constraints()


@checked
@means("a Search", instead="For example Search(tries=5).")
@dataclass(frozen=True)
class Search:
    """What is tried on the validation prompts, and within which limits.

    By default, at each direction, doses that lead to the largest one within the constraints:
    doubled or halved from ``first``, then bisected, to within a tenth. With ``kl`` or ``optuna``,
    what these say instead.

    Raises:
        SteerError: For another way than 1 and -1, or both ``kl`` and ``optuna``.
    """

    constraints: Constraints = _USUAL
    """What steering may cost."""

    tries: Count = 7
    """Doses that are tried of each direction, at most."""

    first: Positive = 0.1
    """The relative dose ``‖αv‖ / ‖h‖`` that is tried first."""

    most: Positive = 1.0
    """The largest that is tried."""

    kl: Positive | None = None
    """Bring every direction to this KL of the token after the prompts instead, in nats, which is
    found without writing texts; the constraints still decide which of them may be chosen."""

    optuna: Optuna | None = None
    """Have Optuna propose places and doses instead."""

    way: int = 1
    """1 to add the directions where higher scores are wanted, -1 to subtract them where lower ones
    are. For another pairing, turn the direction around: ``-joy``. A study adds."""

    both_ways: bool = False
    """Whether a study chooses a strength against each direction too, where low scores are wanted;
    it is reported as ``away from …``, and not set beside controls."""

    doses: Sequence[float] = (-0.3, -0.2, -0.1, 0.1, 0.2, 0.3)
    """Relative doses that a study draws curves of, whatever is chosen."""

    def __post_init__(self) -> None:
        """Refuse what cannot be searched."""
        if self.way not in (1, -1):
            raise SteerError(f"way={self.way}: 1 to add the directions, -1 to subtract them.")
        if self.kl is not None and self.optuna is not None:
            raise SteerError("kl= sets every strength, so that optuna= has nothing to look for.")
