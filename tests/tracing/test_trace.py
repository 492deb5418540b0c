"""What a trace takes, what it refuses, and what it leaves behind."""

from typing import Any

import numpy as np
import pytest
import torch
from making import direction, hooks_of
from matplotlib.figure import Figure
from no_waiting import NoWaiting
from traced_by_hand import model_of

import tl_steer as ts
from tl_steer.errors import DataError, HookNameError, MismatchError, SteerError
from tl_steer.tracing._recorder import Recording

ONE, TWO = "blocks.0.hook_resid_post", "blocks.1.hook_resid_post"
PROMPTS = ["the film was very", "a movie"]
FEW: dict[str, Any] = {"max_new_tokens": 3, "temperature": 0, "stop_at_eos": False}


@pytest.fixture(scope="module")
def model() -> Any:
    return model_of("gpt2")


def traced(model: Any, steering: Any = None, **settings: Any) -> ts.Trace:
    return ts.trace(model, PROMPTS, steering, progress=False, **{**FEW, **settings})


def test_nothing_is_left_behind(model: Any) -> None:
    before = hooks_of(model)
    traced(model, ts.Add(direction(model, ONE), 0.5), attention=0)
    assert hooks_of(model) == before


def test_nothing_waits_for_the_device(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    guarded = 0

    def guard(name: str) -> None:
        own = getattr(Recording, name)

        def run(*given: Any) -> Any:
            nonlocal guarded
            guarded += 1
            with NoWaiting():
                return own(*given)

        monkeypatch.setattr(Recording, name, run)

    steering = ts.Steering(ts.Add(direction(model, ONE), [0.5, 0.0], scope=ts.generated))
    for name in ("stands", "changed", "draws", "reads"):
        guard(name)
    traced(model, steering, directions=None)
    assert guarded > 10


def test_directions_are_named_after_what_they_are_part_of(model: Any) -> None:
    one, two = direction(model, ONE), direction(model, TWO)
    seen = traced(model, ts.Steering(ts.Add(one), glad=ts.Add(two), again=ts.Ablate(one)))
    found = seen.frame[["hook_name", "direction", "intervention"]].drop_duplicates()
    assert sorted(found.itertuples(index=False, name=None)) == [
        (ONE, "direction", "1"),
        (ONE, "direction", "again"),
        (TWO, "glad", "glad"),
    ]


def test_directions_at_other_places(model: Any) -> None:
    several = ts.Directions({name: direction(model, name) for name in (ONE, TWO)})
    for given, at, places in (
        (several, None, {ONE, TWO}),
        (several, 1, {TWO}),
        (several[ONE], "hook_resid_post", {f"blocks.{n}.hook_resid_post" for n in range(3)}),
        ([several[ONE]], [0, -1], {ONE, "blocks.2.hook_resid_post"}),
    ):
        seen = traced(model, directions=given, at=at)
        assert set(seen.frame["hook_name"]) == places
        assert set(seen.frame["direction"]) == {"direction"}
        assert set(seen.frame["intervention"]) == {""}
        known = seen.frame.dropna(subset="before")
        assert (known["before"] == known["after"]).all()


def test_what_has_no_direction_is_seen_as_well(model: Any) -> None:
    def doubled(acts: torch.Tensor, context: Any) -> torch.Tensor:
        return 2 * acts

    scores = "blocks.1.attn.hook_attn_scores"
    lift = ts.interventions.Emphasize(ts.Keywords("film"), scores, ts.interventions.Rescale(5))
    steering = ts.Steering(twice=ts.Custom(doubled, ONE), lift=lift)
    frame = traced(model, steering).frame.query(
        "not position.isin([3, 4, 5, 6]) or written == False"
    )
    twice, lifted = (frame[frame["intervention"] == name] for name in ("twice", "lift"))
    assert set(frame["direction"]) == {""}
    for name, expected in (("relative_change", 1), ("norm_ratio", 2), ("angle", 0)):
        np.testing.assert_allclose(twice[name].dropna(), expected, atol=1e-4)
    assert set(lifted["hook_name"]) == {scores}
    assert set(lifted["strength"].dropna()) == {1}
    assert lifted["relative_change"].isna().all()


def test_a_strength_that_follows_the_text(model: Any) -> None:
    strength = ts.strengths.WarmUp(2, 2.0)
    seen = traced(model, ts.Add(direction(model, ONE), strength))
    for _, rows in seen.frame.groupby("prompt_index"):
        written = rows[rows["written"]]["strength"].tolist()
        assert 0 <= written[0] < written[1] <= 2
        assert np.isnan(written[-1])


def test_conditions_and_samples_side_by_side(model: Any) -> None:
    add = ts.Add(direction(model, ONE), 0.8)
    seen = traced(model, {"as it is": None, "more": add}, samples=2, temperature=1.0)
    assert seen.conditions == ["as it is", "more"]
    assert len(seen.texts) == 8
    assert (seen.tokens.query("condition == 'as it is'")["kl"].dropna() == 0).all()
    assert (seen.tokens.query("condition == 'more'")["kl"].dropna() > 0).all()
    assert seen.tokens.groupby(["condition", "prompt_index", "sample"])["sink"].first().all()
    figure = seen.plot(prompt_index=1, sample=1)
    assert isinstance(figure, Figure)
    assert [axes.get_ylabel() for axes in figure.axes] == ["direction\nlayer 0", "KL, nats"]
    assert len(figure.axes[0].lines) == 2
    assert "more" in str(seen)
    assert repr(seen).startswith("Trace(8 texts; as it is, more; direction at blocks.0.hook")
    with pytest.raises(DataError, match="there are prompts 0 to 1"):
        seen.plot(prompt_index=2)


def test_conditions_that_act_at_places_of_their_own(model: Any) -> None:
    add = ts.Add(direction(model, ONE), 0.8)
    seen = traced(model, {"none": None, "more": add}, directions={"late": direction(model, TWO)})
    found = seen.frame.groupby("condition", sort=False)["hook_name"].agg(set)
    assert found.to_dict() == {"none": {TWO}, "more": {ONE, TWO}}
    assert (seen.frame.query("position == 0")["sink"]).all()
    assert "late" in seen._repr_html_()


def test_without_kl_prompts_have_no_distribution(model: Any) -> None:
    add = ts.Add(direction(model, ONE), 0.8)
    with_it, without = traced(model, add), traced(model, add, kl=False, alternatives=0)
    assert without.tokens["kl"].isna().all()
    assert without.alternatives.empty
    for tokens in (with_it.tokens, without.tokens):
        assert tokens["written"].tolist() == [False] * 4 + [True] * 3 + [False] * 2 + [True] * 3
    behind = without.tokens["written"]
    assert without.tokens["entropy"].notna().equals(behind)
    columns = ["token_id", "entropy", "log_prob"]
    assert without.tokens[behind][columns].equals(with_it.tokens[behind][columns])


def test_texts_may_be_token_ids(model: Any) -> None:
    as_words = traced_texts(model, ["so bad", ""])
    ids = [list(text.tokens[text.n_prompt :]) for text in as_words.texts]
    assert [len(each) for each in ids] == [2, 0]
    assert traced_texts(model, ids).frame.equals(as_words.frame)


def traced_texts(model: Any, texts: Any) -> ts.Trace:
    add = ts.Add(direction(model, ONE), 0.8, scope=ts.generated)
    return ts.trace(model, PROMPTS, add, texts=texts, progress=False)


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"texts": ["one"]}, MismatchError, "1 texts came with 2 prompts"),
        ({"texts": ["one", [3]]}, SteerError, "a list of texts, or token ids"),
        ({"texts": ["one", "two"], "seed": 3}, SteerError, "texts= came with seed"),
        ({"keys": ts.prompt}, SteerError, "keys= came without attention="),
        ({"attention": "blocks.0.hook_resid_post"}, HookNameError, "a pattern is wanted"),
        ({"attention": 7}, HookNameError, "layers 0 to 2"),
        ({"directions": []}, DataError, "no direction came"),
        ({"directions": "joy"}, SteerError, "Direction"),
        ({"directions": {}}, DataError, "no direction came"),
        ({"at": 9}, HookNameError, "layers 0 to 2"),
        ({"steering": {}}, DataError, "no condition came"),
        ({"path": "twin", "attention": 0}, SteerError, "path='twin'"),
        ({"alternatives": -1}, SteerError, "alternatives"),
    ],
)
def test_wrong_input_is_refused_before_the_model_runs(
    model: Any, given: dict[str, Any], error: Any, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    traced(model)  # what is found out once about a model
    for name in ("continued", "run_logits"):
        module = {"continued": "_tracer", "run_logits": "_reading"}[name]
        monkeypatch.setattr(f"tl_steer.tracing.{module}.{name}", None)
    settings = {"directions": direction(model, ONE), **given}
    with pytest.raises(error, match=said):
        ts.trace(model, PROMPTS, progress=False, **settings)
