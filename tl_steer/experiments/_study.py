"""From directions to a report, in one call."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from time import monotonic

import pandas as pd
from tqdm.auto import tqdm

from tl_steer.arguments import checked
from tl_steer.controls import DIRECTION, RANDOM, random_directions
from tl_steer.directions import AnyDirection
from tl_steer.errors import DataError, SteerError
from tl_steer.experiments._beside_controls import beside_controls
from tl_steer.experiments._calibrate import calibrate
from tl_steer.experiments._calibration import Calibration
from tl_steer.experiments._cell import PromptSet
from tl_steer.experiments._control_conditions import Controls, conditions_of
from tl_steer.experiments._grid import (
    DirectionGrid,
    by_name,
    grid,
    in_both,
    prompt_sets,
    scope_name,
    seeded,
)
from tl_steer.experiments._measures import Measures, ModelFactory, loaded
from tl_steer.experiments._run import Run
from tl_steer.experiments._running import Runner
from tl_steer.experiments._search import Search
from tl_steer.experiments._store import CellStore
from tl_steer.experiments._study_cells import at_kl_of, operating_cells
from tl_steer.experiments._study_facts import AWAY, facts_of, limits_of
from tl_steer.experiments._study_table import chosen_table, study_table, tried_table
from tl_steer.experiments._sweep import sweep
from tl_steer.experiments._workers import Job, described
from tl_steer.generation import Sampling
from tl_steer.judges import Judge
from tl_steer.lens.protocol import SteerableModel
from tl_steer.reports import StudyResults, kind_of
from tl_steer.scopes import Scope, as_scope, everywhere

_IN_SWEEP, _IN_TABLE = 3, 4
"""Random directions that are drawn beside the curves, and that are averaged in the table; those
that σ is measured by are others' business: see ``Controls.n_random``."""


@checked
def study(
    model: SteerableModel | ModelFactory,
    directions: AnyDirection | DirectionGrid,
    judges: Judge | Sequence[Judge] | Measures,
    *,
    validation: Sequence[str],
    test: Sequence[str] | Mapping[str, Sequence[str]],
    search: Search = Search(tries=5),  # noqa: B008, frozen
    controls: Controls = Controls(),  # noqa: B008, frozen
    sampling: Sampling = Sampling(samples=4),  # noqa: B008, frozen
    scope: Scope | slice = everywhere,
    run: Run = Run(),  # noqa: B008, frozen
) -> StudyResults:
    """Choose where and how strongly, measure on other prompts, and compare with controls.

    1. :func:`calibrate` chooses on the validation prompts, for each direction by itself, the hook
       point and the dose that the judge likes best within the constraints; with ``both_ways``, also
       those against the direction that it likes least.
    2. :func:`sweep` draws what every dose does at every hook point, on the same prompts.
    3. :func:`each_against_controls` sets each direction, at its hook point, beside its controls at
       one KL, on the first set of test prompts.
    4. All operating points are run on all test prompts, beside no steering, the instruction, and
       random directions that have the KL of the first direction's operating point.

    Args:
        model: Any TransformerLens model, or a function that loads one; see ``sweep``.
        directions: By name, each at one hook point or several, or over a ``LayerRun``; the first is
            the reference.
        judges: The headline, of which more of each direction should score higher, and others for
            the table; or :class:`Measures`, with what else is measured.
        validation: Prompts to choose on.
        test: Others to report on; or several sets by name, the first of which is compared with
            controls.
        search: What is tried, which ways, and what steering may cost.
        controls: What directions are compared with, and at which KL.
        sampling: How texts are drawn.
        scope: Which tokens are steered.
        run: Folder, chat template and progress; and the seeds of what is reported, whereas choices
            are made with the sampling's own.

    Returns:
        Everything, with ``about(…)`` to give it a title and a question, and ``save(folder)`` for
        the report.

    Raises:
        DataError: For prompts that are in two sets, no judge, or nothing to do.
        SteerError: For numbers that cannot be, a KL that a direction does not reach, or a folder
            that cannot be written to.
        MismatchError: For a direction of another model.
        NonFiniteError: When logits or scores are not finite, and for a zero direction.

    Example:
        >>> results = ts.study(model, {"joy": joy}, judge, validation=some, test=others)
        >>> results.save("study")
    """
    began, scope = monotonic(), as_scope(scope)
    measures = Measures._of(judges)
    if not measures.judges:
        raise DataError("no judge came; the first is what is chosen and reported by.")
    judge = measures.judges[0]
    if isinstance(test, str):
        raise DataError("one string came as test=; give a list of prompts, or lists by name.")
    sets = prompt_sets(test if isinstance(test, Mapping) else {"test": test}, run)
    _require_apart(validation, sets)
    _require_runnable(model, directions, validation, sets, sampling, controls, search, scope, run)
    samplings = seeded(sampling, run)
    # Choices are made with the sampling's own seed.
    where, choosing = run.within("cells"), replace(run.within("cells"), seeds=None)

    def chosen(way: int, name: str) -> Calibration:
        return calibrate(
            model,
            directions,
            judge,
            validation=validation,
            search=replace(search, way=way, both_ways=False),
            sampling=sampling,
            scope=scope,
            run=choosing.within(name),
        )

    calibrations = {"": chosen(1, "validation")}
    if search.both_ways:
        calibrations[AWAY] = chosen(-1, "validation away")
    points = {
        prefix + name: replace(point, name=prefix + name)
        for prefix, each in calibrations.items()
        for name, point in each.best_of.items()
    }
    towards = calibrations[""].best_of
    lead = next(iter(towards.values()))
    beside = random_directions(lead.direction, _IN_TABLE, seed=controls.seed)
    named = {f"{RANDOM} {n}": each for n, each in enumerate(beside, start=1)}
    swept = sweep(
        model,
        {"validation": validation},
        {**by_name(directions), **dict(list(named.items())[:_IN_SWEEP])},
        doses=search.doses,
        scopes=scope,
        sampling=sampling,
        judges=judge,
        run=choosing.within("doses"),
    )
    here = loaded(model)

    def runner(measured: Measures, name: str) -> Runner:
        return Runner(model, Job(measured, CellStore.at(where.within(name).folder)), run.rows)

    controlled = beside_controls(
        runner(Measures((judge,)), "controls"),
        sets[0],
        {name: point.direction for name, point in towards.items()},
        judge.name,
        samplings,
        controls,
        scope=scope,
        progress=run.progress,
        model=here,
    )
    (chosen_on,) = prompt_sets({"validation": validation}, run)
    kl = float(calibrations[""].row_of(lead)["kl"])
    at_kl = at_kl_of(here, named, kl, chosen_on, scope)
    cells = operating_cells(sets, samplings, points, at_kl, controls.instruction, scope)
    with tqdm(total=len(cells), desc="test", unit="cell", disable=not run.progress) as bar:
        written = runner(measures, "test").texts(cells, finished=bar.update)
    texts = pd.concat(written, ignore_index=True)
    known = facts_of(
        model, judge, calibrations, controls, samplings, {"validation": validation}, sets
    )
    minutes = {"time of this call": f"{(monotonic() - began) / 60:.1f} minutes"}
    return StudyResults(
        title="Does it steer?",
        question="",
        facts={**known, **minutes},
        judge=judge.name,
        cells=swept.cells,
        texts=texts,
        controlled=controlled,
        table=study_table(texts, [each.name for each in measures.judges], controlled),
        chosen=chosen_table(calibrations, scope_name(scope)),
        tried=tried_table(calibrations),
        limits=limits_of(calibrations, controlled, controls, sets),
    )


