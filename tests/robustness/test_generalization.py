"""One steering on several sets of prompts: every number is that of a run of its own."""

from collections.abc import Sequence
from functools import cache
from itertools import chain
from typing import Any

import numpy as np
import pytest
import torch
from controls_of import JUDGE, Share
from making import direction, hooks_of, shared_model
from models import KINDS, has_hooked

import tl_steer as ts
from tl_steer.demo.planted import planted
from tl_steer.demo.planted_words import BLAME, PRAISE
from tl_steer.demo.prompts import TEST, VALIDATION
from tl_steer.directions import Provenance
from tl_steer.errors import DataError, MismatchError, SteerError
from tl_steer.lens.protocol import model_info
from tl_steer.robustness._film_prompts import DOMAINS, PHRASINGS, RESISTING
from tl_steer.robustness._generalization import Generalization, generalization
from tl_steer.statistics import paired_difference

SETS = {
    "at home": ["the film was very good", "a movie", "i loved it so much"],
    "elsewhere": ["the music", "you saw the long story and"],
}
SAMPLING = ts.Sampling(5, samples=2, seed=3)
LONG = Share("the", "a", "and")


def steering(model: Any) -> ts.Steering:
    return ts.Steering(ts.Add(direction(model, "blocks.1.hook_resid_post"), 0.6))


@cache
def found(kind: str = "bridge", more: bool = True) -> Generalization:
    model = shared_model(kind, "llama")
    return generalization(
        model, steering(model), SETS, [JUDGE, LONG], SAMPLING, more=more, seed=4, progress=False
    )


@pytest.mark.parametrize("kind", KINDS)
def test_every_number_is_that_of_a_run_of_its_own(kind: str) -> None:
    model, answer = shared_model(kind, "llama"), found(kind)
    assert len(answer.frame) == 4
    for name, prompts in SETS.items():
        runs = [
            ts.generate(model, prompts, each, SAMPLING, progress=False)
            for each in (None, steering(model))
        ]
        for condition, run in zip(("unsteered", "steered"), runs, strict=True):
            assert answer.generations[name].of(condition).texts == run.texts
        before, after = (next(iter(ts.metrics.perplexity(model, run).values())) for run in runs)
        for judge in (JUDGE, LONG):
            one, other = (np.array(judge(run.texts)) for run in runs)
            prompt = runs[0].frame["prompt_index"].to_numpy()
            by_hand = paired_difference(other, one, prompt, seed=4)
            ((_, row),) = answer.frame[
                (answer.frame["prompts"] == name) & (answer.frame["judge"] == judge.name)
            ].iterrows()
            assert (row["unsteered"], row["steered"]) == pytest.approx((one.mean(), other.mean()))
            assert (row["effect"], row["low"], row["high"]) == pytest.approx(
                (by_hand.estimate, by_hand.low, by_hand.high)
            )
            assert row["perplexity_ratio"] == pytest.approx(after / before, rel=1e-3)
            moved = (other - one).reshape(len(prompts), 2).mean(1)
            assert row["wrong_way"] == (moved < 0).mean()
            assert row["n_prompts"] == len(prompts)
            own = answer.by_prompt[
                (answer.by_prompt["prompts"] == name) & (answer.by_prompt["judge"] == judge.name)
            ]
            assert own["effect"].tolist() == pytest.approx(moved.tolist())
            assert own["prompt"].tolist() == prompts


def test_the_wrong_way_is_the_other_one_where_less_is_wanted() -> None:
    up, down = found(), found(more=False)
    assert up.frame["effect"].tolist() == down.frame["effect"].tolist()
    for answer, sign in ((up, 1), (down, -1)):
        moved = sign * answer.by_prompt["effect"]
        wrong = (moved < 0).groupby([answer.by_prompt["prompts"], answer.by_prompt["judge"]]).mean()
        for _, row in answer.frame.iterrows():
            assert row["wrong_way"] == wrong[row["prompts"], row["judge"]]
        assert (sign * answer.worst(3)["effect"]).tolist() == sorted(moved)[:3]


