"""Many settings, in few batches."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from tqdm.auto import tqdm

from tl_steer.arguments import Count, Seed, checked
from tl_steer.directions import AnyDirection
from tl_steer.experiments._grid import DirectionGrid, grid
from tl_steer.experiments._measures import Measures, ModelFactory
from tl_steer.experiments._running import Runner
from tl_steer.experiments._store import CellStore
from tl_steer.experiments._sweep_result import SweepResult
from tl_steer.experiments._workers import Job
from tl_steer.generation import Sampling
from tl_steer.judges import Judge, require_judges
from tl_steer.lens.protocol import SteerableModel
from tl_steer.lens.tokens import Chat
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
    seeds: Sequence[Seed] | None = None,
    judges: Judge | Sequence[Judge] = (),
    neutral: Sequence[str] = (),
    relevance: bool = False,
    second: SteerableModel | ModelFactory | None = None,
    chat: Chat | None = None,
    prepend_bos: bool | None = None,
    folder: str | Path | None = None,
    rows: Count | None = None,
    progress: bool = True,
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
        seeds: Of the sampling; its own alone by default.
        judges: Each gives a text a number.
        neutral: Texts that have nothing to do with it, to measure the KL of the next token on.
        relevance: Measure how much a text has to do with its prompt.
        second: Another model, for a second perplexity, or a function that loads it.
        chat: Put prompts into the tokenizer's chat template.
        prepend_bos: Whether prompts begin with a beginning-of-text token.
        folder: Where finished cells are kept.
        rows: Texts of a group of cells; by default 128, or what a GPU's memory holds. A group is
            what is saved at once, and what a worker is given at a time.
        progress: Whether to show a progress bar.

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
    several = require_judges(judges)
    asked = grid(
        prompts,
        directions,
        strengths=strengths,
        doses=doses,
        scopes=scopes,
        sampling=sampling,
        seeds=seeds,
        chat=chat,
        prepend_bos=prepend_bos,
    )
    store = CellStore.at(folder)
    job = Job(Measures(several, tuple(neutral), relevance, second), store)
    with tqdm(total=len(asked.cells), desc="sweep", unit="cell", disable=not progress) as bar:
        texts = Runner(model, job, rows).texts(asked.cells, finished=bar.update)
    swept = SweepResult(pd.concat(texts, ignore_index=True), tuple(judge.name for judge in several))
    if folder is not None:
        swept.save(folder)
    return swept
