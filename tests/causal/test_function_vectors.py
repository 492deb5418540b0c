"""Function vectors: heads chosen by their indirect effect, and what they write."""

from typing import Any

import pytest
import torch
from by_hand import plain_model
from exchange_by_hand import acts_of, at, logits, moved
from kinds import one_architecture
from making import architecture_of, assert_same_state, own_model, rows_of, shared_model, state_of
from models import KINDS

import tl_steer as ts
from tl_steer.causal._few_shot import few_shot
from tl_steer.causal._function_vectors import function_vector, head_effects
from tl_steer.causal._localize import localize
from tl_steer.causal._metrics import LogitDifference
from tl_steer.demo.planted import planted
from tl_steer.errors import ArgumentError, DataError, HookNameError, MismatchError

PROMPTS = ts.ContrastSet(
    ["the film was very good", "a great movie", "i loved it so much and the plot"],
    ["the film was bad", "a plot was awful and dull"],
    name="prompts",
)
METRIC = LogitDifference("great", "awful")


def effects(model: Any, **changes: Any) -> Any:
    return head_effects(model, PROMPTS, METRIC, prepend_bos=False, progress=False, **changes)


def vector(model: Any, **changes: Any) -> ts.Directions:
    settings = {"heads": 3, "prepend_bos": False, "progress": False, **changes}
    return function_vector(model, PROMPTS, METRIC, **settings)


def test_effects_are_the_papers(model: Any) -> None:
    """A head's mean output put into every negative prompt at its last token, by plain hooks."""
    architecture = architecture_of(model)
    plain = plain_model(architecture)
    found = effects(model)
    great, awful = (rows_of(model, [word])[0][0] for word in ("great", "awful"))
    own, theirs = rows_of(model, PROMPTS.negative), rows_of(model, PROMPTS.positive)

    def gap(row: Any) -> float:
        last = logits(plain, row)[-1]
        return float(last[great] - last[awful])

    for number, site in enumerate(found.sites):
        outputs = [acts_of(plain, architecture, row, site.hook_name)[-1] for row in theirs]
        mean = torch.stack(outputs).mean(0, keepdim=True)
        head = slice(8 * site.head, 8 * site.head + 8)
        for prompt, row in enumerate(own):
            with at(plain, architecture, site.hook_name, moved(mean, [len(row) - 1], head=head)):
                after = gap(row)
            expected = after - gap(row)
            assert float(found.per_prompt[number, prompt]) == pytest.approx(expected, abs=1e-5)
    assert len(found.sites) == 4 * model.cfg.n_layers


def test_the_vector_is_what_the_chosen_heads_write(model: Any) -> None:
    architecture = architecture_of(model)
    plain, found = plain_model(architecture), effects(model)
    chosen = found.frame.sort_values("effect", ascending=False).index[:3]
    expected = torch.zeros(32)
    for number in chosen:
        site = found.sites[number]
        rows = rows_of(model, PROMPTS.positive)
        mean = torch.stack([acts_of(plain, architecture, r, site.hook_name)[-1] for r in rows])
        alone = torch.zeros(32)
        head = slice(8 * site.head, 8 * site.head + 8)
        alone[head] = mean.mean(0)[head]
        if architecture == "llama":
            weight = plain.model.layers[site.layer].self_attn.o_proj.weight
            expected += (weight @ alone).detach()
        else:
            weight = plain.transformer.h[site.layer].attn.c_proj.weight
            expected += (alone @ weight).detach()
    at_two = ["blocks.1.hook_resid_post", "blocks.2.hook_resid_pre"]
    made = vector(model, at=at_two)
    assert list(made) == at_two
    for direction in made.values():
        torch.testing.assert_close(direction.vector, expected, atol=1e-5, rtol=1e-4)
        direction.check_fits(model)
    origin = made[at_two[0]].provenance
    listed = ", ".join(f"{found.sites[n].layer}.{found.sites[n].head}" for n in chosen)
    assert origin.method == f"function vector of heads {listed}"
    assert (origin.n_positive, origin.n_negative, origin.data) == (3, 2, "prompts")
    again = vector(model, at=at_two, effects=found)
    assert torch.equal(again[at_two[0]].vector, made[at_two[0]].vector)


