"""The comparison of estimators, as files."""

import logging
from pathlib import Path

import pandas as pd

from benchmarks.tables.estimators import AT, DOSE, Sizes, compare_estimators, predicted
from tl_steer.data import packaged_model
from tl_steer.demo.output import require_device, require_writable
from tl_steer.demo.planted_table import SIZES, planted_table
from tl_steer.files.csv_cells import frame_csv
from tl_steer.files.writing import write_text
from tl_steer.page.markdown import table as markdown

_log = logging.getLogger(__name__)


def report_estimators(folder: Path, *, device: str | None = None, quick: bool = False) -> None:
    """Write ``planted.csv``, ``reviews.csv`` and both as tables, ``estimators.md``.

    Args:
        folder: Made where it is lacking.
        device: Of the packaged model; CUDA where there is one by default.
        quick: A small version.

    Raises:
        SteerError: When the folder cannot be written or the device cannot be used.
    """
    require_writable(folder)
    require_device(device)
    _log.info("1/2  how near estimators come to a planted truth")
    planted = planted_table(SIZES[:3], seeds=(0, 1)) if quick else planted_table()
    _log.info("2/2  what directions separate and steer, at %s and dose %g", AT, DOSE)
    sizes = Sizes.small() if quick else Sizes()
    reviews = compare_estimators(packaged_model(device=device), sizes=sizes)
    text = "\n".join(
        [
            "Cosine with the planted truth, mean ± standard deviation over seeds:",
            "",
            markdown(_by_size(planted)),
            "",
            f"Film reviews at {AT}, relative dose {DOSE}:",
            "",
            markdown(reviews.round(2)),
            "",
            "Rank correlation of the verdict's score with the effect: {:.2f} (p = {:.3f}).".format(
                *predicted(reviews)
            ),
            "",
        ]
    )
    write_text(folder / "planted.csv", frame_csv(planted))
    write_text(folder / "reviews.csv", frame_csv(reviews.rename_axis("direction")))
    write_text(folder / "estimators.md", text)
    _log.info("\n%s\n%s", text, folder / "estimators.md")


def _by_size(planted: pd.DataFrame) -> pd.DataFrame:
    cells = [
        "needs more" if pd.isna(mean) else f"{mean:.2f} ± {sd:.2f}"
        for mean, sd in zip(planted["mean"], planted["sd"], strict=True)
    ]
    wide: pd.DataFrame = planted.assign(cell=cells).pivot_table(
        index="estimator", columns="n", values="cell", aggfunc="first", sort=False
    )
    return wide
