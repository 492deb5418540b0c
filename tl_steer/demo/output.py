"""What commands check before they begin, and how they write tables."""

from pathlib import Path

import pandas as pd
import torch

from tl_steer.errors import SteerError
from tl_steer.reports import StudyResults, headline


def require_device(device: str | None) -> None:
    """Refuse a device that cannot be used here.

    Raises:
        SteerError: Saying why.
    """
    if device is None:
        return
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise SteerError(
            f"device {device!r} cannot be used here: {str(error).splitlines()[0]} "
            "Try --device cpu, or leave it out."
        ) from error


def require_writable(folder: Path) -> None:
    """Make a folder, and refuse one that cannot be written to.

    Raises:
        SteerError: Saying why.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise SteerError(
            f"{folder}: cannot be written to ({error.strerror}); give another with --output."
        ) from error


def summary(results: StudyResults, folder: Path) -> str:
    """The table of a study in short, what beats its controls, and where the report is.

    Args:
        results: What was found.
        folder: Where it was saved.
    """
    digits = {results.judge: 2, "perplexity": 1, "perplexity_ratio": 2, "distinct_2": 2, "sigma": 1}
    shown = ["method", "prompts", *(name for name in digits if name in results.table), "beats"]
    table = results.table[shown].set_index("method").round(digits)
    return f"{markdown(table)}\n\n{headline(results.controlled)}\n\n{folder / 'report.html'}"


def markdown(table: pd.DataFrame) -> str:
    """Write a table with its index, empty where a number is missing."""
    filled = table.astype(object).where(table.notna(), "")
    rows = [
        [str(name), *map(str, row)]
        for name, row in zip(filled.index, filled.to_numpy(), strict=True)
    ]
    head = ["", *map(str, filled.columns)]
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
