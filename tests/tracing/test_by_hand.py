"""Every number of a trace, against the same computed by hand."""

from functools import partial
from typing import Any

import pandas as pd
import pytest
import torch
from making import TEXTS, direction
from models import KINDS
from traced_by_hand import ARCHITECTURES, Act, ByHand, ablate, add, by_hand, model_of

import tl_steer as ts
from tl_steer.lens.forward import Decoder

ONE, TWO = "blocks.0.hook_resid_post", "blocks.1.hook_resid_post"
STRENGTHS = [0.8, 0.0, -0.5]
NUMBERS = ["before", "after", "strength", "acts", "relative_change", "angle", "norm_ratio"]
SAMPLING = ts.Sampling(5, temperature=0.8, seed=3, stop_at_eos=False)
WHERE = {
    "everywhere": (ts.everywhere, lambda prompt, whole: range(whole)),
    "generated": (ts.generated, lambda prompt, whole: range(prompt, whole)),
    "slice": (slice(1, 4), lambda prompt, whole: range(1, min(4, whole))),
    "last prompt token": (ts.last_prompt_token, lambda prompt, whole: range(prompt - 1, prompt)),
}


def vectors(model: Any) -> dict[str, ts.Direction]:
    return {
        "a": direction(model, ONE, 1),
        "b": direction(model, ONE, 2),
        "c": direction(model, TWO),
    }


def steering_of(model: Any, scope: Any) -> ts.Steering:
    own = vectors(model)
    return ts.Steering(
        ts.Add(own["a"], STRENGTHS, scope=scope),
        ts.Ablate(own["b"], scope=ts.prompt),
        then=ts.Add(own["a"], 0.25),
        late=ts.Add(own["c"], [0.0, 0.0, 0.6], scope=ts.generated),
    )


def acts_of(model: Any, row: int, where: Any) -> list[Act]:
    own = {name: each.vector for name, each in vectors(model).items()}
    return [
        Act("1", ONE, add(own["a"]), STRENGTHS[row], where),
        Act("2", ONE, ablate(own["b"]), 1.0, lambda prompt, whole: range(prompt)),
        Act("then", ONE, add(own["a"]), 0.25, lambda prompt, whole: range(whole)),
        Act("late", TWO, add(own["c"]), [0.0, 0.0, 0.6][row], WHERE["generated"][1]),
    ]


def check(model: Any, seen: ts.Trace, where: Any, *, unread: int) -> None:
    """Compare a trace of three rows, of which so many last tokens were not read."""
    own = {name: (each.hook_name, each.vector) for name, each in vectors(model).items()}
    for text in seen.texts:
        hand = by_hand(
            model, text.tokens, text.n_prompt, acts_of(model, text.prompt_index, where), own
        )
        plain = by_hand(model, text.tokens, text.n_prompt, [], {})
        frame = seen.frame[seen.frame["prompt_index"] == text.prompt_index]
        known = frame[frame["position"] < len(text.tokens) - unread]
        lines = known.set_index(["position", "hook_name", "direction", "intervention"])
        # The second text has no strength at the last of the interventions, and that is seen.
        assert set(lines.index) == {k for k in hand.rows if k[0] < len(text.tokens) - unread}
        expected = pd.DataFrame.from_dict(hand.rows, orient="index").loc[list(lines.index)]
        for name in NUMBERS:
            close(lines[name].astype(float), expected[name], 1e-3 if name == "angle" else 1e-5)
        tokens = seen.tokens[seen.tokens["prompt_index"] == text.prompt_index]
        check_distribution(seen, tokens, text, hand, plain)
        assert frame[frame["position"] >= len(text.tokens) - unread]["after"].isna().all()


def check_distribution(
    seen: ts.Trace, tokens: pd.DataFrame, text: Any, hand: ByHand, plain: ByHand
) -> None:
    before, now = plain.log_probs[:-1], hand.log_probs[:-1]
    ids = torch.tensor(text.tokens[1:])
    close(tokens["log_prob"][1:], now.gather(1, ids[:, None])[:, 0])
    close(tokens["entropy"][1:], -(now.exp() * now).sum(-1))
    close(tokens["kl"][1:], (now.exp() * (now - before)).sum(-1))
    assert tokens[["log_prob", "entropy", "kl"]].iloc[0].isna().all()
    likeliest = seen.alternatives[seen.alternatives["prompt_index"] == text.prompt_index]
    best = likeliest[likeliest["rank"] == 1]
    assert best["position"].tolist() == list(range(1, len(text.tokens)))
    close(best["alternative_log_prob"], now.max(-1).values)


def close(found: Any, expected: Any, within: float = 1e-5) -> None:
    torch.testing.assert_close(
        torch.tensor(list(found), dtype=torch.float64),
        torch.tensor(list(expected), dtype=torch.float64),
        atol=within,
        rtol=1e-5,
        equal_nan=True,
    )


