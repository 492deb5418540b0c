"""``tl-steer bench`` at its smallest: what it says, not how fast this machine is."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from models import hf_llama, tokenizer

from tl_steer.cli import bench, main
from tl_steer.cli.bench import Sizes
from tl_steer.cli.bench.clock import Clock
from tl_steer.cli.bench.others import others_of

TINY = Sizes(tokens=3, batches=(1, 2), texts=4, long_text=20, swept_prompts=1, swept_tokens=2)
BESIDE = "<!-- tl-steer bench -->\nold\n<!-- end of tl-steer bench -->"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("model")
    hf_llama().save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return str(folder)


def test_figures_for_people_for_programs_and_for_a_page(
    checkpoint: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bench, "QUICK", TINY)
    page = tmp_path / "speed.md"
    page.write_text(f"# Speed\n\n{BESIDE}\n\nMore.\n", encoding="utf-8")
    threads = torch.get_num_threads()
    asked = ["bench", "--model", checkpoint, "--quick", "--rounds", "2", "--json"]
    assert main([*asked, "--into", str(page)]) == 0
    assert torch.get_num_threads() == threads
    found = json.loads(capsys.readouterr().out)
    figures = {(each["part"], each["name"]): each for each in found["figures"]}
    for batch in (1, 2):
        written = figures[f"writing, batch {batch}", "tl_steer, unsteered"]
        assert written["note"] == "the same tokens"
        assert 0 < written["least"] <= written["ratio"] <= written["most"]
        assert figures[f"writing, batch {batch}", written["against"]]["ratio"] == 1
    assert {part.split(",")[0] for part, _ in figures} >= {
        "writing", "reading 4 texts", "nine strengths",
    }  # fmt: skip
    assert found["rounds"] == 2
    text = page.read_text(encoding="utf-8")
    assert text.startswith("# Speed\n\n<!-- tl-steer bench -->\n")
    assert text.endswith("<!-- end of tl-steer bench -->\n\nMore.\n")
    assert "old" not in text
    assert f"{figures['writing, batch 2', 'tl_steer, one addition']['ratio']:.2f} [" in text


@pytest.mark.parametrize(
    ("asked", "reason"),
    [(["--rounds", "0"], "at least 1"), (["--threads", "0"], "at least 1"), ([], "are to stand")],
)
def test_refused_before_a_model_is_loaded(
    asked: list[str], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing\n", encoding="utf-8")
    assert main(["bench", "--model", "nowhere", "--into", str(page), *asked]) == 1
    assert reason in capsys.readouterr().err
    assert page.read_text(encoding="utf-8") == "nothing\n"


def test_other_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is there and cannot run is told of, and so is what it said."""
    added: list[Any] = []

    class SteeringVector:
        def __init__(self, vectors: dict[int, torch.Tensor], kind: str) -> None:
            self.vectors = vectors

        @contextmanager
        def apply(self, model: Any) -> Iterator[None]:
            added.append(self.vectors)
            yield

    library = ModuleType("steering_vectors")
    library.SteeringVector = SteeringVector  # type: ignore[attr-defined]
    known = {"steering_vectors": library, "repeng": ModuleType("repeng")}
    for name, module in known.items():
        module.__spec__ = ModuleSpec(name, None)
        monkeypatch.setitem(sys.modules, name, module)
    vector = torch.ones(2)
    plain = SimpleNamespace(device=torch.device("cpu"))
    runs, failing = others_of(plain, vector, 1, lambda: "written")
    assert runs["steering-vectors, one addition"]() == "written"
    assert [list(each) for each in added] == [[1], [1]]
    assert list(failing) == ["repeng"]
    assert "ControlModel" in failing["repeng"]


def test_the_slower_of_two_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(torch.device("cpu"), 3)
    took = {"fast": 1.0, "slow": 4.0}
    monkeypatch.setattr(Clock, "seconds", lambda self, run: took[run()])
    base, other = clock.ratios("part", "base", lambda: "slow", {"ours": lambda: "fast"})
    assert (base.ratio, other.ratio) == (1.0, 4.0)
    assert (other.least, other.most, other.rounds, other.seconds) == (4.0, 4.0, 3, 1.0)
