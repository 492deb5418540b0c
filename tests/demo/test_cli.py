"""The command line, as a user meets it."""

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from models import has_hooked

import tl_steer as ts
from tl_steer.cli import main
from tl_steer.demo.settings import Settings
from tl_steer.generation.sampling import Sampling


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["demo", "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert all(option in shown for option in ("--quick", "--device", "--output"))


def test_an_unknown_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["dance"])
    assert ended.value.code == 2
    assert "demo" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_fetched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TL_STEER_CACHE", str(tmp_path / "cache"))
    (tmp_path / "taken").write_text("a file")
    assert main(["demo", "--output", str(tmp_path / "taken")]) == 1
    assert "--output" in capsys.readouterr().err
    assert not (tmp_path / "cache").exists()


def test_a_device_that_is_not_there_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--quick", "--device", "abacus", "--output", str(tmp_path)]) == 1
    assert "abacus" in capsys.readouterr().err


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [value or "" for key, value in attrs if key in {"src", "href"}]


@pytest.fixture
def _few_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is on the newest TransformerLens; before it, with shorter texts, to the same end."""
    if has_hooked():
        short = Sampling(max_new_tokens=4, temperature=0.9, top_p=0.95)
        monkeypatch.setattr(
            Settings, "sampling", lambda self, *, samples, seed: replace(short, seed=seed)
        )


@pytest.mark.packaged
@pytest.mark.usefixtures("_few_words")
def test_the_quick_demo_writes_its_files(tmp_path: Path) -> None:
    assert main(["demo", "--quick", "--output", str(tmp_path / "out")]) == 0
    out = tmp_path / "out"
    assert {each.name for each in out.iterdir()} == {
        "direction.safetensors",
        "report.html",
        "results.json",
    }
    results = json.loads((out / "results.json").read_text())
    for name in ("unsteered", "positive", "negative", "random"):
        assert {"judge", "vader", "perplexity", "distinct_2"} <= set(results[name])
        assert 0 <= results[name]["judge"] <= 1
        assert results[name]["perplexity"] > 1
    assert results["negative"]["strength"] < 0 < results["positive"]["strength"]
    assert set(results["sites"]) == {"hook_resid_post", "hook_mlp_out"}
    directions = ts.Directions.load(out / "direction.safetensors")
    assert results["hook_name"] in directions or "{" in results["hook_name"]
    page = _Page()
    page.feed((out / "report.html").read_text())
    assert page.tags.count("img") == 3
    assert all(source.startswith("data:") for source in page.sources)