def _require_apart(validation: Sequence[str], sets: Sequence[PromptSet]) -> None:
    """Refuse, before anything is run, test prompts that something was chosen on."""
    if isinstance(validation, str) or not validation:
        raise DataError("validation=: give a list of prompts to choose on.")
    for each in sets:
        shared = in_both(validation, each.prompts)
        if shared:
            raise DataError(
                f"{len(shared)} prompts of {each.name} are in validation= too, such as "
                f"{shared[0]!r}. What was chosen on a prompt cannot be reported on it."
            )


def _require_runnable(
    model: SteerableModel | ModelFactory,
    directions: AnyDirection | DirectionGrid,
    validation: Sequence[str],
    sets: Sequence[PromptSet],
    sampling: Sampling,
    controls: Controls,
    search: Search,
    scope: Scope,
    run: Run,
) -> None:
    """Refuse what would be refused later, when much has been written."""
    if search.way != 1:
        raise SteerError(
            "way=-1: a study adds the directions. Turn them around, -joy, or give both_ways=True."
        )
    asked = grid(
        {"validation": validation},
        directions,
        strengths=None,
        doses=search.doses,
        scopes=scope,
        sampling=sampling,
        run=replace(run, seeds=None),
    )
    few = replace(controls, n_random=2, n_orthogonal=0)
    for cell in asked.cells:
        if cell.direction is not None:
            if kind_of(cell.name) != DIRECTION or cell.name.startswith(AWAY):
                raise DataError(
                    f"{cell.name!r} is what a control, or the other way, is called here; give the "
                    "direction another name."
                )
            conditions_of(cell.name, cell.direction, few)
    drawn = seeded(sampling, run)[:1]
    cells = operating_cells(sets, drawn, {}, {}, controls.instruction, scope)
    described(model, Job(Measures(), None), [*asked.cells, *cells])
