"""Steering that knows when and where, as files."""

import logging
from pathlib import Path

from benchmarks.tables.composed import about_the_film, as_needed, only_negative, ready, together
from tl_steer.data import packaged_model
from tl_steer.demo.output import require_device, require_writable
from tl_steer.drawing.rendering import figure_png
from tl_steer.files.writing import write_text, write_whole
from tl_steer.page.markdown import table as markdown

_log = logging.getLogger(__name__)


def report_composed(folder: Path, *, device: str | None = None, quick: bool = False) -> None:
    """Write ``composed.md``, and ``interference_*.png`` for both judges, to a folder.

    Args:
        folder: Made where it is lacking.
        device: Of the packaged model; CUDA where there is one by default.
        quick: A small version.

    Raises:
        SteerError: When the folder cannot be written or the device cannot be used.
    """
    require_writable(folder)
    require_device(device)
    _log.info("1/5  directions, and a judge of formality")
    given = ready(packaged_model(device=device), quick=quick)
    _log.info("2/5  sentiment and formality at once")
    both = together(given)
    _log.info("3/5  strength as it is needed")
    adaptive = as_needed(given)
    _log.info("4/5  a gate that fires on negative reviews")
    gate = only_negative(given)
    _log.info("5/5  by attention to the film")
    film = about_the_film(given)
    sections = {
        f"Sentiment and formality at once (judge of formality: {given.formality.accuracy:.2f} "
        "right on texts that it has not seen)": (both.frame, both.effects, both.sums, both.gram),
        "Strength as it is needed": (adaptive,),
        "Share of reviews on which the gate fires": (gate,),
        "Divergence in nats a token": (film,),
    }
    text = "\n\n".join(
        "\n\n".join([f"## {title}", *(markdown(table.round(3)) for table in tables)])
        for title, tables in sections.items()
    )
    write_text(folder / "composed.md", text + "\n")
    for judge in both.sums.index:
        picture = figure_png(both.plot(str(judge)))
        write_whole(folder / f"interference_{judge}.png", picture)
    _log.info("\n%s\n%s", text, folder / "composed.md")
