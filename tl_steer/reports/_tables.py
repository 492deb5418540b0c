"""Tables as CSV files that a spreadsheet may open: nothing in them is run as a formula."""

from pathlib import Path
from typing import Any

import pandas as pd

from tl_steer.people import guarded


def write_csv(frame: pd.DataFrame, path: Path) -> Path:
    """Write a frame, with its index where that has a name.

    Texts and heads that a spreadsheet would run as a formula begin with an apostrophe; numbers, a
    negative one too, stay as they are.

    Raises:
        OSError: When it cannot be written.
    """
    named = any(name is not None for name in frame.index.names)
    whole = frame.reset_index() if named else frame
    cells = {number: whole.iloc[:, number].map(_cell) for number in range(whole.shape[1])}
    table = pd.DataFrame(cells, index=whole.index)
    table.columns = [_cell(str(name)) for name in whole.columns]
    table.to_csv(path, index=False, encoding="utf-8")
    return path


def _cell(value: Any) -> Any:
    return guarded(value) if isinstance(value, str) else value
