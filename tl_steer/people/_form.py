"""A rating sheet as one HTML page: no network, nothing outside it, one small script of its own."""

import base64
import hashlib
from importlib.resources import files

import pandas as pd

from tl_steer.page.html import escaped
from tl_steer.people._question import FIRST, SAME, SECOND, SKIP, Question

_WORDS = {FIRST: "The first", SAME: "No difference", SECOND: "The second"}
_PAIR_KEYS = {FIRST: "1", SAME: "0", SECOND: "2"}


def form_html(question: Question, items: pd.DataFrame, sheet: str) -> str:
    """Set a sheet as a page for raters.

    It asks one text at a time, or all in a list; keeps what was answered in the browser where that
    allows it; and gives a CSV file to be sent back, one row an item with the columns ``sheet``,
    ``rater``, ``item``, ``rating`` and ``comment``. All texts are escaped. The page's policy allows
    its own script and style, by their hashes, and nothing else: nothing is loaded or sent.

    Args:
        question: What is asked.
        items: ``item``, ``prompt``, and ``text`` or ``first`` and ``second``; in order.
        sheet: Name of the sheet.

    Returns:
        The page, to be written as UTF-8.
    """
    script, style = _part("form.js"), _part("form.css")
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    n = len(items)
    body = "\n".join(
        _item(question, row, f"{place} of {n}")
        for place, row in enumerate(items.to_dict("records"), start=1)
    )
    things, each = ("pairs", "pair") if question.kind == "pair" else ("texts", "text")
    keys = "1 first, 2 second, 0 no difference" if question.kind == "pair" else "digits answer"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Rating sheet</title>
<style>{style}</style>
</head>
<body class="{things}" data-sheet="{sheet}">
<header>
<h1 dir="auto">{escaped(question.text)}</h1>
<div class="progress"><progress id="done" value="0" max="{n}" aria-labelledby="count"></progress>
<span id="count" role="status">0 of {n} answered</span></div>
</header>
<p class="faint">Judge each {each} by itself; there are no right answers. Some may come twice.
Nothing leaves this computer: at the end you save a file, and send it back.</p>
<noscript><p><strong>This page needs JavaScript to save answers.</strong> Without it, fill in
sheet.csv in a spreadsheet.</p></noscript>
<p class="rater"><label for="rater">Your name or initials</label>
<input type="text" id="rater" autocomplete="off" maxlength="80"></p>
<main>
{body}
</main>
<nav class="scripted" hidden aria-label="Through the {things}">
<button type="button" id="back">Back</button>
<button type="button" id="next">Next</button>
</nav>
<p class="options scripted" hidden>
<label><input type="checkbox" id="one" checked> One at a time</label>
<label><input type="checkbox" id="keys" checked> Keys: {keys}, s skip, n next, p back</label>
</p>
<section class="save scripted" hidden aria-label="Save">
<button type="button" id="save">Save answers</button>
<button type="button" id="clear">Start anew</button>
<p id="message" role="status"></p>
<details id="instead" hidden><summary>No file appeared?</summary>
<label for="copy">Copy all of this into a text file whose name ends in .csv:</label>
<textarea id="copy" readonly></textarea></details>
</section>
<script>{script}</script>
</body>
</html>
"""


def _part(name: str) -> str:
    return files("tl_steer.people").joinpath(name).read_text(encoding="utf-8")


def _hash(content: str) -> str:
    digest = hashlib.sha256(content.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


def _item(question: Question, row: dict[str, str], place: str) -> str:
    item = row["item"]
    pair = question.kind == "pair"
    passages = _sides(row) if pair else _passage(row["prompt"], row["text"])
    choices = "\n".join(
        f'<label class="choice"><input type="radio" name="{item}" value="{answer}"'
        f' data-key="{_PAIR_KEYS.get(answer, answer)}"><span>{_WORDS.get(answer, answer)}</span>'
        "</label>"
        for answer in question.answers
    )
    low, high = escaped(question.low_label), escaped(question.high_label)
    ends = f"""<p class="ends" id="ends-{item}"><span dir="auto">{low}</span>
<span dir="auto">{high}</span></p>"""
    described = "" if pair else f' aria-describedby="ends-{item}"'
    return f"""<fieldset class="item" data-item="{item}" tabindex="-1">
<legend>{"Pair" if pair else "Text"} {place}</legend>
{passages}
<div class="scale" role="radiogroup" aria-label="{escaped(question.text)}"{described}>
{choices}
</div>
{"" if pair else ends}
<label class="skip"><input type="radio" name="{item}" value="{SKIP}"> Prefer not to say</label>
<label class="comment">Comment, if you like
<textarea rows="1" maxlength="2000" dir="auto"></textarea></label>
</fieldset>"""


def _passage(prompt: str, text: str) -> str:
    """A prompt, fainter, and what follows it; apart where the two would run into one word."""
    joined = not prompt or prompt[-1:].isspace() or not text[:1].isalnum()
    css = "given" if joined else "given apart"
    given = f'<span class="{css}" dir="auto">{escaped(prompt)}</span>' if prompt else ""
    return f'<div class="passage" dir="auto">{given}<span>{escaped(text)}</span></div>'


def _sides(row: dict[str, str]) -> str:
    sides = "\n".join(
        f'<div><p class="side">{_WORDS[name]}</p>{_passage(row["prompt"], row[name])}</div>'
        for name in (FIRST, SECOND)
    )
    return f'<div class="sides">\n{sides}\n</div>'
