"""A calibration that is ended in the middle goes on."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from calibrating import calibrated
from controls_of import JUDGE
from making import shared_model

from tl_steer.experiments import _workers as workers
from tl_steer.experiments._calibration import Calibration
from tl_steer.experiments._optuna_search import Optuna
from tl_steer.experiments._store import CellStore

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    "settings", [{}, {"kl": 0.1, "most": 9.0}, {"optuna": 9}, {"seeds": [1, 2]}]
)
def test_an_end_in_the_middle_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]
) -> None:
    if "optuna" in settings:
        pytest.importorskip("optuna")
        settings = {"optuna": Optuna(trials=settings["optuna"], together=3)}
    model = shared_model("bridge", "llama")
    run: Callable[..., Calibration] = partial(calibrated, model, **settings)
    whole = run(folder=tmp_path / "whole")
    written: list[str] = []
    write = CellStore.write

    def until(limit: int, self: CellStore, key: str, texts: pd.DataFrame) -> None:
        if len(written) == limit:
            raise KeyboardInterrupt
        written.append(key)
        write(self, key, texts)

    broken = tmp_path / "broken"
    for limit in (0, 1, 3):
        monkeypatch.setattr(CellStore, "write", lambda *given, n=limit: until(n, *given))
        with pytest.raises(KeyboardInterrupt):
            run(folder=broken)
    monkeypatch.setattr(CellStore, "write", lambda *given: until(10**6, *given))
    again = run(folder=broken)
    pd.testing.assert_frame_equal(again.curve, whole.curve)
    pd.testing.assert_frame_equal(again.swept.texts, whole.swept.texts)
    assert again.test is not None
    assert whole.test is not None
    pd.testing.assert_frame_equal(again.test, whole.test)
    assert len(written) == len(set(written)) == whole.swept.texts["cell"].nunique()
    # Finished: nothing is written any more, by the model or to the disk.
    with monkeypatch.context() as patch:
        patch.setattr(workers, "compare", None)
        third = run(folder=broken)
    pd.testing.assert_frame_equal(third.curve, whole.curve)
    pd.testing.assert_frame_equal(pd.read_parquet(broken / "curve.parquet"), whole.curve)
    assert len(pd.read_parquet(broken / "texts.parquet")) == len(whole.swept)
    plain = run()
    numbers = [JUDGE.name, "perplexity", "kl", "strength", "effect", "feasible"]
    pd.testing.assert_frame_equal(plain.curve[numbers], whole.curve[numbers])
