"""Where sentiment is carried, as files."""

import logging
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.tables.causal import (
    STREAM,
    Located,
    Sizes,
    compared,
    located,
    paths_of,
    sentiment_directions,
)
from tl_steer.causal import (
    attribution_scatter,
    head_heatmap,
    layer_effects,
    path_figure,
    position_heatmap,
)
from tl_steer.data import packaged_model
from tl_steer.demo.output import require_device, require_writable
from tl_steer.drawing.rendering import figure_png
from tl_steer.files.csv_cells import frame_csv
from tl_steer.files.writing import write_text, write_whole
from tl_steer.page.markdown import table as markdown

LIMIT = 0.2
"""Nats of the next token, at which ways to steer are compared."""

_SITE_COLUMNS = ["hook_name", "head", "effect", "low", "high", "share"]
_log = logging.getLogger(__name__)


def report_causal(folder: Path, *, device: str | None = None, quick: bool = False) -> None:
    """Write ``causal.md``, ``compared.csv``, ``sweep.csv`` and pictures to a folder.

    Args:
        folder: Made where it is lacking.
        device: Of the packaged model; CUDA where there is one by default.
        quick: A small version.

    Raises:
        SteerError: When the folder cannot be written or the device cannot be used.
    """
    require_writable(folder)
    require_device(device)
    sizes = Sizes.small() if quick else Sizes()
    model = packaged_model(device=device)
    _log.info("1/4  where sentiment is carried")
    found = located(model, sizes)
    _log.info("2/4  directions, from film reviews")
    directions = sentiment_directions(model, sizes)
    _log.info("3/4  which way the effect of a direction goes")
    joy = directions[STREAM.replace("*", str(int(model.cfg.n_layers) // 2))]
    paths = paths_of(model, joy, sizes)
    _log.info("4/4  steering there and elsewhere, at a mean KL of %g nats", LIMIT)
    sweep, table = compared(model, found, directions, sizes, limit=LIMIT)
    sections = {
        f"Attention and MLP outputs, by patching (whole difference {found.outputs.whole:.2f})": (
            found.outputs.ranking[_SITE_COLUMNS].head(8).drop(columns="head")
        ),
        "Heads, by attribution": found.heads.ranking[_SITE_COLUMNS].head(8),
        _correlations(found): found.verified.problems[
            ["hook_name", "head", "attribution", "patching", "problem"]
        ],
        f"Paths of {joy.hook_name} at a dose of 0.1": paths.summary,
        f"Single layers on validation prompts, at a mean KL of {LIMIT:g}": sweep,
        f"Steering on test prompts, at a mean KL of {LIMIT:g}": table,
    }
    text = "\n\n".join(
        f"## {title}\n\n{markdown(each.round(3))}" for title, each in sections.items()
    )
    write_text(folder / "causal.md", text + "\n")
    write_text(folder / "compared.csv", frame_csv(table.rename_axis("condition")))
    write_text(folder / "sweep.csv", frame_csv(sweep.rename_axis("condition")))
    pictures: dict[str, Figure] = {
        "layers": layer_effects(found.outputs),
        "positions": position_heatmap(found.by_position, prompt=0),
        "heads": head_heatmap(found.heads),
        "attribution": attribution_scatter(found.verified),
        "paths": path_figure(paths),
    }
    for name, figure in pictures.items():
        write_whole(folder / f"{name}.png", figure_png(figure))
    _log.info("\n%s\n%s", text, folder / "causal.md")


def _correlations(found: Located) -> str:
    verified = found.verified
    return (
        f"Attribution against patching: rank correlation {found.rank_correlation:.2f} over all "
        f"attention and MLP outputs, {verified.rank_correlation:.2f} ({verified.low:.2f} to "
        f"{verified.high:.2f}) over {len(verified.frame)} heads, best and random; heads where "
        "they disagree"
    )
