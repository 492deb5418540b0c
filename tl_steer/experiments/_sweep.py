"""Many settings, in few batches."""

from collections.abc import Mapping, Sequence

import pandas as pd
from tqdm.auto import tqdm

from tl_steer.arguments import checked
from tl_steer.directions import AnyDirection
from tl_steer.experiments._grid import DirectionGrid, grid
from tl_steer.experiments._measures import Measures, ModelFactory
from tl_steer.experiments._run import Run
from tl_steer.experiments._running import Runner
from tl_steer.experiments._store import CellStore
from tl_steer.experiments._sweep_result import SweepResult
from tl_steer.experiments._workers import Job
from tl_steer.generation import Sampling
from tl_steer.judges import Judge
from tl_steer.lens.protocol import SteerableModel
from tl_steer.scopes import Scope, everywhere


@checked
def sweep(
    model: SteerableModel | ModelFactory,
    prompts: Sequence[str] | Mapping[str, Sequence[str]],
    directions: AnyDirection | DirectionGrid,
    strengths: Sequence[float] | None = None,
    *,
    doses: Sequence[float] | None = None,
    scopes: Scope | slice | Mapping[str, Scope | slice] = everywhere,
    sampling: Sampling = Sampling(samples=4),  # noqa: B008, frozen
    judges: Judge | Sequence[Judge] | Measures = (),
    run: Run = Run(),  # noqa: B008, frozen
) -> SweepResult:
    """Add every direction at every strength, in every scope, on every prompt set, with every seed.

    Cells are run together in batches in which each row has a direction and a strength of its own,
    from the same random numbers for the same prompt, sample and seed. A prompt is read once for
    all rows that do the same to it: all samples of a cell, and all cells of a batch where the
    scope leaves the prompt alone. One cell without steering belongs to each prompt set and seed.

    With a folder, each cell is on disk as soon as its group is finished, in a file that is there as
    a whole or not at all. The same call goes on where an earlier one ended, and a call with more
    settings makes only those that are new. What a cell is told apart by is the content of its
    settings: the model's weights, vectors, prompts, sampling, scopes, and the names of the judges.

    Args:
        model: Any TransformerLens model; or a function without arguments that loads one, which
            each worker process of ``joblib.parallel_config`` calls once.
        prompts: To be continued; or several sets of them, by name.
        directions: One, or several by name; where a name has several, one at each hook point,
            these are tried one at a time.
        strengths: In multiples of each direction.
        doses: Relative doses ``αv / ‖h‖`` instead, negative ones to steer away.
        scopes: Which tokens are steered; or several scopes, by name.
        sampling: How texts are drawn.
        judges: Each gives a text a number; or :class:`Measures`, with what else is measured.
        run: Folder, seeds, chat template and progress.

    Returns:
        All texts and, made from them, a row for each cell.

    Raises:
        DataError: For nothing to sweep over, a judge whose name another column has, or one that
            does not give a number for each text.
        SteerError: For a folder that cannot be written to (before the model runs) or no longer
            can; what was finished is kept.
        MismatchError: For a direction of another model.
        NonFiniteError: When logits or scores are not finite.

    Example:
        >>> swept = ts.sweep(model, prompts, {"joy": joy}, [-2, -1, 1, 2], judges=judge)
        >>> swept.cells
    """
    measures = Measures._of(judges)
    asked = grid(
        prompts,
        directions,
        strengths=strengths,
        doses=doses,
        scopes=scopes,
        sampling=sampling,
        run=run,
    )
    job = Job(measures, CellStore.at(run.folder))
    with tqdm(total=len(asked.cells), desc="sweep", unit="cell", disable=not run.progress) as bar:
        texts = Runner(model, job, run.rows).texts(asked.cells, finished=bar.update)
    names = tuple(judge.name for judge in measures.judges)
    swept = SweepResult(pd.concat(texts, ignore_index=True), names)
    if run.folder is not None:
        swept.save(run.folder)
    return swept
