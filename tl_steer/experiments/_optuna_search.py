"""Place and dose chosen jointly by Optuna, which has to be installed for it."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tl_steer.arguments import Count, Seed, checked
from tl_steer.errors import SteerError, to_install

Tried = Callable[[Sequence[tuple[int, float]]], Sequence[tuple[float, Mapping[str, float]]]]
"""From numbers of places and relative doses to what is to be maximised, and by how much each limit
is overstepped; 0 or less is within."""


@checked
@dataclass(frozen=True)
class Optuna:
    """Search place and dose together with Optuna's TPE (Bergstra et al. 2011), under constraints.

    Where there are many places, this takes fewer tries than a search at each of them; what is found
    at one place says something of the dose at the others, for doses are relative. Needs the package
    ``optuna``, version 5 or later.

    Source: https://papers.nips.cc/paper/4443-algorithms-for-hyper-parameter-optimization

    Raises:
        SteerError: For numbers that cannot be.
    """

    trials: Count = 40
    """Places and doses that are tried, in all; the first ten are drawn at random."""

    seed: Seed = 0

    together: Count = 8
    """How many are tried at a time, in the same batches. One at a time knows more each time."""

    least: float = 0.02
    """The smallest relative dose; between it and the largest, doses are drawn by their ratio."""

    def __post_init__(self) -> None:
        """Check the numbers."""
        if self.trials < 1 or self.together < 1:
            raise SteerError(
                f"trials={self.trials} and together={self.together}: at least 1 of each."
            )
        if not (math.isfinite(self.least) and self.least > 0):
            raise SteerError(f"least={self.least}: a finite dose over 0 is wanted.")

    def run(self, places: Sequence[str], most: float, tried: Tried) -> None:
        """Try places and doses.

        Args:
            places: What they are called; each name once.
            most: The largest relative dose.
            tried: Tries some of them.

        Raises:
            SteerError: Where Optuna is not installed, or is older than 5; or ``most`` is not
                over ``least``.
        """
        if not places:
            raise SteerError("no place came to try anything at.")
        if self.least >= most:
            raise SteerError(
                f"doses from least={self.least:g} to most={most:g}: give a smaller least= to "
                "Optuna, or a larger most= to Search."
            )
        optuna = _optuna()
        with _silent(optuna):
            study = optuna.create_study(
                direction="maximize", sampler=optuna.samplers.TPESampler(seed=self.seed)
            )
        space = {
            "place": optuna.distributions.CategoricalDistribution(list(places)),
            "dose": optuna.distributions.FloatDistribution(self.least, most, log=True),
        }
        for start in range(0, self.trials, self.together):
            count = min(self.together, self.trials - start)
            with _silent(optuna):
                asked = [study.ask(space) for _ in range(count)]
            settings = [(places.index(each.params["place"]), each.params["dose"]) for each in asked]
            found = tried(settings)
            with _silent(optuna):
                for trial, (score, excesses) in zip(asked, _scores(found, count), strict=True):
                    for name, excess in excesses.items():
                        # Optuna adds them up.
                        trial.set_constraint(name, min(excess, 1e6))
                    study.tell(trial, score)


def _scores(found: Any, count: int) -> Sequence[tuple[float, Mapping[str, float]]]:
    """What was found, for as many as were tried; a function may return anything."""
    if not isinstance(found, Sequence) or len(found) != count:
        raise SteerError(
            f"the function returned {found!r}; a score and excesses for each of {count} tries are "
            "wanted."
        )
    return found


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise SteerError(
            f"Optuna() needs the package optuna: {to_install('optuna')}. Without it, "
            "leave optuna= out, and every direction is searched by itself."
        ) from error
    if not hasattr(optuna.trial.Trial, "set_constraint"):
        raise SteerError(
            f"Optuna {optuna.__version__} is installed, and version 5 or later is needed: "
            f"{to_install('optuna')}."
        )
    return optuna


@contextmanager
def _silent(optuna: Any) -> Iterator[None]:
    """Without Optuna's messages on studies and trials; its setting is put back."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
