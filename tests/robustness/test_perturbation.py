"""The smallest change that flips an answer: in closed form where there is one, else by trial."""

import math
from functools import cache
from typing import Any

import pytest
import torch
from flips_by_hand import AT, PROMPTS, answers_of, margin_by_hand, token
from making import (
    SITES,
    architecture_of,
    assert_same_state,
    direction,
    own_model,
    shared_model as shared,
    state_of,
)
from models import ARCHITECTURES, KINDS
from torch import Tensor

import tl_steer as ts
from tl_steer.dosing import dose_to_flip
from tl_steer.errors import DataError, HookNameError, MismatchError, NonFiniteError, SteerError
from tl_steer.lens.hook_names import site_shape
from tl_steer.lens.tokens import tokenize
from tl_steer.robustness._perturbation import Perturbations, smallest_perturbation


def found(model: Any, **changes: Any) -> Perturbations:
    answer, other = answers_of(model)
    asked = {"prompts": PROMPTS, "answer": answer, "other": other, "at": AT, "n_random": 0}
    return smallest_perturbation(model, **{**asked, **changes})


@cache
def usual(model: Any) -> Perturbations:
    return found(model)


def readout(model: Any, answer: str, other: str) -> Tensor:
    """Where the margin is zero at the end of the last block: ``w·h = 0``, whatever the norm does.

    The final layer norm scales by a positive number; GPT-2's also takes the mean off, and its
    biases are zero in a model that was never trained.
    """
    plain = ARCHITECTURES[architecture_of(model)]()
    gap = plain.lm_head.weight[token(model, other)] - plain.lm_head.weight[token(model, answer)]
    if architecture_of(model) == "llama":
        return (gap * plain.model.norm.weight).detach()
    assert not plain.transformer.ln_f.bias.any()
    scaled = (gap * plain.transformer.ln_f.weight).detach()
    return scaled - scaled.mean()


def test_where_it_is_linear_the_norm_is_the_closed_form(model: Any) -> None:
    """``‖r‖ = |w·h| / ‖w‖``, along ``w``."""
    end = f"blocks.{int(model.cfg.n_layers) - 1}.hook_resid_post"
    answers = found(model, at=end, precision=1e-3)
    for _, row in answers.frame.iterrows():
        w = readout(model, row["answer"], row["other"])
        tokens = torch.tensor([tokenize(model, [row["prompt"]])[0]])
        with torch.no_grad():
            h = model.run_with_cache(tokens, names_filter=end)[1][end][0, -1]
        closed = float(-(w @ h) / w.norm())
        assert closed > 0
        assert closed * 0.999 <= row["norm"] <= closed * 1.0021
        along = answers.directions[row["prompt_index"]].vector
        assert float(torch.nn.functional.cosine_similarity(along, w, dim=0)) > 0.9999


@pytest.mark.parametrize("scope", ["everywhere", "last_prompt_token"])
def test_each_flips_its_own_and_a_hundredth_less_does_not(model: Any, scope: str) -> None:
    bounds = {"everywhere": (0, None), "last_prompt_token": (-1, None)}[scope]
    answers = usual(model) if scope == "everywhere" else found(model, scope=getattr(ts, scope))
    assert answers.share_found == 1
    assert set(answers.directions) == set(range(len(PROMPTS)))
    for _, row in answers.frame.iterrows():
        one = answers.directions[row["prompt_index"]]
        asked = (model, row["prompt"], row["answer"], row["other"])
        assert row["margin"] == pytest.approx(margin_by_hand(*asked), abs=1e-3)
        assert row["margin"] < 0
        assert margin_by_hand(*asked, one.vector, AT, bounds) > -1e-5
        assert margin_by_hand(*asked, 0.99 * one.vector, AT, bounds) < 1e-5
        assert margin_by_hand(*asked, 1.01 * one.vector, AT, bounds) > 0
        assert row["norm"] == pytest.approx(one.norm, rel=1e-5)
        assert row["dose"] == pytest.approx(one.dose(), rel=1e-5)
        torch.testing.assert_close(answers.vectors[row["prompt_index"]], one.vector)
        one.check_fits(model)


