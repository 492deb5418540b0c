"""Contract 13: whatever it is given, a public function works, or refuses before the model runs.

The walk is a program of its own, as a user's is: without the check of annotations that the tests
run with, which would refuse before tl_steer itself does.
"""

import inspect
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from fronts import to_call

WALK = Path(__file__).parent / "any_argument" / "walk.py"
ROOT = Path(__file__).parents[2]


def walked(file: Path, *, every: bool) -> list[dict[str, Any]]:
    """What came of every call."""
    known = os.environ.get("PYTHONPATH", "")
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), known))),
        "MPLBACKEND": "agg",
        "OMP_NUM_THREADS": "1",
        **({"EVERY": "1"} if every else {}),
    }
    run = subprocess.run(
        [sys.executable, str(WALK), str(file)], env=environment, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    found: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
    return found


def shown(calls: Iterable[dict[str, Any]]) -> str:
    lines = [f"{c['name']}({c['parameter']}={c['given']}): {c['said']}" for c in calls]
    return "\n".join([f"{len(lines)} calls", *lines[:40]])


def test_whatever_is_given_works_or_is_refused_before_the_model_runs(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    every = bool(request.config.getoption("--every-argument"))
    calls = walked(tmp_path / "calls.json", every=every)
    by: dict[str, list[dict[str, Any]]] = {}
    for call in calls:
        by.setdefault(call["outcome"], []).append(call)
    assert not by.get("raw"), shown(by["raw"])
    assert not by.get("late"), shown(by["late"])
    assert not by.get("odd"), shown(by["odd"])
    unclear = [call for call in by["refused"] if not is_a_sentence(call["said"])]
    assert not unclear, shown(unclear)
    # That nothing is raw shows little where little was tried.
    assert tried_parameters(calls) >= public_parameters()
    assert len(by["accepted"]) > (3000 if every else 600)
    assert len(by["ran"]) > (1000 if every else 150)


def is_a_sentence(said: str) -> bool:
    """Of some words, with a full stop, and nothing that only Python would say."""
    _, _, text = said.partition(": ")
    python = ("<class", " object at 0x", "NoneType", "Traceback", "not subscriptable")
    return (
        len(text.split()) > 3
        and text.rstrip("`…").endswith((".", ".)", "…", "?"))
        and not any(each in text for each in python)
    )


def tried_parameters(calls: Iterable[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(call["name"], call["parameter"]) for call in calls if call["parameter"]}


def public_parameters() -> set[tuple[str, str]]:
    """Of all functions and constructors; methods are the walk's own business."""
    return {
        (name, parameter)
        for name, public in to_call().items()
        if not is_error(public)
        for parameter in inspect.signature(public).parameters
    }


def is_error(public: Any) -> bool:
    return isinstance(public, type) and issubclass(public, BaseException)
