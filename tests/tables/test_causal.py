"""What the demonstration of localization begins with, and the files that it writes."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from making import direction, own_model, packaged

import tl_steer as ts
from benchmarks.tables.__main__ import main
from benchmarks.tables.causal import Sizes, spread
from tl_steer.demo.minimal_pairs import ANSWERS, minimal_pairs
from tl_steer.lens.tokens import tokenize

POST = "blocks.1.hook_resid_post"


@pytest.fixture(scope="module")
def small() -> Any:
    return own_model("bridge")


def test_spread_divides_the_dose(small: Any) -> None:
    names = [POST, "blocks.2.hook_resid_post"]
    known = ts.Directions({name: direction(small, name) for name in names})
    doses = [each.dose for each in spread(known, names)(0.3).active]
    assert doses == pytest.approx([0.15, 0.15])


@pytest.mark.packaged
def test_both_prompts_of_a_pair_have_equally_many_tokens() -> None:
    model = packaged("bridge")
    pairs = minimal_pairs()
    assert len(pairs.positive) == 24
    own, other = (tokenize(model, side) for side in (pairs.positive, pairs.negative))
    assert [len(row) for row in own] == [len(row) for row in other]
    first = [row[0] for row in tokenize(model, ANSWERS, prepend_bos=False)]
    assert len(set(first)) == 2


@pytest.mark.whole
@pytest.mark.packaged
def test_the_quick_command_writes_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Sizes, "small", lambda: Sizes(2, 1, 1, 8, 2, 2, 1, (9, 17), 1, 1, 3))
    main(["causal", "--quick", "--device", "cpu", "--output", str(tmp_path / "out")])
    out = tmp_path / "out"
    pictures = {"layers.png", "positions.png", "heads.png", "attribution.png", "paths.png"}
    assert {each.name for each in out.iterdir()} == {
        "causal.md",
        "compared.csv",
        "sweep.csv",
        *pictures,
    }
    assert all((out / name).read_bytes().startswith(b"\x89PNG") for name in pictures)
    table = pd.read_csv(out / "compared.csv", index_col="condition")
    assert {"the best site found", "middle layer", "all layers"} <= set(table.index)
    steered = table.drop("unsteered")
    assert bool(steered["kl"].between(0.15, 0.2).all())
    assert bool(steered["sentiment"].between(0, 1).all())
    assert "rank correlation" in (out / "causal.md").read_text(encoding="utf-8")