def test_it_is_smaller_than_what_other_searches_find() -> None:
    model = shared("bridge", "gpt2")
    answers = found(model, scope=ts.last_prompt_token, n_random=30)
    # Random vectors of the same norm do not do it; along random directions more is needed.
    assert answers.frame["random_flipped"].mean() < 0.2
    for seed in range(3):
        along = dose_to_flip(
            model,
            PROMPTS,
            *answers_of(model),
            direction(model, AT, seed) * (answers.directions[0].scale / 3.0),
            scope=ts.last_prompt_token,
            scan=6,
        )
        norms = along.frame["strength"] * along.direction.norm
        assert bool((answers.frame["norm"] < norms).all())


def test_nothing_next_to_it_is_much_smaller() -> None:
    """The margin rises along the smallest perturbation, and not across it; by differences."""
    model = shared("bridge", "llama")
    answers = found(model, scope=ts.last_prompt_token, precision=1e-3)
    aligned = []
    for _, row in answers.frame.iterrows():
        one = answers.directions[row["prompt_index"]].vector
        asked = (model, row["prompt"], row["answer"], row["other"])
        steps = 3e-2 * torch.eye(len(one))
        slope = torch.tensor(
            [
                margin_by_hand(*asked, one + step, AT, (-1, None))
                - margin_by_hand(*asked, one - step, AT, (-1, None))
                for step in steps
            ]
        )
        aligned.append(float(torch.nn.functional.cosine_similarity(one, slope, dim=0)))
    assert min(aligned) > 0.95


def test_cosine_and_random_vectors_by_hand() -> None:
    model = shared("bridge", "llama")
    given = direction(model, AT)
    answers = found(model, direction=given, n_random=8, seed=3)
    for number, one in answers.directions.items():
        assert answers.frame["cosine"][number] == pytest.approx(one.cosine(given), abs=1e-5)
    assert bool(usual(model).frame["cosine"].isna().all())
    assert bool(usual(model).frame["random_flipped"].isna().all())
    shares = answers.frame["random_flipped"] * 8
    assert shares.round(5).map(float.is_integer).all()
    again = found(model, direction=given, n_random=8, seed=3)
    assert torch.equal(again.vectors, answers.vectors)
    assert again.frame["random_flipped"].tolist() == answers.frame["random_flipped"].tolist()


@pytest.mark.parametrize("site", [*SITES[:2], "blocks.1.attn.hook_z", "blocks.1.mlp.hook_post"])
@pytest.mark.parametrize("kind", KINDS)
def test_it_works_at_every_site(kind: str, site: str) -> None:
    model = shared(kind, "gpt2" if site.endswith(("_mid", "_z")) else "llama")
    answer, other = (each[:2] for each in answers_of(model))
    answers = found(model, at=site, prompts=PROMPTS[:2], answer=answer, other=other)
    assert answers.vectors.shape == (2, *site_shape(model, site))
    assert answers.share_found == 1
    for number, one in answers.directions.items():
        row = answers.frame.iloc[number]
        asked = (model, row["prompt"], row["answer"], row["other"])
        assert margin_by_hand(*asked, one.vector, site) > -1e-4
        assert margin_by_hand(*asked, 0.99 * one.vector, site) < 1e-4


def test_an_answer_that_is_other_already_needs_nothing() -> None:
    model = shared("bridge", "gpt2")
    answer, other = answers_of(model, likelier=False)
    answers = found(model, answer=answer, other=other, n_random=2)
    assert answers.frame["norm"].tolist() == [0.0] * len(PROMPTS)
    assert not answers.vectors.any()
    assert len(answers.directions) == 0
    assert math.isnan(answers.share_found)
    assert bool(answers.frame["random_flipped"].isna().all())


@pytest.mark.parametrize("kind", KINDS)
def test_batches_do_not_matter(kind: str) -> None:
    model = shared(kind, "llama")
    together, alone = usual(model), found(model, max_tokens=1)
    assert together.frame["norm"].tolist() == pytest.approx(alone.frame["norm"].tolist(), rel=0.02)


