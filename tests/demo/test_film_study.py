"""The study on film reviews, as a user meets it; small."""

import json
from pathlib import Path

import pandas as pd
import pytest

from tl_steer.cli import main
from tl_steer.demo.film_study import ESTIMATORS, Size
from tl_steer.demo.prompts import VALIDATION
from tl_steer.lens.forward import Decoder

TINY = Size(
    reviews=8,
    layers=(15,),
    doses=(0.1,),
    tries=1,
    n_random=2,
    n_orthogonal=0,
    validation=2,
    prompts=2,
    tokens=3,
    samples=1,
)


@pytest.mark.whole
@pytest.mark.packaged
def test_the_command_writes_a_report_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Size, "small", lambda: TINY)
    asked = ["study", "sentiment", "--quick", "--output", str(tmp_path), "--device", "cpu"]
    assert main(asked) == 0
    table = pd.read_csv(tmp_path / "table.csv")
    methods = {"none", "instruction", "random (mean of 4)", *ESTIMATORS}
    assert {(row.method, row.prompts) for row in table.itertuples()} == {
        (method, prompts) for method in methods for prompts in ("neutral", "negative", "positive")
    }
    shown = {"sentiment_share", "vader_share", "perplexity", "distinct_2", "kl_neutral", "sigma"}
    assert shown <= set(table.columns)
    facts = json.loads((tmp_path / "facts.json").read_text())
    assert set(facts["verdicts"]) == set(ESTIMATORS)
    assert facts["facts"]["command"] == "python -m tl_steer study sentiment"
    assert "blocks.15.hook_resid_post" in facts["facts"]["hook points"]
    page = (tmp_path / "report.html").read_text()
    assert all(name in page for name in ESTIMATORS)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a text was written again")

    monkeypatch.setattr(Decoder, "__init__", refuse)
    assert main(asked) == 0
    assert pd.read_csv(tmp_path / "table.csv").equals(table)


def test_nothing_is_reported_on_that_was_chosen_on() -> None:
    for prompts in Size().test.values():
        assert not set(prompts) & set(VALIDATION)
        assert len(set(prompts)) == len(prompts)


def test_a_subject_has_to_be_given(capsys: pytest.CaptureFixture[str]) -> None:
    for asked in (["study"], ["study", "weather"]):
        with pytest.raises(SystemExit) as ended:
            main(asked)
        assert ended.value.code == 2
    assert "sentiment" in capsys.readouterr().err
