"""Rows whose text has ended are left behind, and nothing about the others changes."""

from itertools import chain
from math import nan
from typing import Any

import pytest
import torch
from kinds import one_architecture
from making import TEXTS, direction
from scopes_of import SCOPES
from strengths_of import STRENGTHS

import tl_steer as ts
from tl_steer.errors import NonFiniteError
from tl_steer.lens.hook_points import attach, points

STEPS = 6
SAMPLED = ts.Sampling(STEPS, samples=3, temperature=0.9, seed=2)
AT = "blocks.1.hook_resid_post"


def frame_of(model: Any, steering: Any, ends: set[int], monkeypatch: pytest.MonkeyPatch) -> Any:
    from tl_steer.generation import _continuing as continuing

    with monkeypatch.context() as patch:
        patch.setattr(continuing, "eos_ids", lambda model: sorted(ends))
        return ts.generate(model, TEXTS, steering, SAMPLED, progress=False, max_tokens=10**6).frame


def ending(frame: Any) -> set[int]:
    """Tokens that end some texts early, and others late or never."""
    rows = frame["tokens"].tolist()
    return {rows[0][0], rows[4][1], rows[8][2], rows[2][3]}


def until(tokens: list[int], ends: set[int]) -> list[int]:
    last = next((i for i, token in enumerate(tokens) if token in ends), STEPS - 1)
    return tokens[: last + 1]


def rows_of_passes(model: Any) -> tuple[list[int], Any]:
    sizes: list[int] = []
    point = points(model, ["blocks.0.hook_resid_pre"])["blocks.0.hook_resid_pre"]
    return sizes, attach(point, lambda acts, hook: sizes.append(len(acts)))


def same_as_to_the_end(model: Any, steering: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = frame_of(model, steering, set(), monkeypatch)
    ends = ending(whole)
    found = frame_of(model, steering, ends, monkeypatch)
    expected = [until(tokens, ends) for tokens in whole["tokens"]]
    assert found["tokens"].tolist() == expected
    assert len(set(map(len, expected))) > 2
    logs = [each[: len(row)] for each, row in zip(whole["log_probs"], expected, strict=True)]
    torch.testing.assert_close(
        torch.tensor([*chain(*found["log_probs"])]),
        torch.tensor([*chain(*logs)]),
        atol=1e-4,
        rtol=0,
    )


@one_architecture
@pytest.mark.parametrize("name", STRENGTHS)
def test_strengths_go_on(model: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    add = ts.Add(direction(model, AT), STRENGTHS[name](model))
    if ts.Steering(add).n_rows is None:
        same_as_to_the_end(model, ts.Steering(add), monkeypatch)


@one_architecture
@pytest.mark.parametrize("name", SCOPES)
def test_scopes_go_on(model: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    add = ts.Add(direction(model, AT), 3.0, scope=SCOPES[name](model))
    same_as_to_the_end(model, ts.Steering(add), monkeypatch)


def test_settings_per_row_go_with_their_rows(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for scope in (ts.everywhere, ts.generated):
        for strengths in ([2.0, -2.0, 0.0], [0.5 * n for n in range(-4, 5)]):
            add = ts.Add(direction(model, AT), strengths, scope=scope)
            same_as_to_the_end(model, ts.Steering(add), monkeypatch)


def test_fewer_rows_run(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ends = ending(frame_of(model, None, set(), monkeypatch))
    sizes, hook = rows_of_passes(model)
    try:
        found = frame_of(model, None, ends, monkeypatch)
    finally:
        hook.remove()
    lengths = [len(tokens) for tokens in found["tokens"]]
    assert sizes[0] == len(TEXTS)
    for step, size in enumerate(sizes[1:], 1):
        going = sum(length > step for length in lengths)
        assert going <= size <= max(going / 0.75, going)
    assert min(sizes[1:]) < len(lengths)


def test_looking_seldom_writes_the_same(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from tl_steer.generation import _written as written

    add = ts.Add(direction(model, AT), [0.5 * n for n in range(-4, 5)])
    ends = ending(frame_of(model, add, set(), monkeypatch))
    found = frame_of(model, add, ends, monkeypatch)
    monkeypatch.setattr(written, "_LOOK_EVERY", {})
    for every in (2, 4, 100):
        monkeypatch.setattr(written, "_SELDOM", every)
        again = frame_of(model, add, ends, monkeypatch)
        assert again["tokens"].tolist() == found["tokens"].tolist()
        assert again["finished"].tolist() == found["finished"].tolist()


@pytest.mark.parametrize("every", [1, 100])
def test_what_comes_after_the_end_is_not_looked_at(
    model: Any, every: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tl_steer.generation import _written as written

    first = frame_of(model, None, set(), monkeypatch)["tokens"].tolist()
    monkeypatch.setattr(written, "_LOOK_EVERY", {})
    monkeypatch.setattr(written, "_SELDOM", every)
    passes = 0

    def breaks_row_0(acts: Any, hook: Any) -> Any:
        nonlocal passes
        passes += 1
        broken = torch.ones(len(acts), 1, 1)
        broken[0] = nan if passes > 2 else 1.0
        return acts * broken

    def write(ends: set[int]) -> Any:
        nonlocal passes
        passes = 0
        hook = attach(points(model, [AT])[AT], breaks_row_0)
        try:
            return frame_of(model, None, ends, monkeypatch)
        finally:
            hook.remove()

    # The longest prompt is the first of the batch. It ends with its first token, and breaks then.
    ends = {first[6][0]}
    if every == 100:
        assert write(ends)["tokens"].tolist() == [until(tokens, ends) for tokens in first]
    with pytest.raises(NonFiniteError, match="the logits of token 2 "):
        write(set())
