"""From directions to a report, in one call."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from time import monotonic

import pandas as pd
from tqdm.auto import tqdm

from tl_steer.arguments import Count, Seed, checked
from tl_steer.controls import DIRECTION, RANDOM, random_directions
from tl_steer.directions import AnyDirection
from tl_steer.errors import DataError
from tl_steer.experiments._beside_controls import beside_controls
from tl_steer.experiments._calibrate import calibrate
from tl_steer.experiments._calibration import Calibration
from tl_steer.experiments._cell import PromptSet
from tl_steer.experiments._constraints import Constraints
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
from tl_steer.experiments._running import Runner
from tl_steer.experiments._store import CellStore
from tl_steer.experiments._study_cells import at_kl_of, operating_cells
from tl_steer.experiments._study_facts import AWAY, facts_of, limits_of
from tl_steer.experiments._study_table import chosen_table, study_table, tried_table
from tl_steer.experiments._sweep import sweep
from tl_steer.experiments._workers import Job, described
from tl_steer.generation import Sampling
from tl_steer.judges import Judge, require_judges
from tl_steer.lens.protocol import SteerableModel
from tl_steer.lens.tokens import Chat
from tl_steer.reports import StudyResults, kind_of
from tl_steer.scopes import Scope, as_scope, everywhere

_IN_SWEEP, _IN_TABLE = 3, 4
"""Random directions that are drawn beside the curves, and that are averaged in the table; those
that σ is measured by are others' business: see ``Controls.n_random``."""


