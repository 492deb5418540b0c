"""From a localization to a steering: what is added where, and how much of it."""

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
import torch
from making import SITES, direction, own_model, rows_of, shared_model
from models import KINDS

import tl_steer as ts
from tl_steer.causal._localization import Localization
from tl_steer.causal._localize import localize
from tl_steer.causal._steering_at import steering_at
from tl_steer.errors import DataError, HookNameError, MismatchError, NonFiniteError, SteerError

PAIRS = ts.ContrastSet(
    ["the film was very good", "a film was so great"],
    ["the film was very bad", "a film was so awful"],
    paired=True,
)
POST, MLP, Z = "blocks.1.hook_resid_post", "blocks.0.hook_mlp_out", "blocks.1.attn.hook_z"


def localized(model: Any, at: Any = SITES, **changes: Any) -> Localization:
    settings = {"prepend_bos": False, "progress": False, **changes}
    return localize(model, PAIRS, ts.causal.LogitDifference("great", "awful"), at=at, **settings)


def with_effects(found: Localization, effects: list[float], whole: float = 2.0) -> Localization:
    """The same sites with other effects, each of them certain."""
    table = pd.Series(effects, dtype=float)
    frame = found.frame.assign(effect=table, low=table - 1e-6, high=table + 1e-6)
    return replace(found, frame=frame.assign(share=table / whole), whole=whole)


def directions(model: Any, names: Any = SITES) -> ts.Directions:
    return ts.Directions({name: direction(model, name) for name in names})


def adds(steering: ts.Steering) -> dict[str, Any]:
    return dict(steering.interventions)


def test_additions_stand_at_the_best_sites_and_share_the_dose(model: Any) -> None:
    streams = [name for name in SITES if not name.endswith("hook_z")]
    found = with_effects(localized(model, streams), [0.1, -0.5, 0.2, 0.3, 0.05, 0.4])
    known = directions(model)
    steering = steering_at(found, known, k=3, dose=0.12)
    best = [site.hook_name for site in found.best(3)]
    assert list(steering.interventions) == best
    for name, each in adds(steering).items():
        assert each.hook_name == name
        assert each.dose == pytest.approx(0.04, rel=1e-5)
        # The one that pushes the other way is turned round.
        sign = -1.0 if name == found.sites[1].hook_name else 1.0
        assert torch.equal(each.direction.vector, sign * known[name].vector)
        assert each.strength > 0
    steering.check_fits(model)


def test_the_logits_are_those_of_additions_written_by_hand(model: Any) -> None:
    found = with_effects(localized(model, [POST, MLP]), [0.4, 0.3])
    known = directions(model, [POST, MLP])
    tokens = torch.tensor([rows_of(model)[2]])
    by_hand = [ts.Add(known[name], known[name].strength_for(dose=0.15)) for name in (POST, MLP)]
    with torch.no_grad():
        with ts.steer(model, steering_at(found, known, k=2, dose=0.3)):
            ours = model(tokens)
        with ts.steer(model, ts.Steering(*by_hand)):
            theirs = model(tokens)
        plain = model(tokens)
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-6)
    assert float((ours - plain).abs().max()) > 0.01


