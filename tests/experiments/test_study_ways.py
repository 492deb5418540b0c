"""A study either way, over runs of layers, in a chat; and what it is about."""

from pathlib import Path
from typing import Any

import pytest
from calibrating import LOOSE, SAMPLING, VALIDATION
from controls_of import JUDGE, model_of
from making import direction
from studying import HERE, TEST, THERE, found, second, studied

import tl_steer as ts
from tl_steer.directions import LayerRun
from tl_steer.errors import DataError
from tl_steer.experiments import Run, Search


def test_either_way_and_over_a_run_of_layers(tmp_path: Path) -> None:
    model = model_of("bridge")
    run = LayerRun(ts.Directions({name: direction(model, name, 2) for name in (THERE, HERE)}))
    asked: dict[str, Any] = {
        "directions": {"run": run, **second()},
        "controls": ts.experiments.Controls(kl=0.05, n_random=2, n_orthogonal=1),
        "doses": (-0.1, 0.1),
        "test": TEST["plain"],
        "seeds": None,
        "judges": (),
        "both_ways": True,
        "folder": tmp_path,
    }
    answer = studied(**asked)
    chosen = answer.chosen.set_index("direction")
    assert list(chosen.index) == ["run", "second", "away from run", "away from second"]
    assert (chosen["strength"] > 0).tolist() == [True, True, False, False]
    assert chosen.loc["run", "hook_name"] == "blocks.{0..1}.hook_resid_post"
    for way, name in ((1, "run"), (-1, "away from run")):
        alone = ts.calibrate(
            model, {"run": run}, JUDGE, validation=VALIDATION,
            search=Search(LOOSE, tries=2, way=way), sampling=SAMPLING, run=Run(progress=False),
        ).best_of["run"]  # fmt: skip
        assert chosen.loc[name, "strength"] == alone.strength
        steering = ts.Steering.at_layers(run.directions, alone.strength)
        written = ts.generate(model, TEST["plain"], steering, SAMPLING, progress=False)
        own = answer.texts[answer.texts["direction"] == name]
        assert own["text"].tolist() == written.texts
    assert set(answer.controlled) == {"run", "second"}
    assert isinstance(answer.controlled["run"].directions["random 1"], LayerRun)
    assert "Steering away from the directions was not set beside controls." in answer.limits
    assert set(answer.tried["direction"]) == set(chosen.index)
    page = answer.html()
    assert "The first text of each prompt" in page
    with pytest.raises(DataError, match="give the direction another name"):
        studied(**asked | {"directions": {"away from run": run}})


def test_prompts_are_put_into_a_chat(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of("bridge")
    template = "{% for m in messages %}you: {{ m.content }} {% endfor %}"
    monkeypatch.setattr(model.tokenizer, "chat_template", template, raising=False)
    answer = studied(
        directions=second(),
        controls=ts.experiments.Controls(kl=0.05, n_random=2, n_orthogonal=0),
        test=TEST["plain"],
        seeds=None,
        judges=(),
        neutral=(),
        chat=ts.Chat(),
    )
    plain = answer.texts[answer.texts["direction"] == "none"]
    alone = ts.generate(model, TEST["plain"], None, SAMPLING, chat=ts.Chat(), progress=False)
    assert plain["text"].tolist() == alone.texts
    assert plain["prompt_tokens"].tolist() == alone.frame["prompt_tokens"].tolist()
    read = answer.controlled["second"].generations.frame["prompt_tokens"]
    assert read.iloc[0] == alone.frame["prompt_tokens"].iloc[0]


def test_it_is_about_what_you_say() -> None:
    answer = found()
    told = answer.about("A title", "Why?", facts={"data": "ours"}, limits=["One model."])
    assert (told.title, told.question) == ("A title", "Why?")
    assert list(told.facts) == ["data", *answer.facts]
    assert told.limits == ["One model.", *answer.limits]
    assert answer.about("A title").limits == answer.limits
    assert told.about(question="What?").title == "A title"
    with pytest.raises(DataError, match="no judge came"):
        ts.study(model_of("bridge"), second(), (), validation=VALIDATION, test=TEST)