def test_on_a_planted_model_it_does_what_the_head_does() -> None:
    for seed in range(3):
        plant = planted(seed)
        texts, metric = plant.texts(8, seed=7), LogitDifference("praise", "blame")
        name = "blocks.4.hook_resid_post"
        made = function_vector(plant.model, texts, metric, heads=1, at=name, progress=False)
        assert made[name].provenance.method == "function vector of heads 4.0"
        neutral = ts.ContrastSet(plant.neutral(4), plant.neutral(4), paired=True)

        def score(neutral: Any = neutral, metric: Any = metric, plant: Any = plant) -> float:
            found = localize(plant.model, neutral, metric, at="blocks.5.hook_resid_post",
                             progress=False)  # fmt: skip
            return float(found.baseline.mean())

        before = score()
        with ts.steer(plant.model, ts.Add(made[name], 1.0)):
            assert score() > before + 1


def test_by_default_it_stands_at_a_third_of_the_depth(model: Any) -> None:
    (name,) = vector(model)
    assert name == "blocks.1.hook_resid_post"
    assert vector(model)[name].scale > 0


@pytest.mark.parametrize("kind", KINDS)
def test_the_model_is_left_as_it_was(kind: str) -> None:
    model = own_model(kind)
    before = state_of(model, generate=False)
    vector(model)
    assert_same_state(state_of(model, generate=False), before)


@one_architecture
def test_batches_change_nothing(model: Any) -> None:
    (name,) = one = vector(model)
    some = vector(model, max_tokens=5)[name]
    torch.testing.assert_close(some.vector, one[name].vector, atol=1e-5, rtol=1e-4)


def test_wrong_input_is_refused() -> None:
    model = shared_model("bridge", "llama")
    with pytest.raises(HookNameError, match="not as wide as the residual stream"):
        vector(model, at="blocks.1.mlp.hook_post")
    with pytest.raises(HookNameError, match=r"heads are read at attn\.hook_z"):
        effects(model, at="blocks.1.hook_attn_out")
    with pytest.raises(DataError, match="expected 1 to 16"):
        vector(model, heads=17, effects=effects(model))
    with pytest.raises(ArgumentError, match=r"heads=0\): expected a whole number of at least 1"):
        vector(model, heads=0, effects=effects(model))
    pairs = ts.ContrastSet(["a good film"], ["a bad film"], paired=True)
    other = localize(model, pairs, METRIC, at="blocks.1.attn.hook_z", progress=False)
    with pytest.raises(MismatchError, match="expected effects of heads at the last token"):
        vector(model, effects=other)


EXAMPLES = [(f"question {number}", f"answer {number}") for number in range(8)]


def test_few_shot_prompts_show_the_task_and_its_opposite() -> None:
    made = few_shot(EXAMPLES, shots=3, n=20, seed=1)
    assert len(made.answers) == len(made.prompts.positive) == 20
    answer_of = dict(EXAMPLES)
    for right, wrong, answer in zip(
        made.prompts.positive, made.prompts.negative, made.answers, strict=True
    ):
        parsed = []
        for text in (right, wrong):
            *shown, asked = text.split("\n\n")
            assert asked.endswith("\nA:")
            question = asked.removeprefix("Q: ").removesuffix("\nA:")
            assert answer == f" {answer_of[question]}"
            lines = [each.removeprefix("Q: ").split("\nA: ") for each in shown]
            assert len({question, *(one for one, _ in lines)}) == 4
            parsed.append(lines)
        assert all(answer_of[question] == given for question, given in parsed[0])
        assert all(answer_of[question] != given for question, given in parsed[1])
        assert [q for q, _ in parsed[0]] == [q for q, _ in parsed[1]]
        assert sorted(a for _, a in parsed[0]) == sorted(a for _, a in parsed[1])
    assert few_shot(EXAMPLES, shots=3, n=20, seed=1) == made
    assert few_shot(EXAMPLES, shots=3, n=20, seed=2) != made
    for shots in (1, 8):
        with pytest.raises(DataError, match="8 examples"):
            few_shot(EXAMPLES, shots=shots)
    with pytest.raises(ArgumentError, match=r"n=0\): expected a whole number of at least 1"):
        few_shot(EXAMPLES, n=0)
