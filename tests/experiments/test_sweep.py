"""A sweep is many calls of generate, in few batches."""

import math
from typing import Any

import pandas as pd
import pytest
import torch
from making import as_users_run_it, direction
from models import KINDS
from sweeping import AT, PROMPTS, SAMPLING, Length, small, swept

import tl_steer as ts
from tl_steer.directions import Provenance
from tl_steer.dosing import mean_kl
from tl_steer.drawing.rendering import figure_png
from tl_steer.errors import DataError, MismatchError, NonFiniteError, SteerError
from tl_steer.experiments import Run
from tl_steer.experiments._sweep import sweep
from tl_steer.experiments._sweep_result import SETTINGS, SweepResult
from tl_steer.generation import Writer
from tl_steer.lens.protocol import ModelInfo
from tl_steer.metrics import perplexity
from tl_steer.reports import dose_effect_curves

LLAMAS = pytest.mark.parametrize(
    "model", [(kind, "llama") for kind in KINDS], ids="-".join, indirect=True
)


@LLAMAS
def test_each_cell_is_a_call_of_generate(model: Any) -> None:
    joy, other = direction(model, AT), direction(model, "blocks.0.hook_mlp_out", seed=2)
    scopes = {"all": ts.everywhere, "written": ts.generated}
    sets = {"one": PROMPTS[:2], "two": PROMPTS}
    found = sweep(
        model,
        sets,
        {"joy": [joy], "other": other},
        [-2.0, 3.0],
        scopes=scopes,
        sampling=SAMPLING,
        judges=[Length()],
        run=Run(seeds=[4, 5], progress=False),
    )
    assert len(found.cells) == 2 * 2 * (1 + 2 * 2 * 2)
    by_name = {"joy": joy, "other": other}
    for cell in found.cells.to_dict("records"):
        prompts = sets[cell["prompts"]]
        steering = None
        if cell["direction"] != "none":
            add = ts.Add(by_name[cell["direction"]], cell["strength"], scope=scopes[cell["scope"]])
            steering = ts.Steering(add)
            assert cell["dose"] == math.copysign(add.dose, cell["strength"])
            assert cell["hook_name"] == add.hook_name
            assert cell["layer"] == add.directions[0].layer
        sampling = ts.Sampling(4, samples=2, stop_at_eos=False, seed=cell["seed"])
        alone = ts.generate(model, prompts, steering, sampling, progress=False)
        texts = found.texts[found.texts["cell"] == cell["cell"]]
        assert texts["tokens"].tolist() == alone.frame["tokens"].tolist()
        assert texts["prompt_index"].tolist() == alone.frame["prompt_index"].tolist()
        assert texts["length"].tolist() == Length()(alone.texts)
        (expected,) = perplexity(model, alone).values()
        assert cell["perplexity"] == pytest.approx(expected, rel=1e-4)
        kl = 0.0 if steering is None else mean_kl(model, prompts, steering)
        assert cell["kl"] == pytest.approx(kl, abs=1e-4)
        assert cell["length"] == pytest.approx(texts["length"].mean())
        assert cell["length_low"] <= cell["length"] <= cell["length_high"]


def test_few_batches() -> None:
    model, sizes = small(), []
    write = Writer.write
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            Writer,
            "write",
            lambda self, index: sizes.append(len(index)) or write(self, index),
        )
        swept(model, rows=128)
    # Seven cells of three prompts and two samples, for each of two seeds.
    assert sizes == [42, 42]


def test_groups_change_nothing() -> None:
    model = small()
    tables = [swept(model, rows=rows).texts.drop(columns="cell") for rows in (1, 20, 1000)]
    for other in tables[1:]:
        exact = ["log_probs", "nll", "kl"]
        pd.testing.assert_frame_equal(other.drop(columns=exact), tables[0].drop(columns=exact))
        pd.testing.assert_frame_equal(other[["nll", "kl"]], tables[0][["nll", "kl"]], atol=1e-4)


def test_what_else_is_measured() -> None:
    model = small()
    found = swept(
        model, neutral=["the plot was bad", "a good film"], relevance=True, second=own_second
    )
    cells = found.cells.set_index("direction")
    assert cells.loc["none", "kl_neutral"].max() == 0 < cells.loc["joy", "kl_neutral"].min()
    assert cells[["relevance", "perplexity_second"]].notna().all(axis=None)
    assert found.judges == ("length",)