@checked
def study(
    model: SteerableModel | ModelFactory,
    directions: AnyDirection | DirectionGrid,
    judge: Judge,
    *,
    validation: Sequence[str],
    test: Sequence[str] | Mapping[str, Sequence[str]],
    title: str = "Does it steer?",
    question: str = "",
    controls: Controls = Controls(),  # noqa: B008, frozen
    constraints: Constraints = Constraints(),  # noqa: B008, frozen
    doses: Sequence[float] = (-0.3, -0.2, -0.1, 0.1, 0.2, 0.3),
    tries: Count = 5,
    both_ways: bool = False,
    sampling: Sampling = Sampling(samples=4),  # noqa: B008, frozen
    seeds: Sequence[Seed] | None = None,
    judges: Judge | Sequence[Judge] = (),
    neutral: Sequence[str] = (),
    second: SteerableModel | ModelFactory | None = None,
    scope: Scope | slice = everywhere,
    chat: Chat | None = None,
    prepend_bos: bool | None = None,
    facts: Mapping[str, str] | None = None,
    limits: Sequence[str] = (),
    folder: str | Path | None = None,
    rows: Count | None = None,
    progress: bool = True,
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
        judge: The headline; more of each direction should score higher.
        validation: Prompts to choose on.
        test: Others to report on; or several sets by name, the first of which is compared with
            controls.
        title: Of the report.
        question: What is asked, in a sentence.
        controls: What directions are compared with, and at which KL.
        constraints: What steering may cost.
        doses: Relative doses of the sweep.
        tries: Doses that are tried of each direction at each hook point, at most.
        both_ways: Choose a strength against each direction too, where low scores are wanted; it is
            reported as ``away from …``, and not set beside controls.
        sampling: How texts are drawn.
        seeds: Of the sampling, for what is reported; choices are made with the sampling's own.
        judges: Others, for the table.
        neutral: Texts that have nothing to do with it, to measure the KL of the next token on.
        second: Another model, for a second perplexity, or a function that loads it.
        scope: Which tokens are steered.
        chat: Put prompts into the tokenizer's chat template.
        prepend_bos: Whether prompts begin with a beginning-of-text token.
        facts: What else a reader needs to repeat the study, by name.
        limits: What the study does not show, in sentences, besides what can be told from it.
        folder: Where finished cells are kept, so that the same call goes on where one was ended.
        rows: Texts that are written together; see ``sweep``.
        progress: Whether to show progress bars.

    Returns:
        Everything, with ``save(folder)`` for the report.

    Raises:
        DataError: For prompts that are in two sets, or nothing to do.
        SteerError: For numbers that cannot be, a KL that a direction does not reach, or a folder
            that cannot be written to.
        MismatchError: For a direction of another model.
        NonFiniteError: When logits or scores are not finite, and for a zero direction.

    Example:
        >>> results = ts.study(model, {"joy": joy}, judge, validation=some, test=others)
        >>> results.save("study")
    """
    began, scope = monotonic(), as_scope(scope)
    if isinstance(test, str):
        raise DataError("one string came as test=; give a list of prompts, or lists by name.")
    sets = prompt_sets(test if isinstance(test, Mapping) else {"test": test}, chat, prepend_bos)
    _require_apart(validation, sets)
    samplings = seeded(sampling, seeds)
    others = require_judges(judges)
    require_judges((judge, *others))
    _require_runnable(model, directions, validation, sets, samplings, controls, doses, scope)
    where = None if folder is None else Path(folder)

    def kept(name: str) -> Path | None:
        return None if where is None else where / "cells" / name

    def chosen(way: int, name: str) -> Calibration:
        return calibrate(
            model,
            directions,
            judge,
            validation=validation,
            constraints=constraints,
            way=way,
            tries=tries,
            sampling=sampling,
            scope=scope,
            chat=chat,
            prepend_bos=prepend_bos,
            folder=kept(name),
            rows=rows,
            progress=progress,
        )

    calibrations = {"": chosen(1, "validation")}
    if both_ways:
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
        doses=doses,
        scopes=scope,
        sampling=sampling,
        judges=judge,
        chat=chat,
        prepend_bos=prepend_bos,
        folder=kept("doses"),
        rows=rows,
        progress=progress,
    )
    here = loaded(model)
    controlled = beside_controls(
        Runner(model, Job(Measures((judge,)), CellStore.at(kept("controls"))), rows),
        sets[0],
        {name: point.direction for name, point in towards.items()},
        judge.name,
        samplings,
        controls,
        scope=scope,
        progress=progress,
        model=here,
    )
    (chosen_on,) = prompt_sets({"validation": validation}, chat, prepend_bos)
    kl = float(calibrations[""].row_of(lead)["kl"])
    at_kl = at_kl_of(here, named, kl, chosen_on, scope)
    cells = operating_cells(sets, samplings, points, at_kl, controls.instruction, scope)
    measures = Measures((judge, *others), tuple(neutral), second=second)
    runner = Runner(model, Job(measures, CellStore.at(kept("test"))), rows)
    with tqdm(total=len(cells), desc="test", unit="cell", disable=not progress) as bar:
        texts = pd.concat(runner.texts(cells, finished=bar.update), ignore_index=True)
    known = facts_of(
        model, judge, calibrations, controls, samplings, {"validation": validation}, sets
    )
    minutes = {"time of this call": f"{(monotonic() - began) / 60:.1f} minutes"}
    return StudyResults(
        title=title,
        question=question,
        facts={**(facts or {}), **known, **minutes},
        judge=judge.name,
        cells=swept.cells,
        texts=texts,
        controlled=controlled,
        table=study_table(texts, [judge.name, *(each.name for each in others)], controlled),
        chosen=chosen_table(calibrations, scope_name(scope)),
        tried=tried_table(calibrations),
        limits=[*limits, *limits_of(calibrations, controlled, controls, sets)],
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
    samplings: Sequence[Sampling],
    controls: Controls,
    doses: Sequence[float],
    scope: Scope,
) -> None:
    """Refuse what would be refused later, when much has been written."""
    asked = grid(
        {"validation": validation},
        directions,
        strengths=None,
        doses=doses,
        scopes=scope,
        sampling=samplings[0],
        seeds=None,
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
    cells = operating_cells(sets, samplings[:1], {}, {}, controls.instruction, scope)
    described(model, Job(Measures(), None), [*asked.cells, *cells])
