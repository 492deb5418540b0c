"""A fresh install is the tested install."""

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def pins(file: str) -> dict[str, str]:
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    wanted = [Requirement(line) for line in lines if not line.startswith("#")]
    return {each.name.lower().replace("_", "-"): str(each.specifier) for each in wanted}


@pytest.mark.parametrize("file", ["constraints.txt", "constraints-3.9.txt"])
def test_every_package_that_is_asked_for_is_pinned_within_its_bounds(file: str) -> None:
    pinned = pins(file)
    extras = PROJECT["optional-dependencies"]
    tested = [*PROJECT["dependencies"], *extras["dev"], *extras["docs"]]
    for each in map(Requirement, tested):
        if each.name == "tl_steer":
            continue
        exact = pinned[each.name.lower().replace("_", "-")]
        assert exact.startswith("=="), each
        assert each.specifier.contains(exact.removeprefix("==")), each


@pytest.mark.parametrize("file", ["constraints.txt", "constraints-3.9.txt"])
def test_one_release_each_without_a_suffix_or_a_place(file: str) -> None:
    pinned = pins(file)
    assert len(pinned) > 100  # those that nobody asked for by name are among them
    assert all(exact.startswith("==") and "+" not in exact for exact in pinned.values())


def test_transformers_is_bounded_above() -> None:
    bounds = {Requirement(each).name: Requirement(each) for each in PROJECT["dependencies"]}
    assert any(each.operator == "<" for each in bounds["transformers"].specifier)