def test_heads_of_one_hook_point_are_one_addition(model: Any) -> None:
    found = with_effects(localized(model, [Z, POST]), [0.5, 0.1, -0.4, 0.2, 0.3])
    known = directions(model, [Z, POST])
    steering = steering_at(found, known, k=4, dose=0.4)
    assert list(steering.interventions) == [f"{Z} heads 0, 2, 3", POST]
    heads, stream = adds(steering).values()
    assert heads.dose == pytest.approx(0.3, rel=1e-5)
    assert stream.dose == pytest.approx(0.1, rel=1e-5)
    expected = known[Z].vector * torch.tensor([1.0, 0.0, -1.0, 1.0])[:, None]
    assert torch.equal(heads.direction.vector, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_a_position_becomes_a_scope(kind: str) -> None:
    model = shared_model(kind, "llama")
    tokens = torch.tensor([rows_of(model, PAIRS.positive)[0]])
    for positions, changed in (
        (ts.causal.AtPosition(-1), [4]),
        (ts.causal.AtPosition(-2), [3]),
        (ts.causal.AtPosition(2), [2]),
    ):
        found = with_effects(localized(model, [POST], positions=positions), [0.5])
        steering = steering_at(found, direction(model, POST), dose=0.5)
        assert list(steering.interventions) == [f"{POST} position {positions.position}"]
        with torch.no_grad(), ts.steer(model, steering):
            _, cache = model.run_with_cache(tokens)
        with torch.no_grad():
            _, plain = model.run_with_cache(tokens)
        moved = (cache[POST] - plain[POST]).abs().sum(-1)[0] > 1e-6
        assert moved.nonzero().flatten().tolist() == changed
        if positions.position < 0:
            # Counted from the end of the prompt, so that no generated token is there.
            with pytest.raises(SteerError, match="of the prompt and generated"):
                steering_at(found, direction(model, POST), dose=0.5, scope=ts.generated)
            continue
        nowhere = steering_at(found, direction(model, POST), dose=0.5, scope=ts.generated)
        with torch.no_grad(), ts.steer(model, nowhere):
            assert torch.equal(model(tokens), model.run_with_cache(tokens)[0])
            _, cache = model.run_with_cache(tokens)
        assert torch.equal(cache[POST], plain[POST])


def test_noising_turns_nothing_round_and_ablation_neither(model: Any) -> None:
    for mode in (ts.causal.Noising(), ts.causal.ZeroAblation()):
        found = localized(model, [POST, MLP], mode=mode)
        # In noising, what carries a property has a negative effect of a negative whole.
        whole = -2.0 if isinstance(mode, ts.causal.Noising) else float("nan")
        found = with_effects(found, [-0.5, -0.4], whole)
        known = directions(model, [POST, MLP])
        for name, each in adds(steering_at(found, known, k=2)).items():
            assert torch.equal(each.direction.vector, known[name].vector)


def test_a_negative_dose_steers_the_other_way(model: Any) -> None:
    found = with_effects(localized(model, [POST]), [0.5])
    there, back = (
        adds(steering_at(found, direction(model, POST), dose=dose))[POST] for dose in (0.1, -0.1)
    )
    assert back.strength == -there.strength < 0


def test_what_does_not_fit_is_refused() -> None:
    model = shared_model("bridge", "llama")
    found = with_effects(localized(model, [POST, MLP]), [0.5, 0.4])
    with pytest.raises(MismatchError, match=r"no direction was read there.*Capture at"):
        steering_at(found, direction(model, POST), k=2)
    with pytest.raises(DataError, match="1 to 2"):
        steering_at(found, directions(model), k=3)
    with pytest.raises(NonFiniteError, match="dose"):
        steering_at(found, directions(model), dose=float("nan"))
    # The interval of the second reaches to the other side of zero.
    frame = found.frame.assign(low=[0.49, -0.1])
    with pytest.raises(DataError, match=r"no effect that can be told from none.*Take k=1"):
        steering_at(replace(found, frame=frame), directions(model), k=2)
    with pytest.raises(DataError, match="Localize with more prompts, or elsewhere"):
        steering_at(with_effects(found, [0.0, 0.0]), directions(model))
    other = own_model("bridge", "gpt2")
    with pytest.raises(MismatchError, match="another model"):
        steering_at(found, directions(other))


def test_a_head_that_the_direction_lacks_is_refused() -> None:
    model = shared_model("bridge", "llama")
    found = with_effects(localized(model, [Z]), [0.5, 0.4, 0.3, 0.2])
    zero = ts.directions.select_heads(direction(model, Z), [0])
    assert len(steering_at(found, zero).interventions) == 1
    with pytest.raises(NonFiniteError, match="head 1"):
        steering_at(found, zero, k=2)
    with pytest.raises((MismatchError, HookNameError)):
        steering_at(found, replace(zero, vector=zero.vector[:2]), k=4)
