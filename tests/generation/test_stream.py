"""Text while it is written: what is shown is what comes back, and an end leaves nothing behind."""

from typing import Any

import pandas as pd
import pytest
from making import TEXTS, direction, hooks_of

import tl_steer as ts

SAMPLED = ts.Sampling(5, samples=2, temperature=0.9, seed=3)


def conditions_of(model: Any) -> dict[str, Any]:
    glad = direction(model, "blocks.1.hook_resid_post")
    return {"none": None, "glad": ts.Add(glad, 3.0), "less": ts.Ablate(glad)}


def test_it_writes_what_compare_writes(model: Any) -> None:
    conditions = conditions_of(model)
    expected = ts.compare(model, TEXTS, conditions, SAMPLED, progress=False)
    heard: list[dict[str, list[str]]] = []
    found = ts.generation.stream(model, TEXTS, conditions, heard.append, SAMPLED)
    pd.testing.assert_frame_equal(found.frame, expected.frame)
    last: dict[str, list[str]] = {}
    for texts in heard:
        last |= texts
    assert last == {name: expected.of(name).texts for name in conditions}


def test_texts_grow_by_a_token(model: Any) -> None:
    lengths: list[int] = []
    greedy = ts.Sampling(6, temperature=0, stop_at_eos=False)
    ts.generation.stream(
        model,
        TEXTS[0],
        {"as it is": None},
        lambda texts: lengths.append(len(texts["as it is"][0])),
        greedy,
    )
    assert len(lengths) == 6
    assert lengths == sorted(lengths)


def test_an_exception_ends_it_and_nothing_stays(model: Any) -> None:
    before = hooks_of(model)
    heard: list[Any] = []

    def enough(texts: dict[str, list[str]]) -> None:
        heard.append(texts)
        if len(heard) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ts.generation.stream(model, TEXTS, conditions_of(model), enough, SAMPLED)
    assert len(heard) == 2
    assert hooks_of(model) == before
    expected = ts.generate(model, TEXTS, None, SAMPLED, progress=False)
    assert ts.generate(model, TEXTS, None, SAMPLED, progress=False).texts == expected.texts
