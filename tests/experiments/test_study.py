"""A study in one call: every part is what that part gives by itself."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from calibrating import LOOSE, SAMPLING, VALIDATION
from controls_of import INSTRUCTION, JUDGE, activations, model_of
from making import direction, shared_model
from studying import CONTROLS, HERE, TEST, WORDS, directions, found, second, studied

import tl_steer as ts
from tl_steer.controls import random_directions
from tl_steer.dosing import mean_kl
from tl_steer.errors import DataError, HookNameError, SteerError
from tl_steer.experiments import Run, Search
from tl_steer.lens.forward import Decoder
from tl_steer.statistics import sigma_above


def test_the_choice_is_that_of_calibrate() -> None:
    model = model_of("bridge")
    answer = studied()
    alone = ts.calibrate(
        model, directions(model), JUDGE, validation=VALIDATION, search=Search(LOOSE, 2),
        sampling=SAMPLING, run=Run(progress=False),
    )  # fmt: skip
    chosen = answer.chosen.set_index("direction")
    assert list(chosen.index) == ["first", "second"]
    for name, point in alone.best_of.items():
        assert chosen.loc[name, "hook_name"] == point.hook_name
        assert chosen.loc[name, "strength"] == point.strength
        assert point.over in chosen.loc[name, "chosen"]
        own = alone.curve[alone.curve["direction"] == name]
        allowed = own[own["feasible"]]
        if len(allowed):
            best = allowed[JUDGE.name].max()
            assert chosen.loc[name, f"validation {JUDGE.name}"] == pytest.approx(best)
    assert "No directions of shuffled labels" in " ".join(answer.limits)


def test_the_cells_are_those_of_the_sweep() -> None:
    cells = found().cells
    assert set(cells["direction"]) == {
        "none",
        "first",
        "second",
        "random 1",
        "random 2",
        "random 3",
    }
    assert set(cells["prompts"]) == {"validation"}
    assert set(cells["seed"]) == {SAMPLING.seed}
    model = model_of("bridge")
    alone = ts.sweep(
        model, {"validation": VALIDATION}, second(), doses=(-0.1, 0.1), sampling=SAMPLING,
        judges=JUDGE, run=Run(progress=False),
    ).cells  # fmt: skip
    own = cells[cells["direction"] == "second"]
    assert own[JUDGE.name].tolist() == alone[JUDGE.name].tolist()[1:]


def test_the_controls_are_those_of_each_against_controls() -> None:
    model = model_of("bridge")
    alone = ts.experiments.each_against_controls(
        model, TEST["plain"], {"second": directions(model)["second"]}, JUDGE, SAMPLING,
        ts.experiments.Controls(**CONTROLS, shuffled=activations("bridge")),
        run=Run(seeds=(1, 2), progress=False),
    )  # fmt: skip
    own = found().controlled["second"]
    assert own.generations.texts == alone["second"].generations.texts
    assert own.frame["effect"].tolist() == pytest.approx(alone["second"].frame["effect"].tolist())
    assert own.kl == 0.05


def test_the_texts_are_those_of_generate() -> None:
    answer, model = found(), model_of("bridge")
    (row,) = answer.chosen[answer.chosen["direction"] == "second"].to_dict("records")
    steering = ts.Steering(ts.Add(directions(model)["second"], row["strength"]))
    for prompts, given in TEST.items():
        asked = {
            "none": (None, given),
            "second": (steering, given),
            "instruction": (None, [INSTRUCTION + prompt for prompt in given]),
        }
        for name, (what, read) in asked.items():
            for seed in (1, 2):
                own = answer.texts[
                    (answer.texts["direction"] == name)
                    & (answer.texts["prompts"] == prompts)
                    & (answer.texts["seed"] == seed)
                ]
                sampling = ts.Sampling(max_new_tokens=6, samples=2, seed=seed)
                alone = ts.generate(model, read, what, sampling, progress=False)
                assert own["text"].tolist() == alone.texts
                assert set(own["prompt"]) == set(given)
    told = answer.texts[answer.texts["direction"] == "instruction"]
    assert (told["kl"] > 0).all()
    assert set(answer.texts["seed"]) == {1, 2}


def test_the_table_says_what_the_texts_come_to() -> None:
    answer = found()
    table = answer.table.set_index(["method", "prompts"])
    methods = ["none", "first", "second", "instruction", "random (mean of 4)"]
    assert [name for name, prompts in table.index if prompts == "plain"] == methods
    own = answer.texts[answer.texts["prompts"] == "sour"]
    for name in ("none", "second", "instruction"):
        part = own[own["direction"] == name]
        row = table.loc[(name, "sour")]
        assert row["texts"] == len(part) == 2 * 2 * 2
        assert row[JUDGE.name] == pytest.approx(part[JUDGE.name].mean())
        assert row[f"{WORDS.name}_share"] == pytest.approx((part[WORDS.name] > 0.5).mean())
        assert row["perplexity"] == pytest.approx(
            np.exp(part["nll"].sum() / part["n_tokens"].sum())
        )
        words = [text.split() for text in part["text"]]
        assert row["distinct_1"] == pytest.approx(
            len({word for each in words for word in each}) / sum(map(len, words))
        )
    random = own[own["direction"].str.startswith("random")].groupby("direction")[JUDGE.name].mean()
    assert len(random) == 4
    assert table.loc[(methods[-1], "sour"), JUDGE.name] == pytest.approx(random.mean())
    frame = answer.controlled["second"].frame
    effects = {kind: part["effect"].to_numpy(float) for kind, part in frame.groupby("kind")}
    by_hand = sigma_above(float(effects["direction"][0]), effects["random"])
    assert table.loc[("second", "plain"), "sigma"] == pytest.approx(by_hand)
    assert np.isnan(table.loc[("second", "sour"), "sigma"])
    assert set(answer.table["beats"]) <= {"yes", "no", ""}
    assert table.loc[("none", "plain"), "kl_neutral"] == 0
    assert table.loc[("second", "plain"), "kl_neutral"] > 0
    assert np.isnan(table.loc[("instruction", "plain"), "kl_neutral"])


def test_random_directions_of_the_table_have_the_kl_of_the_reference() -> None:
    answer, model = found(), model_of("bridge")
    lead = directions(model)["first"][HERE]
    (wanted,) = answer.chosen.loc[answer.chosen["direction"] == "first", "kl"]
    for number, along in enumerate(random_directions(lead, 4, seed=0), start=1):
        own = answer.texts[answer.texts["direction"] == f"random {number}"]
        (strength,) = own["strength"].unique()
        kl = mean_kl(model, VALIDATION, ts.Steering(ts.Add(along, float(strength))))
        assert kl == pytest.approx(wanted, rel=0.03)


def test_a_study_is_read_and_saved(tmp_path: Path) -> None:
    answer = found()
    answer.save(tmp_path)
    page = (tmp_path / "report.html").read_text()
    for said in ("Beside controls", "What a dose does", "Texts side by side", "Limits", "seeds"):
        assert said in page
    assert answer.facts["seeds"] == "1, 2"
    assert "KL 0.05 nats" in answer.facts["controls"]
    assert "3 plain (test)" in answer.facts["prompts"]
    assert any("over 3 prompts" in each for each in answer.limits)


def test_it_goes_on_where_it_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = studied(folder=tmp_path)

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a text was written again")

    monkeypatch.setattr(Decoder, "__init__", refuse)
    again = studied(folder=tmp_path)
    assert again.texts.drop(columns="tokens").equals(first.texts.drop(columns="tokens"))
    assert again.table.equals(first.table)
    assert again.chosen.equals(first.chosen)


def test_a_factory_gives_the_same() -> None:
    def load() -> Any:
        return shared_model("bridge", "llama")

    few: dict[str, Any] = {
        "directions": second(),
        "controls": ts.experiments.Controls(kl=0.05, n_random=2, n_orthogonal=0),
        "test": TEST["plain"],
        "seeds": None,
        "judges": (),
    }
    alone, made = studied(**few), studied(load, **few)
    assert made.texts["text"].tolist() == alone.texts["text"].tolist()
    assert set(made.texts["prompts"]) == {"test"}
    assert made.table["sigma"].equals(alone.table["sigma"])


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"test": {"plain": ("a movie",)}}, DataError, "are in validation= too"),
        ({"test": {}}, DataError, "no prompt to continue"),
        ({"test": "a story"}, DataError, "expected a list of texts or .* write .text."),
        ({"validation": ()}, DataError, "prompts to choose on"),
        ({"seeds": (1, 1)}, DataError, "each of them once"),
        ({"tries": 0}, SteerError, "tries=0"),
        ({"way": -1}, SteerError, "a study adds the directions"),
        ({"directions": {}}, DataError, "directions by name"),
        ({"directions": {"random 2": direction(model_of("bridge"), HERE)}}, DataError, "a control"),
        ({"doses": ()}, SteerError, "finite numbers are wanted"),
        ({"judges": (JUDGE,)}, DataError, "each its own name"),
        (
            {"controls": ts.experiments.Controls(shuffled=activations("bridge"))},
            HookNameError,
            "blocks.0.hook_resid_post",
        ),
        ({"sampling": ts.Sampling(max_new_tokens=500)}, DataError, "500 are to follow"),
        (
            {"controls": ts.experiments.Controls(instruction="so " * 200)},
            DataError,
            "has 202 tokens",
        ),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_what_is_refused_before_anything_runs(
    changes: dict[str, Any], error: type[Exception], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the model ran")

    monkeypatch.setattr(Decoder, "__init__", refuse)
    with pytest.raises(error, match=says):
        studied(**changes)
