"""Experiments with texts and directions of your own, as words for a terminal."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tl_steer.activations import Activations, capture
from tl_steer.cli.own import Found, direction_of, lines_of
from tl_steer.data import ContrastSet, neutral_background
from tl_steer.demo.output import require_writable, summary
from tl_steer.directions import AnyDirection, Directions, LayerRun, mean_difference
from tl_steer.errors import DataError
from tl_steer.experiments import Controls, Measures, Run, Search, study, sweep
from tl_steer.generation import Sampling
from tl_steer.judges import Judge, formality_judge, sentiment_judge, train_judge, vader_judge
from tl_steer.lens.protocol import SteerableModel
from tl_steer.reports import headline, verdicts

OWN = "texts"
JUDGES: Mapping[str, Callable[[], Judge]] = {
    "sentiment": sentiment_judge,
    "vader": vader_judge,
    "formality": formality_judge,
}
"""Judges that come with tl_steer, by what they are called on the command line."""

PARTS = {"direction": 0.5, "judge": 0.35, "held out": 0.15}
"""What share of texts the direction is taken from, the judge trained on, and measured by."""


def prompts_of(given: Sequence[str], file: Path | None) -> list[str]:
    """Prompts as they were given, and those of a file with one a line.

    Raises:
        SteerError: For none, and a file that cannot be read.
    """
    found = [*given, *(lines_of(file) if file is not None else ())]
    if not found:
        raise DataError("give prompts to continue, or --prompts FILE with one a line.")
    return found


def sweep_file(
    model: SteerableModel,
    file: Path,
    prompts: Sequence[str],
    *,
    layer: int | None,
    doses: Sequence[float],
    judges: Sequence[str],
    sampling: Sampling,
    run: Run,
) -> Found:
    """Add the directions of a file at every dose, and say what that does and costs.

    Raises:
        SteerError: For a file that is none of ours, a direction of another model, and doses or
            settings that do not fit.
    """
    loaded = Directions.load(file) if layer is None else direction_of(file, layer)
    given = {file.stem: loaded}
    found = sweep(
        model,
        list(prompts),
        given,
        doses=list(doses),
        sampling=sampling,
        judges=[JUDGES[name]() for name in judges],
        run=run,
    )
    shown = found.cells.sort_values(["layer", "dose"], kind="stable")
    table = shown[["hook_name", "dose"]].replace({"hook_name": {"": "unsteered"}})
    for name in found.judges:
        table[name] = [
            f"{row[name]:.2f} [{row[f'{name}_low']:.2f}, {row[f'{name}_high']:.2f}]"
            for _, row in shown.iterrows()
        ]
    for column, digits in {"perplexity": 1, "repetition": 3, "kl": 3}.items():
        table[column] = shown[column].round(digits)
    words = table.round({"dose": 3}).to_string(index=False)
    if run.folder is not None:
        words += f"\n\n{run.folder}"
    return Found(words, {"cells": records(found.cells)})


@dataclass(frozen=True)
class Asked:
    """What a study of texts of one's own is asked for, as its options say."""

    layers: Sequence[int] | None
    """To choose among; ``None`` for those about the middle."""

    judge: str
    """One of :data:`JUDGES`, or ``texts``."""

    both_ways: bool
    instruction: str | None
    kl: float
    quick: bool
    said: str
    """The whole command, for the report."""

    @property
    def search(self) -> Search:
        """What is tried."""
        if self.quick:
            return Search(tries=2, both_ways=self.both_ways, doses=(-0.2, 0.2))
        return Search(tries=5, both_ways=self.both_ways)

    def controls(self, acts: Activations) -> Controls:
        """What the direction is compared with."""
        few = {"n_random": 3, "n_orthogonal": 1} if self.quick else {}
        return Controls(kl=self.kl, shuffled=acts, instruction=self.instruction, **few)


def study_texts(
    model: SteerableModel,
    texts: ContrastSet,
    prompts: Sequence[str],
    asked: Asked,
    *,
    sampling: Sampling,
    run: Run,
) -> Found:
    """Ask whether the mean difference of texts of your own steers, and write the report.

    With the judge ``texts``, half of the texts is for the direction, and the judge is trained on
    others. Every second prompt is for choosing where and how strongly, the rest for the report.

    Raises:
        SteerError: For too few texts or prompts, settings that do not fit, or a folder that cannot
            be written to.
    """
    folder = Path(run.folder or ".")
    require_writable(folder)
    prompts = list(dict.fromkeys(prompts))
    if len(prompts) < 4:
        raise DataError(
            f"{len(prompts)} prompts came; a study needs 4 or more, half of them to choose on. Put "
            "more into the file, one a line."
        )
    own = asked.judge == OWN
    judge = _judge(texts) if own else JUDGES[asked.judge]()
    read = texts.split(PARTS)["direction"] if own else texts
    where = _layers(model, asked.layers)
    acts = capture(model, read, at=where, progress=run.progress)
    results = study(
        model,
        {"mean difference": _places(mean_difference(acts))},
        Measures([judge], neutral=neutral_background()[: 4 if asked.quick else 32]),
        validation=prompts[::2],
        test=prompts[1::2],
        search=asked.search,
        controls=asked.controls(acts),
        sampling=sampling,
        run=run,
    )
    results = results.about(
        f"Does it steer? {texts.name}",
        f"Does the mean difference of {texts.name} make the model write more of what the first "
        "have, is it more than controls that change the model as much do, and what does it cost?",
        facts={
            "data": f"{len(read.positive)} and {len(read.negative)} texts, mean of tokens",
            "command": asked.said,
        },
        limits=[
            *(["A quick run: it shows that everything works, and says nothing."] * asked.quick),
            f"The judge, {judge!r}, knows no more than it was trained on.",
        ],
    )
    results.save(folder)
    values = {
        "folder": str(folder),
        "headline": headline(results.controlled),
        "verdicts": verdicts(results.controlled),
        "table": records(results.table),
        "chosen": records(results.chosen),
    }
    return Found(summary(results, folder), values)


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows that JSON can hold: what is not a finite number is ``None``."""
    plain = frame.astype(object).where(frame.notna(), None).replace({np.inf: None, -np.inf: None})
    return [
        {str(name): value.item() if isinstance(value, np.generic) else value for name, value in row}
        for row in (each.items() for each in plain.to_dict("records"))
    ]


def _judge(texts: ContrastSet) -> Judge:
    parts = texts.split(PARTS)
    try:
        return train_judge(parts["judge"], held_out=parts["held out"], name="property")
    except DataError as error:
        raise DataError(
            f"{error} A third of your texts is for the judge: give more texts, or another judge, "
            f"--judge {next(iter(JUDGES))}."
        ) from error


def _layers(model: SteerableModel, layers: Sequence[int] | None) -> list[int]:
    """As asked; or three about the middle, and what lies between them."""
    n = int(model.cfg.n_layers)
    if layers is not None:
        return sorted({*layers})
    return list(range(n // 3, max(n // 3 + 1, 2 * n // 3 + 1)))


def _places(directions: Directions) -> list[AnyDirection]:
    """The first, the middle and the last layer, and all of them at once where they are a run."""
    several = list(directions.values())
    ends = {0, len(several) // 2, len(several) - 1}
    found: list[AnyDirection] = [several[number] for number in sorted(ends)]
    first = several[0].layer
    if len(several) > 1 and several[-1].layer - first == len(several) - 1:
        found.append(LayerRun(directions))
    return found
