"""The operating point: where and how strongly to steer, chosen on some prompts, shown on others."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from tqdm.auto import tqdm

from tl_steer.arguments import checked
from tl_steer.directions import AnyDirection
from tl_steer.dosing import StrengthSearch, equal_kl_strengths, unreached
from tl_steer.errors import DataError, SteerError
from tl_steer.experiments._calibration import Calibration
from tl_steer.experiments._calibration_notes import notes_of
from tl_steer.experiments._grid import DirectionGrid, grid, in_both
from tl_steer.experiments._measures import Measures, ModelFactory, loaded
from tl_steer.experiments._operating_point import OperatingPoint
from tl_steer.experiments._run import Run
from tl_steer.experiments._running import Runner
from tl_steer.experiments._search import Search
from tl_steer.experiments._store import CellStore, keep_frame
from tl_steer.experiments._sweep_result import SweepResult
from tl_steer.experiments._tries import Row, Tries
from tl_steer.experiments._workers import Job
from tl_steer.generation import Sampling
from tl_steer.judges import Judge
from tl_steer.lens.protocol import SteerableModel
from tl_steer.scopes import Scope, as_scope, everywhere


@checked
def calibrate(
    model: SteerableModel | ModelFactory,
    directions: AnyDirection | DirectionGrid,
    judge: Judge,
    *,
    validation: Sequence[str],
    test: Sequence[str] | None = None,
    search: Search = Search(),  # noqa: B008, frozen
    sampling: Sampling = Sampling(samples=4),  # noqa: B008, frozen
    scope: Scope | slice = everywhere,
    run: Run = Run(),  # noqa: B008, frozen
) -> Calibration:
    """Choose a direction, its hook point and its strength on validation prompts.

    Among all that was tried and is within the constraints, the one that the judge likes best is
    chosen, the smallest dose among equals. What is tried is what :class:`Search` says.

    The next tries of all directions are written together, in batches in which each row has a
    direction and a strength of its own, from the same random numbers as the unsteered text.

    The best of many is better than it will be again, so that it is measured anew on the test
    prompts, beside no steering.

    Args:
        model: Any TransformerLens model, or a function that loads one; see ``sweep``.
        directions: One; or ``Directions``, of which one hook point is chosen; or several by name.
        judge: Gives a text a number.
        validation: Prompts to choose on.
        test: Other prompts, to report on.
        search: What is tried, which way, and what steering may cost.
        sampling: How texts are drawn.
        scope: Which tokens are steered.
        run: Folder, seeds, chat template and progress.

    Returns:
        The choice, what it does on the test prompts, and everything that was tried. Where nothing
        is within the constraints, ``chosen`` is ``None`` and the result says what came nearest.

    Raises:
        DataError: For no prompts, prompts that are in both sets, or a judge that does not give a
            number for each text.
        SteerError: For numbers that cannot be, a folder that cannot be written to, or a search
            with Optuna where it is not installed.
        MismatchError: For a direction of another model.
        NonFiniteError: When logits or scores are not finite, and for a zero direction.

    Example:
        >>> found = ts.calibrate(model, joy, judge, validation=some, test=others)
        >>> ts.generate(model, prompts, found.steering)
    """
    _check(validation, test, search)
    scope, way, kl = as_scope(scope), search.way, search.kl
    runner = Runner(model, Job(Measures((judge,)), CellStore.at(run.folder)), run.rows)

    def on(name: str, prompts: Sequence[str], given: AnyDirection | DirectionGrid) -> Tries:
        asked = grid(
            {name: list(prompts)},
            given,
            strengths=[1.0],
            doses=None,
            scopes=scope,
            sampling=sampling,
            run=run,
        )
        return Tries(runner, asked.cells, judge.name, search.constraints)

    found = on("validation", validation, directions)
    if test is not None:
        runner.check(on("test", test, directions).cells)
    places = found.places
    for place in places:
        # Relative doses need the norm of the activations.
        place.direction.dose()
    total = len(places) * (1 if kl is not None else search.tries)
    total = total if search.optuna is None else search.optuna.trials
    with tqdm(total=total, desc="calibrate", unit="try", disable=not run.progress) as bar:
        trying = _Trying(found, way, bar.update)
        if kl is not None:
            trying.at_kl(loaded(model), kl, search.most, scope)
        elif search.optuna is None:
            trying.each_place(StrengthSearch(search.first, search.most, search.tries))
        else:
            search.optuna.run([str(place) for place in places], search.most, trying.scored)
    best = _best(found, way)
    chosen, tested = None, None
    if best is not None:
        place, strength = places[best[0]], best[1]
        chosen = OperatingPoint(place.name, place.direction, strength)
        if test is not None:
            tested = on("test", test, {place.name: place.direction})
            tested.run([(0, strength)])
    texts = [*found.texts, *(tested.texts if tested is not None else [])]
    calibration = Calibration(
        curve=_frame(found),
        chosen=chosen,
        best_of={name: _point(found, way, name) for name in _tried(found)},
        test=None if tested is None else _frame(tested),
        swept=SweepResult(pd.concat(texts, ignore_index=True), (judge.name,)),
        judge=judge.name,
        constraints=search.constraints,
        kl=kl,
        way=way,
        scope=scope,
        notes=notes_of(found, best, way=way, most=None if kl is not None else search.most),
    )
    if run.folder is not None:
        calibration.swept.save(run.folder)
        keep_frame(calibration.curve, Path(run.folder) / "curve.parquet", key="curve")
    return calibration


@dataclass(frozen=True, eq=False)
class _Trying:
    """Tries relative doses."""

    tries: Tries
    way: int
    tell: Callable[[int], object]
    """Is told how many were tried."""

    def doses(self, asked: Sequence[tuple[int, float]]) -> list[Row]:
        strengths = [
            (number, self.way * self.tries.places[number].direction.strength_for(dose=dose))
            for number, dose in asked
        ]
        rows = self.tries.run(strengths)
        self.tell(len(asked))
        return rows

    def each_place(self, start: StrengthSearch) -> None:
        searches = [start] * len(self.tries.places)
        while asked := [(n, dose) for n, search in enumerate(searches) for dose in search.next]:
            rows = self.doses(asked)
            for (number, dose), row in zip(asked, rows, strict=True):
                searches[number] = searches[number].after({dose: row["feasible"]})

    def at_kl(self, model: SteerableModel, kl: float, most: float, scope: Scope) -> None:
        places = [place.direction for place in self.tries.places]
        prompts = self.tries.cells[0].prompts
        several = equal_kl_strengths(
            model, prompts.tokens(model), places, kl, way=self.way, scope=scope
        )
        asked = []
        for number, (strength, reached) in enumerate(several):
            why_not = unreached(strength, reached, places[number], kl, most)
            if why_not:
                self.tries.refuse(number, strength, kl=reached, why_not=why_not)
            else:
                asked.append((number, strength))
        self.tries.run(asked)
        self.tell(len(places))

    def scored(self, asked: Sequence[tuple[int, float]]) -> list[tuple[float, Mapping[str, float]]]:
        limits, tries = self.tries.limits, self.tries
        rows = self.doses(asked)
        return [(self.way * row[tries.judge], limits.excesses(row, tries.base)) for row in rows]


def _point(tries: Tries, way: int, name: str) -> OperatingPoint:
    """The best of one direction, or what oversteps the limits least."""
    best = _best(tries, way, name)
    if best is None:
        own = [each for each in tries.rows if tries.places[each[0]].name == name]
        best = min(own, key=lambda each: float(tries.rows[each]["excess"]))
    place, strength = tries.places[best[0]], best[1]
    return OperatingPoint(name, place.direction, strength, str(tries.rows[best]["why_not"]))


def _tried(tries: Tries) -> list[str]:
    """Names of the directions that were tried; a search need not try all of them."""
    return list(dict.fromkeys(tries.places[place].name for place, _ in sorted(tries.rows)))


def _best(tries: Tries, way: int, name: str | None = None) -> tuple[int, float] | None:
    """Place and strength of the best that is within the limits."""
    allowed = {
        each: row
        for each, row in tries.rows.items()
        if row["feasible"] and name in (None, tries.places[each[0]].name)
    }

    def rank(each: tuple[int, float]) -> tuple[float, float]:
        row = allowed[each]
        return way * row[tries.judge], -abs(row["dose"])

    return max(allowed, key=rank, default=None)


def _frame(tries: Tries) -> pd.DataFrame:
    """All rows, by place and dose, after that without steering."""
    several = [tries.rows[each] for each in sorted(tries.rows, key=lambda e: (e[0], abs(e[1])))]
    return pd.DataFrame([tries.base, *several])


def _check(validation: Sequence[str], test: Sequence[str] | None, search: Search) -> None:
    if search.both_ways:
        raise SteerError(
            "both_ways=True is for study(). calibrate() goes one way at a time: call it with "
            "Search(way=1), and once more with Search(way=-1)."
        )
    if test is not None and not len(test):
        raise DataError("test=[]: give prompts to report on, or leave test= out.")
    shared = in_both(validation, test or [])
    if shared:
        raise DataError(
            f"{len(shared)} prompts are both in validation= and in test=, such as {shared[0]!r}. "
            "What was chosen on a prompt cannot be reported on it; take them out of one of the two."
        )
