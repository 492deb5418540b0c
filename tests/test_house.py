"""The house rules: who may import whom, how long a file may be, and what the public names are."""

import ast
import importlib
import re
import tomllib
from collections.abc import Iterable, Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import pytest
from fronts import PUBLIC, ROOMS, fronts

pytestmark = pytest.mark.once
ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "tl_steer"
SOURCES = sorted(PACKAGE.rglob("*.py"))
OURS = [
    *SOURCES,
    *(path for folder in ("tests", "benchmarks") for path in sorted((ROOT / folder).rglob("*.py"))),
    ROOT / "noxfile.py",
]
LONGEST = 300
FIRST_HOUR = 45


def layers() -> list[str]:
    """The rooms from the top down, as pyproject.toml gives them to import-linter."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
        "importlinter"
    ]["contracts"]
    (contract,) = [contract for contract in contracts if contract["type"] == "layers"]
    return [name for layer in contract["layers"] for name in layer.split(" | ")]


def room(path: Path) -> str:
    """The part of the house that a file is in: `lens` for tl_steer/lens/protocol.py."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(source: str, package: str) -> Iterator[str]:
    """Every module that a source imports, wherever in the file, by its absolute name.

    `from a import b` yields `a.b`, as `b` may be a module; relative imports are resolved
    against `package`.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = [*(parents if node.level else []), *([node.module] if node.module else [])]
            yield from (".".join([*base, alias.name]) for alias in node.names)


def imports_of(path: Path) -> list[str]:
    """What a file of the package imports."""
    package = ".".join(path.relative_to(ROOT).parent.parts)
    return list(imports(path.read_text(encoding="utf-8"), package))


def climbs(source_room: str, imported: list[str], order: list[str]) -> list[str]:
    """Those imports that lead out of a room to the one above it, or to the whole house."""
    wrong = []
    for name in imported:
        top, _, rest = name.partition(".")
        if top != "tl_steer":
            continue
        target = rest.split(".")[0]
        if target not in order or order.index(target) < order.index(source_room):
            wrong.append(name)
    return wrong


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import tl_steer.data.assets as a", ["tl_steer.data.assets"]),
        ("def f():\n    from tl_steer import capture", ["tl_steer.capture"]),
        ("from . import hooks", ["tl_steer.lens.hooks"]),
        ("from ..capture import capture", ["tl_steer.capture.capture"]),
    ],
)
def test_imports_are_found_in_every_form(source: str, names: list[str]) -> None:
    assert list(imports(source, "tl_steer.lens")) == names


def test_a_climb_is_seen() -> None:
    order = ["steering", "lens", "errors"]
    assert climbs("lens", ["tl_steer.errors.SteerError", "torch"], order) == []
    assert climbs("lens", ["tl_steer.steering.Steering"], order) == ["tl_steer.steering.Steering"]
    assert climbs("lens", ["tl_steer.Steering"], order) == ["tl_steer.Steering"]


def test_every_file_has_a_room() -> None:
    rooms = {room(path) for path in SOURCES} - {"__init__", "__main__"}
    assert rooms == set(layers())


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_downward_only(path: Path) -> None:
    if room(path) in layers():
        assert climbs(room(path), imports_of(path), layers()) == []


def test_only_lens_knows_transformer_lens() -> None:
    knowing = {
        room(path)
        for path in SOURCES
        if any(name.split(".")[0] == "transformer_lens" for name in imports_of(path))
    }
    assert knowing == {"lens"}


def test_files_are_short() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in OURS}
    too_long = {str(path.relative_to(ROOT)): n for path, n in lengths.items() if n > LONGEST}
    assert not too_long


def test_nothing_is_called_utils() -> None:
    vague = {"utils", "util", "helpers", "misc", "common"}
    assert [path for path in SOURCES if vague & {path.stem, path.parent.name}] == []


def test_no_annotations_are_strings() -> None:
    """jaxtyping cannot check an annotation that `from __future__ import annotations` has quoted."""
    assert [path for path in SOURCES if "__future__.annotations" in imports_of(path)] == []


def test_the_front_door_is_small() -> None:
    assert len(importlib.import_module("tl_steer").__all__) <= FIRST_HOUR


@pytest.mark.parametrize("name", ["tl_steer", *(f"tl_steer.{room}" for room in ROOMS)])
def test_public_names_are_there_once(name: str) -> None:
    front = importlib.import_module(name)
    assert len(front.__all__) == len(set(front.__all__))  # ruff keeps them sorted
    assert [each for each in front.__all__ if not hasattr(front, each)] == []
    assert set(front.__all__) <= set(dir(front))


def test_a_name_means_one_thing() -> None:
    kept: dict[str, Any] = {}
    for _, name, public in fronts():
        assert kept.setdefault(name, public) is public, name


def test_every_public_name_stands_in_a_page() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    words = set(re.findall(r"\w+", " ".join(page.read_text(encoding="utf-8") for page in pages)))
    assert sorted(set(PUBLIC) - words) == []


def wings() -> set[str]:
    """The rooms whose files are their own."""
    return {
        path.parent.name for path in SOURCES if path.name.startswith("_") and path.stem[1] != "_"
    }


def trespasses(where: str, imported: Iterable[str]) -> list[str]:
    """Imports of a room's private files from outside it."""
    parts = [(each, each.split(".")) for each in imported]
    return [
        each
        for each, (top, *rest) in parts
        if top == "tl_steer" and any(part.startswith("_") for part in rest) and rest[0] != where
    ]


def test_a_trespass_is_seen() -> None:
    private = "tl_steer.scopes._keywords.Keywords"
    assert trespasses("scopes", [private]) == []
    assert trespasses("steering", [private, "tl_steer.scopes.Keywords"]) == [private]


@pytest.mark.parametrize("path", OURS, ids=lambda path: str(path.relative_to(ROOT)))
def test_private_files_stay_in_their_rooms(path: Path) -> None:
    if path not in (ROOT / "noxfile.py", PACKAGE / "__main__.py"):
        where = path.relative_to(ROOT).parts[1].removesuffix(".py")
        assert trespasses(where, imports_of(path)) == []


def test_pages_and_notebooks_use_what_is_public() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "notebooks").glob("*")]
    texts = {page: page.read_text(encoding="utf-8") for page in pages if page.is_file()}
    private = re.compile(r"tl_steer(\.\w+)*\._\w+")
    assert {
        page.name: found[0] for page, text in texts.items() if (found := private.search(text))
    } == {}


def test_a_wing_has_no_open_file() -> None:
    mixed = [path for path in SOURCES if path.parent.name in wings() and path.name[0] != "_"]
    assert mixed == []


def test_no_room_imports_itself_in_a_circle() -> None:
    """Not by an import that waits in a method either."""
    graph = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): imports_of(path) for path in SOURCES
    }
    needs = {
        name: {each for one in found for each in (one, one.rpartition(".")[0]) if each in graph}
        for name, found in graph.items()
    }
    assert list(TopologicalSorter(needs).static_order())  # raises CycleError


def test_ci_runs_the_command_that_the_readme_gives() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    lines = [line for line in script if line and not line.startswith("#")]
    *preamble, command = lines
    assert preamble == ["set -euo pipefail", 'cd "$(dirname "${BASH_SOURCE[0]}")/.."']
    readme = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert command in [line.strip() for line in readme]
