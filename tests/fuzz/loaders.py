"""Everything that reads a file: valid files for it, how they are changed, and how it is asked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import valid_files as valid
from mutations import changed, changed_frame, changed_json, changed_lines, changed_tensors

import tl_steer as ts

Change = Callable[[bytes, Random, Sequence[bytes]], bytes]


@dataclass(frozen=True)
class Loader:
    """Something that reads a file of a folder."""

    name: str
    files: Callable[[], dict[str, bytes]]
    """All files of a valid folder."""

    target: str
    """The one that is changed."""

    change: Change
    ask: Callable[[Path], Any]
    """Given the folder: read, and use what was read as a user would at first."""

    others: Callable[[], list[bytes]] = list
    """Valid files of the kind, to be mixed with the target."""

    weight: float = 1.0
    """How many files are tried in a short run, beside those of other loaders."""


def _only(name: str, data: bytes) -> Callable[[], dict[str, bytes]]:
    return lambda: {name: data}


def _config(name: str, architecture: str, target: str, change: Change) -> Loader:
    return Loader(
        f"load_local {name}",
        lambda: valid.checkpoint(architecture),
        target,
        change,
        valid.read_model,
        weight=0.02,
    )


LOADERS = (
    Loader(
        "Directions.load",
        lambda: valid.directions(valid.AT, valid.Z),
        "joy.safetensors",
        changed_tensors,
        lambda folder: valid.read_directions(ts.Directions.load(folder / "joy.safetensors")),
        lambda: list(valid.directions(valid.AT).values()),
    ),
    Loader(
        "Direction.load",
        lambda: valid.directions(valid.AT),
        "joy.safetensors",
        changed_tensors,
        lambda folder: valid.read_directions(ts.Direction.load(folder / "joy.safetensors")),
        lambda: list(valid.directions(valid.AT, valid.Z).values()),
    ),
    Loader(
        "ContrastSet.from_csv",
        _only("a.csv", valid.CSV),
        "a.csv",
        changed,
        lambda folder: valid.read_contrast(ts.ContrastSet.from_csv(folder / "a.csv")),
        lambda: [valid.CSV_PAIRS, valid.CSV.decode().encode("utf-16")],
    ),
    Loader(
        "ContrastSet.from_csv of pairs",
        _only("a.csv.gz", valid.CSV_PAIRS),
        "a.csv.gz",
        changed,
        lambda folder: valid.read_contrast(
            ts.ContrastSet.from_csv(folder / "a.csv.gz", pair=("good", "bad"))
        ),
        lambda: [valid.CSV],
    ),
    Loader(
        "ContrastSet.from_jsonl",
        _only("a.jsonl", valid.jsonl(valid.LABELLED)),
        "a.jsonl",
        changed_lines,
        lambda folder: valid.read_contrast(
            ts.ContrastSet.from_jsonl(folder / "a.jsonl", positive="1")
        ),
    ),
    Loader(
        "ContrastSet.from_jsonl of pairs",
        _only("a.jsonl", valid.jsonl(valid.PAIRED)),
        "a.jsonl",
        changed_lines,
        lambda folder: valid.read_contrast(
            ts.ContrastSet.from_jsonl(folder / "a.jsonl", pair=("good", "bad"))
        ),
    ),
    Loader(
        "MultipleChoice.from_jsonl",
        _only("a.jsonl", valid.jsonl(valid.ASKED)),
        "a.jsonl",
        changed_lines,
        lambda folder: valid.read_questions(ts.data.MultipleChoice.from_jsonl(folder / "a.jsonl")),
    ),
    Loader(
        "MultipleChoice.from_csv",
        _only("a.csv", valid.CSV_ASKED),
        "a.csv",
        changed,
        lambda folder: valid.read_questions(
            ts.data.MultipleChoice.from_csv(folder / "a.csv", choices=("A", "B", "C"))
        ),
    ),
    Loader(
        "MultipleChoice.from_csv of lists",
        _only("a.csv", valid.CSV_LISTS),
        "a.csv",
        changed,
        lambda folder: valid.read_questions(ts.data.MultipleChoice.from_csv(folder / "a.csv")),
    ),
    Loader("read_ratings", lambda: valid.ratings("single"), "Ann.csv", changed, valid.read_back),
    Loader(
        "read_ratings of pairs", lambda: valid.ratings("pair"), "Ann.csv", changed, valid.read_back
    ),
    Loader(
        "read_ratings, the key",
        lambda: valid.ratings("single"),
        "key.csv",
        changed,
        valid.read_back,
    ),
    Loader(
        "read_ratings, the key of pairs",
        lambda: valid.ratings("pair"),
        "key.csv",
        changed,
        valid.read_back,
    ),
    Loader(
        "a cell",
        valid.cells,
        f"cells/{valid.KEYS[0]}.parquet",
        changed_frame,
        valid.read_cell,
        valid.foreign,
    ),
    Loader(
        "SweepResult.load",
        valid.swept,
        "texts.parquet",
        changed_frame,
        valid.read_swept,
        valid.foreign,
    ),
    Loader(
        "SweepResult.load, cells",
        valid.swept,
        "cells.parquet",
        changed_frame,
        valid.read_swept,
        valid.foreign,
    ),
    Loader(
        "SweepResult.load, as saved by others",
        valid.swept_elsewhere,
        "texts.parquet",
        changed_frame,
        valid.read_swept,
    ),
    Loader("the sentiment judge", valid.judge, "judge.json", changed_json, valid.read_judge),
    Loader(
        "the sentiment judge's weights",
        valid.judge,
        "weights.safetensors",
        changed_tensors,
        valid.read_judge,
    ),
    Loader(
        "a wheel",
        valid.wheels,
        "tl_fake-1.0-py3-none-any.whl",
        changed,
        valid.read_wheel,
        weight=0.3,
    ),
    Loader(
        "film reviews",
        _only("rotten_tomatoes.csv", valid.CSV),
        "rotten_tomatoes.csv",
        changed,
        valid.read_reviews,
    ),
    _config("config.json", "llama", "config.json", changed_json),
    _config("config.json of GPT-2", "gpt2", "config.json", changed_json),
    _config("tokenizer.json", "llama", "tokenizer.json", changed_json),
    _config("tokenizer_config.json", "gpt2", "tokenizer_config.json", changed_json),
    _config("generation_config.json", "llama", "generation_config.json", changed_json),
    _config("model.safetensors", "gpt2", "model.safetensors", changed_tensors),
)