def test_one_step_that_is_too_short_is_no_flip() -> None:
    model = shared("bridge", "llama")
    few, more = found(model, steps=1, overshoot=0.0), usual(model)
    held = few.frame["norm"].map(math.isinf)
    assert held.any()
    assert set(few.directions) == set(few.frame.index[~held])
    assert bool(few.vectors[held.tolist()].isnan().all())
    assert bool((more.frame["norm"] <= few.frame["norm"] * 1.02).all())


def test_to_read_and_to_look_at() -> None:
    answers = found(shared("bridge", "llama"), n_random=4)
    assert repr(answers).startswith(f"Perturbations(6 of 6 answers flip at {AT}; median dose ")
    assert "<table" in answers._repr_html_()
    doses, random = answers.plot().axes
    assert doses.get_lines()[0].get_ydata().tolist() == sorted(answers.frame["dose"])
    assert len(random.patches) == 6


def test_it_works_where_the_caller_has_switched_gradients_off() -> None:
    model = shared("bridge", "gpt2")
    with torch.inference_mode():
        inside = found(model)
    torch.testing.assert_close(inside.vectors, usual(model).vectors)
    assert not inside.vectors.is_inference()


@pytest.mark.parametrize("kind", KINDS)
def test_the_model_is_left_as_it_was(kind: str) -> None:
    model = own_model(kind)
    before = state_of(model)
    found(model, steps=2, n_random=1)
    assert_same_state(state_of(model), before)

    def fails(acts: Any, hook: Any) -> None:
        if acts.requires_grad:
            raise KeyboardInterrupt

    def interrupted() -> None:
        with model.hooks(fwd_hooks=[("blocks.2.hook_resid_pre", fails)]):
            found(model)

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert_same_state(state_of(model), before)


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"prompts": []}, DataError, "at least one prompt, got none"),
        ({"other": ["bad"] * 5}, DataError, "Got 5 answers and 6 prompts"),
        ({"at": "blocks.9.hook_resid_post"}, HookNameError, "this model has blocks 0 to 3"),
        ({"at": "blocks.*.hook_resid_post"}, HookNameError, "expected one hook point"),
        ({"direction": "z"}, MismatchError, "numbers a token"),
        ({"direction": "zero"}, NonFiniteError, "has no direction"),
        ({"steps": 0}, SteerError, "steps=0"),
        ({"overshoot": -0.1}, SteerError, "overshoot=-0.1"),
        ({"precision": 0.0}, SteerError, "precision=0.0"),
        ({"n_random": -1}, SteerError, "n_random=-1"),
    ],
)
def test_wrong_input_is_refused_before_the_model_runs(
    changes: dict[str, Any], error: type[Exception], says: str
) -> None:
    model = shared("bridge", "llama")
    given = {"z": direction(model, SITES[5]), "zero": 0 * direction(model, AT)}
    if "direction" in changes:
        changes = {"direction": given[changes["direction"]]}

    def runs(acts: Tensor, hook: Any) -> None:
        pytest.fail("the model ran")

    with (
        model.hooks(fwd_hooks=[("blocks.0.hook_resid_pre", runs)]),
        pytest.raises(error, match=says),
    ):
        found(model, **{"answer": "good", "other": "bad", **changes})


def test_a_scope_that_reaches_no_answer_is_said() -> None:
    model = shared("bridge", "llama")
    with pytest.raises(SteerError, match="changes these answers"):
        found(model, scope=ts.generated)


def test_logits_that_are_not_finite_are_refused(model: Any) -> None:
    def spoils(acts: Tensor, hook: Any) -> Tensor:
        return acts * math.nan

    with (
        model.hooks(fwd_hooks=[("blocks.2.hook_resid_post", spoils)]),
        pytest.raises(NonFiniteError, match="the metric is nan for prompt"),
    ):
        found(model, answer="good", other="bad")
