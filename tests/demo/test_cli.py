"""The command line, as a user meets it."""

import logging
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

import tl_steer as ts
from tl_steer.cli import main
from tl_steer.demo import case_study, first_look
from tl_steer.demo.case_study import Amount
from tl_steer.demo.prompts import TEST
from tl_steer.generation import Sampling


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["demo", "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert all(option in shown for option in ("--full", "--device", "--output"))


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
    assert main(["demo", "--device", "abacus", "--output", str(tmp_path)]) == 1
    assert "abacus" in capsys.readouterr().err


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [value or "" for key, value in attrs if key in {"src", "href"}]

    def asks_for_nothing_else_than(self, folder: Path) -> bool:
        """Whether all that it shows or links to stands in it, or lies beside it."""
        return all(
            source.startswith(("data:", "#")) or (folder / source).is_file()
            for source in self.sources
        )


@pytest.mark.packaged
def test_the_demo_shows_what_it_writes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_look, "SAMPLING", Sampling(6, temperature=0.9, top_p=0.95, seed=1))
    monkeypatch.setattr(first_look, "TEST", TEST[:4])
    with caplog.at_level(logging.INFO, logger="tl_steer"):
        assert main(["demo", "--output", str(tmp_path)]) == 0
    said = caplog.text
    for each in (first_look.DOWN, first_look.PLAIN, first_look.UP, *TEST[:3], "judge", "report"):
        assert each in said
    assert TEST[3] not in said
    texts = pd.read_csv(tmp_path / "texts.csv")
    assert len(texts) == 12
    direction = ts.Direction.load(tmp_path / "direction.safetensors")
    assert direction.hook_name == "blocks.15.hook_resid_post"
    page = _Page()
    page.feed((tmp_path / "report.html").read_text())
    assert page.tags.count("svg") == 1
    assert page.tags.index("svg") < page.tags.index("table")
    assert page.asks_for_nothing_else_than(tmp_path)


def test_a_finding_is_no_stronger_than_its_intervals() -> None:
    columns = ["sentiment", "sentiment_low", "sentiment_high"]
    names = [first_look.DOWN, first_look.PLAIN, first_look.UP]
    apart = pd.DataFrame([[0.3, 0.2, 0.4], [0.5, 0.4, 0.6], [0.8, 0.7, 0.9]], names, columns)
    assert "do not overlap" in first_look.found(apart)
    near = pd.DataFrame([[0.3, 0.2, 0.75], [0.5, 0.4, 0.6], [0.8, 0.7, 0.9]], names, columns)
    assert "does not tell them apart" in first_look.found(near)


FEW = Amount(
    reviews=8,
    held_out=4,
    prompts=2,
    doses=(0.1,),
    tries=1,
    # A handful of short texts says so little about perplexity that nothing could be chosen.
    perplexity_ratio=1e9,
    n_random=2,
    tokens=4,
    seeds=(1,),
)


@pytest.mark.packaged
@pytest.mark.once
def test_the_case_study_writes_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        case_study.report_case_study, "__kwdefaults__", {"device": None, "amount": FEW}
    )
    out = tmp_path / "out"
    assert main(["demo", "--full", "--output", str(out)]) == 0
    assert {"direction.safetensors", "report.html", "report.md", "facts.json"} <= {
        each.name for each in out.iterdir()
    }
    table = pd.read_csv(out / "table.csv").set_index("method")
    methods = [name for site in case_study.PLACES for name in (site, f"away from {site}")]
    assert {*table.index} == {"none", *methods, "random (mean of 4)"}
    assert (
        table[["sentiment", "sentiment_low", "sentiment_high", "vader"]].stack().between(0, 1).all()
    )
    assert (table["perplexity"] > 1).all()
    assert table.loc["none", "perplexity_ratio"] == 1
    chosen = pd.read_csv(out / "chosen.csv").set_index("direction")
    away = chosen.index.str.startswith("away from ")
    assert (chosen[away]["strength"] < 0).all()
    assert (chosen[~away]["strength"] > 0).all()
    directions = ts.Directions.load(out / "direction.safetensors")
    tried = pd.read_csv(out / "tried.csv")
    assert set(chosen["hook_name"]) <= set(tried["hook_name"])
    assert {name for name in tried["hook_name"] if "{" not in name} <= set(directions)
    assert "blocks.{10..18}.hook_resid_post" in set(tried["hook_name"])
    text = (out / "report.html").read_text()
    page = _Page()
    page.feed(text)
    assert page.tags.count("svg") > 5
    assert page.asks_for_nothing_else_than(out)
    for said in ("The first text of each prompt", "Separation", "python -m tl_steer demo --full"):
        assert said in text