def own_second() -> Any:
    return small()


def test_doses_layers_and_parts() -> None:
    model = small()
    several = ts.Directions(
        {f"blocks.{n}.hook_mlp_out": direction(model, f"blocks.{n}.hook_mlp_out") for n in (2, 0)}
    )
    found = swept(model, directions=several, strengths=None, doses=[0.5, -0.25, 0], seeds=[3])
    steered = found.cells[found.cells["direction"] != "none"]
    assert steered["layer"].tolist() == [0, 0, 2, 2]
    assert steered["dose"].tolist() == pytest.approx([0.5, -0.25] * 2)
    assert set(steered["direction"]) == {"random"}
    assert len(found.of(layer=2, direction="random").cells) == 2
    with pytest.raises(DataError, match=r"layer=9: there are -1, 0, 2"):
        found.of(layer=9)
    with pytest.raises(DataError, match="'colour' is no setting"):
        found.of(colour="red")
    assert "5 cells: 1 direction, 2 hook names" in repr(found)
    assert list(found.texts.columns[:9]) == ["cell", *SETTINGS]


def test_the_picture_is_that_of_its_cells() -> None:
    found = swept(small())
    drawn = dose_effect_curves(found.cells, "length")
    assert figure_png(found.plot("length")) == figure_png(drawn)


def test_saved_and_loaded(tmp_path: Any) -> None:
    found = swept(small())
    again = SweepResult.load(found.save(tmp_path))
    pd.testing.assert_frame_equal(again.texts, found.texts)
    pd.testing.assert_frame_equal(again.cells, found.cells)
    assert again.judges == found.judges
    with pytest.raises(DataError, match="there is no such file"):
        SweepResult.load(tmp_path / "elsewhere")


def test_the_model_is_left_as_it_was() -> None:
    model = small()
    before = {name: each.clone() for name, each in model.state_dict().items()}
    swept(model)
    assert all(torch.equal(before[name], each) for name, each in model.state_dict().items())


class Wrong:
    name = "wrong"

    def __init__(self, scores: list[float]) -> None:
        self.scores = scores

    def __call__(self, texts: Any) -> list[float]:
        return self.scores[: len(texts)]


def test_what_is_refused() -> None:
    model = small()
    joy = direction(model, AT)
    cases: list[tuple[type[Exception], str, dict[str, Any]]] = [
        (SteerError, "either strengths=.* or doses=", {"doses": [0.1]}),
        (SteerError, "either strengths=.* or doses=", {"strengths": None}),
        (SteerError, "at least one other than zero", {"strengths": [0.0]}),
        (SteerError, "item 0 is NaN, which is not finite", {"strengths": [math.nan]}),
        (DataError, "each number once", {"strengths": [1.0, 1.0]}),
        (DataError, "each of them once", {"seeds": [1, 1]}),
        (DataError, "each of them once", {"seeds": []}),
        (DataError, "give directions by name", {"directions": {}}),
        (DataError, "'none' is no name", {"directions": {"none": joy}}),
        (DataError, "two directions at", {"directions": {"joy": [joy, joy]}}),
        (MismatchError, "the value of 'joy' is 'joy'", {"directions": {"joy": "joy"}}),
        (NonFiniteError, "the zero vector", {"directions": {"joy": 0 * joy}}),
        (DataError, "no scope came", {"scopes": {}}),
        (SteerError, "item 0 is a function. Any function makes one", {"judges": [len]}),
        (DataError, "its own name", {"judges": [Length(), Length()]}),
        (SteerError, "rows=0", {"rows": 0}),
        (DataError, "wrong gave 1 scores for", {"judges": Wrong([0.5])}),
        (NonFiniteError, "wrong gave nan for", {"judges": Wrong([math.nan] * 99)}),
    ]
    with as_users_run_it():
        for error, message, changes in cases:
            with pytest.raises(error, match=message):
                swept(model, **changes)
        for prompts in ("one", [], {"a": []}, {}):
            with pytest.raises(DataError, match="prompt"):
                sweep(model, prompts, joy, [1.0], run=Run(progress=False))
    foreign = ts.Direction(
        joy.vector,
        AT,
        1.0,
        Provenance(ModelInfo("other", 3, 32, "raw"), "x"),
    )
    with pytest.raises(MismatchError, match="another model"):
        swept(model, directions={"joy": foreign})