@pytest.mark.parametrize("kind", ["bridge", *(["hooked"] if has_hooked() else [])])
def test_the_planted_truth_holds_on_texts_of_another_topic(kind: Any) -> None:
    one = planted(0, kind=kind)
    truth = ts.Direction(one.truth, one.hook_name, 8.0, Provenance(model_info(one.model), "t"))
    sets = {"some": one.neutral(4, seed=1), "others": one.neutral(4, seed=2)}
    answer = generalization(
        one.model,
        ts.Steering(ts.Add(truth, 6.0)),
        sets,
        [Share(PRAISE), Share(BLAME)],
        ts.Sampling(4, samples=2),
        progress=False,
    )
    by_judge = answer.frame.set_index(["judge", "prompts"])
    assert bool((by_judge.loc[f"share of {PRAISE}", "low"] > 0).all())
    assert bool((by_judge.loc[f"share of {PRAISE}", "wrong_way"] == 0).all())
    assert bool((by_judge.loc[f"share of {BLAME}", "effect"] <= 0).all())


def test_to_read_and_to_look_at() -> None:
    answer = found()
    first = answer.frame.iloc[0]
    assert f"at home: {JUDGE.name} {first['effect']:+.3f}" in repr(answer)
    assert "<table" in answer._repr_html_()
    (axes,) = answer.plot().axes
    assert [each.get_text() for each in axes.get_yticklabels()] == list(SETS)
    marked = {str(line.get_label()): line for line in axes.get_lines()}
    own = answer.frame[answer.frame["judge"] == LONG.name]
    assert marked[LONG.name].get_xdata().tolist() == own["effect"].tolist()


def test_nothing_stays(model: Any) -> None:
    before = hooks_of(model)
    generalization(model, steering(model), SETS, JUDGE, ts.Sampling(1), progress=False)
    assert hooks_of(model) == before


def test_shipped_prompts_are_many_and_different() -> None:
    sets = [PHRASINGS, *DOMAINS.values(), *RESISTING.values()]
    assert set(DOMAINS) == {"restaurants", "hotels", "products", "weather", "football"}
    assert set(RESISTING) == {"hated", "loved"}
    assert all(len(each) >= 12 for each in sets)
    every = list(chain(*sets, TEST, VALIDATION))
    assert len(set(every)) == len(every)
    assert all(text == text.strip() for text in every)


class Short(Share):
    def __call__(self, texts: Sequence[str]) -> list[float]:
        return [0.0]


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"prompt_sets": {}}, DataError, "no set came"),
        ({"prompt_sets": {"one": []}}, DataError, "'one' holds no prompt"),
        (
            {"prompt_sets": {"one": "the film"}},
            DataError,
            "the value of 'one' is 'the film'",
        ),
        ({"prompt_sets": {"one": ["film " * 62]}}, DataError, "context holds 64"),
        ({"judges": []}, DataError, "at least one judge, got none"),
        ({"judges": [JUDGE, JUDGE]}, SteerError, "each its own name"),
        ({"steering": [0.1, 0.2]}, MismatchError, "settings for 2 rows"),
        ({"steering": "another"}, MismatchError, "another model"),
    ],
)
def test_wrong_input_is_refused_before_the_model_runs(
    changes: dict[str, Any], error: type[Exception], says: str
) -> None:
    model = shared_model("bridge", "llama")
    asked = {"steering": steering(model), "prompt_sets": SETS, "judges": JUDGE, **changes}
    if asked["steering"] == "another":
        asked["steering"] = steering(shared_model("bridge", "gpt2"))
    elif isinstance(asked["steering"], list):
        one = direction(model, "blocks.1.hook_resid_post")
        asked["steering"] = ts.Steering(ts.Add(one, asked["steering"]))

    def runs(acts: torch.Tensor, hook: Any) -> None:
        pytest.fail("the model ran")

    with (
        model.hooks(fwd_hooks=[("blocks.0.hook_resid_pre", runs)]),
        pytest.raises(error, match=says),
    ):
        generalization(model, **asked, sampling=SAMPLING, progress=False)


def test_a_judge_that_scores_too_few_is_refused() -> None:
    model = shared_model("bridge", "llama")
    with pytest.raises(DataError, match="gave 1 scores for 12 texts"):
        generalization(model, steering(model), SETS, Short("it"), SAMPLING, progress=False)
