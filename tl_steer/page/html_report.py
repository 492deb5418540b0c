"""One self-contained page with everything that an experiment showed."""

import base64
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from tl_steer.errors import DataError
from tl_steer.page.html import escaped, table_html

_STYLE = """
:root { color-scheme: light dark; --ink: #1c1c1c; --paper: #ffffff; --faint: #5f6368; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e6e6; --paper: #16181c; --faint: #a3a8b0; }
}
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 62rem; margin: 2rem auto; padding: 0 1.2rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin-bottom: .6rem; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
h3 { font-size: 1rem; margin: 1.4rem 0 .4rem; }
ul { max-width: 46rem; padding-left: 1.2rem; margin: .6rem 0; }
li { margin: .35rem 0; overflow-wrap: anywhere; }
p { max-width: 46rem; margin: .6rem 0; }
.facts { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.4rem; margin: 0; }
.facts dt { color: var(--faint); }
.facts dd { margin: 0; overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
.numbers { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.numbers th, .numbers td { padding: .3rem .9rem .3rem 0; text-align: left;
  border-bottom: 1px solid rgba(128, 128, 128, .35); }
.numbers .number { text-align: right; }
figure { margin: 1.6rem 0; break-inside: avoid; }
figure img { display: block; width: 100%; max-width: 46rem; height: auto; background: #ffffff;
  border-radius: 6px; }
figcaption { color: var(--faint); font-size: .9rem; margin-top: .4rem; }
@media print {
  :root { --ink: #000000; --paper: #ffffff; --faint: #444444; color-scheme: light; }
  body { margin: 0; max-width: none; font-size: 10.5pt; }
  h2, h3 { break-after: avoid; }
  tr { break-inside: avoid; }
  .wide { overflow: visible; }
}
"""
# A report is often opened from a download folder: whatever a text in it tries, nothing is loaded.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def page_html(title: str, parts: Sequence[str]) -> str:
    """A page that needs no other file, no script and no network.

    Args:
        title: The heading.
        parts: HTML, in order; such as from the functions below.

    Returns:
        The page, to be written as UTF-8.
    """
    body = "\n".join(parts)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escaped(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>{escaped(title)}</h1>
{body}
</body>
</html>
"""


def side_by_side_html(frame: pd.DataFrame, *, caption: str = "") -> str:
    """A frame of texts as a table: columns are conditions, rows are prompts.

    Raises:
        DataError: A cell is not a string, or the frame has no columns or two of one name.
    """
    names = [str(column) for column in frame.columns]
    if len(set(names)) < len(names):
        raise DataError(f"the columns are {names}; each condition needs a name of its own.")
    columns = {name: frame.iloc[:, place].tolist() for place, name in enumerate(names)}
    for name, texts in columns.items():
        for row, text in enumerate(texts):
            if not isinstance(text, str):
                raise DataError(f"column {name!r}, row {row} is {text!r}; it has to be a text.")
    return table_html(columns, caption=caption)


def section_html(heading: str, content: str) -> str:
    """HTML under a heading of the second level; the heading is escaped, the content is not."""
    return f"<section>\n<h2>{escaped(heading)}</h2>\n{content}\n</section>"


def facts_html(facts: Mapping[str, str]) -> str:
    """Names and what they stand for, as a list."""
    rows = "\n".join(f"<dt>{escaped(k)}</dt><dd>{escaped(v)}</dd>" for k, v in facts.items())
    return f'<dl class="facts">\n{rows}\n</dl>'


def numbers_html(frame: pd.DataFrame) -> str:
    """A table of numbers, rounded for reading; the index is left out."""
    columns = [frame.iloc[:, place] for place in range(frame.shape[1])]
    cells = [shown(column) for column in columns]
    classes = [
        ' class="number"' if pd.api.types.is_numeric_dtype(column.dtype) else ""
        for column in columns
    ]
    head = "".join(
        f'<th scope="col"{css}>{escaped(str(name))}</th>'
        for name, css in zip(frame.columns, classes, strict=True)
    )
    body = "\n".join(
        "<tr>"
        + "".join(f"<td{css}>{escaped(cell)}</td>" for cell, css in zip(row, classes, strict=True))
        + "</tr>"
        for row in zip(*cells, strict=True)
    )
    return (
        f'<div class="wide"><table class="numbers">\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def shown(column: pd.Series) -> list[str]:
    """The cells of a column, with as many decimals as four digits of its largest number need."""
    missing = column.isna()
    if not pd.api.types.is_float_dtype(column.dtype):
        cells = [str(value) for value in column]
    else:
        sizes = np.abs(column[~missing].to_numpy(dtype=float))
        largest = max(sizes[np.isfinite(sizes)], default=0.0)
        style = ".2e" if 0 < largest < 0.01 else f".{_decimals(largest)}f"
        cells = [format(float(value), style) for value in column]
    return ["–" if gap else text for gap, text in zip(missing, cells, strict=True)]


def _decimals(largest: float) -> int:
    return 3 if largest < 10 else 2 if largest < 100 else 1


def picture_html(caption: str, png: bytes) -> str:
    """A picture within the page, with its caption."""
    data = base64.b64encode(png).decode("ascii")
    text = escaped(caption)
    return (
        f'<figure>\n<img alt="{text}" src="data:image/png;base64,{data}">\n'
        f"<figcaption>{text}</figcaption>\n</figure>"
    )