@pytest.mark.parametrize("cached", [True, False], ids=["cached", "uncached"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_written_text(architecture: str, cached: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    begin = partial(Decoder.begin.__func__, Decoder)  # type: ignore[attr-defined]
    monkeypatch.setattr(Decoder, "begin", lambda *given, **_: begin(*given, cached=cached))
    model = model_of(architecture)
    scope, where = WHERE["generated" if cached else "slice"]
    steering = steering_of(model, scope)
    seen = ts.trace(model, TEXTS, steering, SAMPLING, directions=vectors(model), progress=False)
    check(model, seen, where, unread=1)
    written = ts.generate(model, TEXTS, steering, SAMPLING, progress=False).frame["tokens"]
    assert [list(each.tokens[each.n_prompt :]) for each in seen.texts] == written.tolist()


@pytest.mark.parametrize("name", WHERE)
@pytest.mark.parametrize("kind", KINDS)
def test_given_text(kind: str, name: str) -> None:
    model = model_of("gpt2", kind)
    scope, where = WHERE[name]
    texts = ["it was so bad", "the end", ""]
    seen = ts.trace(
        model, TEXTS, steering_of(model, scope), directions=vectors(model), texts=texts,
        progress=False,
    )  # fmt: skip
    check(model, seen, where, unread=0)


@pytest.mark.parametrize("samples", [1, 2])
def test_rows_whose_prompts_are_read_together(samples: int) -> None:
    """Nothing acts on prompts, so that all rows share one reading, also those of no strength."""
    model, place = model_of("llama"), vectors
    same = ["the film was very good"] * 2
    steering = ts.Steering(ts.Add(place(model)["a"], [0.0, 0.7], scope=ts.generated))
    seen = ts.trace(
        model, same, steering, directions=place(model)["a"], max_new_tokens=4, temperature=0,
        samples=samples, progress=False,
    )  # fmt: skip
    assert len(seen.texts) == 2 * samples
    for text in seen.texts:
        strength = [0.0, 0.7][text.prompt_index]
        act = Act("1", ONE, add(place(model)["a"].vector), strength, WHERE["generated"][1])
        hand = by_hand(
            model, text.tokens, text.n_prompt, [act], {"direction": (ONE, place(model)["a"].vector)}
        )
        own = seen.frame.query(f"prompt_index == {text.prompt_index} and sample == {text.sample}")
        expected = [hand.rows[p, ONE, "direction", "1"] for p in range(len(text.tokens) - 1)]
        for name in NUMBERS:
            close(own[name].astype(float)[:-1], [row[name] for row in expected], 1e-3)


def test_rows_that_end_before_others() -> None:
    """They are left behind, and those that go on are still themselves."""
    model = model_of("gpt2")
    own = vectors(model)["a"]
    seen = ts.trace(
        model, TEXTS, ts.Add(own, STRENGTHS), directions=own, samples=8, max_new_tokens=24,
        temperature=1.5, seed=1, kl=False, progress=False,
    )  # fmt: skip
    lengths = {len(text.tokens) - text.n_prompt for text in seen.texts}
    assert len(lengths) > 3
    for text in seen.texts:
        act = Act("1", ONE, add(own.vector), STRENGTHS[text.prompt_index], WHERE["everywhere"][1])
        looks = {"direction": (ONE, own.vector)}
        hand = by_hand(model, text.tokens, text.n_prompt, [act], looks)
        after = text.stands[ONE].after[:, 0]
        known = [number for number, value in enumerate(after) if value == value]
        assert known[: len(text.tokens) - 1] == list(range(len(text.tokens) - 1))
        close(after[known], [hand.rows[n, ONE, "direction", "1"]["after"] for n in known])
        ids, new = torch.tensor(text.tokens[1:]), slice(text.n_prompt, None)
        expected = hand.log_probs[:-1].gather(1, ids[:, None])[text.n_prompt - 1 :, 0]
        close(text.log_prob[new], expected)
        close(
            text.entropy[new],
            torch.special.entr(hand.log_probs.exp()).sum(-1)[text.n_prompt - 1 : -1],
        )
        assert (text.likeliest[new] >= 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_attention(kind: str) -> None:
    model, pattern = model_of("llama", kind), "blocks.1.attn.hook_pattern"
    own = vectors(model)["a"]
    prompt = "the film was very good and the film"
    seen = ts.trace(
        model, ["a movie", prompt], ts.Add(own, 0.9), directions=own, max_new_tokens=3,
        temperature=0, attention=1, keys=ts.Keywords("film"), progress=False,
    )  # fmt: skip
    text = seen.texts[1]
    act = Act("1", ONE, add(own.vector), 0.9, WHERE["everywhere"][1])
    after = by_hand(model, text.tokens, text.n_prompt, [act], {}, [pattern]).patterns[pattern]
    before = by_hand(model, text.tokens, text.n_prompt, [], {}, [pattern]).patterns[pattern]
    film = [number for number, piece in enumerate(text.pieces) if piece.strip() == "film"]
    assert len(film) >= 2
    frame = seen.attention[seen.attention["prompt_index"] == 1]
    assert set(frame["hook_name"]) == {pattern}
    for head, rows in frame.groupby("head"):
        p, q = after[head], before[head]
        m = (p + q) / 2
        close(rows["to_keys"], p[:, film].sum(-1))
        close(rows["to_keys_unsteered"], q[:, film].sum(-1))
        divergence = (torch.xlogy(p, p / m).nansum(-1) + torch.xlogy(q, q / m).nansum(-1)) / 2
        close(rows["rerouted"], divergence)
    assert frame["rerouted"].max() > 1e-3
