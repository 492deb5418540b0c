"""What scopes are given: right, or refused when they are made."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from activations_of import AT, INFO, activations_of, two_classes
from making import as_users_run_it

import tl_steer as ts
from tl_steer.directions import Provenance
from tl_steer.errors import HookNameError, NonFiniteError, SteerError
from tl_steer.scopes._positions import as_scope

ALONG = ts.Direction(torch.randn(4, generator=torch.Generator().manual_seed(0)), AT, 1.0,
                     Provenance(INFO, "made up"))  # fmt: skip
WORD = ts.Keywords("film")
PATTERN = "blocks.1.attn.hook_pattern"


@pytest.fixture(autouse=True)
def _our_own_checks() -> Iterator[None]:
    with as_users_run_it():
        yield


@dataclass
class Unhashable:
    """A scope that compares by value and can change."""

    words: list[str]

    def __call__(self, context: Any) -> Any:
        return context.real


def fitted(**settings: Any) -> Any:
    return ts.scopes.fit_threshold(activations_of(*two_classes(4, n=6, m=6)), ALONG, **settings)


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "an empty slice": (lambda: as_scope(slice(3, 3)), r"\(3, 3\) is empty"),
    "a slice of nothing": (lambda: as_scope(slice(0)), r"\(0, 0\) is empty"),
    "a slice back": (lambda: as_scope(slice(5, 2)), r"\(5, 2\) is empty"),
    "from the end, back": (lambda: ts.Positions(-1, -3), r"\(-1, -3\) is empty"),
    "up to zero": (lambda: ts.Positions(-3, 0), "to go on to the end, leave stop out"),
    "half positions": (lambda: ts.Positions(0.5), "start=0.5.: expected a whole number"),
    "positions by words": (
        lambda: as_scope(slice("a", None)),
        "bounds such as 'a'|expected a whole number",
    ),
    "true positions": (lambda: ts.Positions(0, True), "stop=True.: expected a whole number"),
    "no characters": (lambda: ts.scopes.Characters(4, 4), r"\(4, 4\) is empty"),
    "characters by words": (
        lambda: ts.scopes.Characters("film"),
        "whole number or None, got 'film'",
    ),
    "a list of no numbers": (lambda: ts.scopes.NthGenerated([]), "expected numbers from 0"),
    "half tokens": (lambda: ts.scopes.NthGenerated(0.5), "a list of whole numbers, got 0.5"),
    "a token that is true": (
        lambda: ts.scopes.NthGenerated(True),
        "a list of whole numbers, got True",
    ),
    "a word": (lambda: as_scope("film"), r"write Keywords\('film'\)"),
    "nothing": (lambda: as_scope(None), "Expected a scope, got"),
    "a number": (lambda: as_scope(3), "Expected a scope, got"),
    "a class": (lambda: as_scope(ts.Keywords), r"got the class Keywords"),
    "a direction": (lambda: as_scope(ALONG), "Expected a scope, got"),
    "what takes two": (lambda: as_scope(lambda acts, context: context.real), "one argument"),
    "what takes none": (lambda: as_scope(lambda: None), "one argument"),
    "a strength": (
        lambda: as_scope(ts.strengths.AttentionShare(WORD, PATTERN)),
        "one argument, the context",
    ),
    "what cannot be hashed": (lambda: as_scope(Unhashable(["film"])), "cannot be hashed"),
    "all of nothing": (lambda: ts.scopes.AllOf([]), "at least one scope"),
    "any of a word": (lambda: ts.scopes.AnyOf("film"), "expected a scope"),
    "what never meets": (
        lambda: ts.scopes.AllOf(ts.prompt, ts.generated),
        "both of the prompt and generated",
    ),
    "what never meets, within": (
        lambda: ts.scopes.AllOf(
            ts.scopes.AnyOf(ts.scopes.Characters(3), ts.prompt), WORD, ts.scopes.NthGenerated(0)
        ),
        "both of the prompt and generated",
    ),
    "what never meets, by positions": (
        lambda: ts.scopes.AllOf(ts.Positions(-3, -1), ts.generated),
        "both of the prompt and generated",
    ),
    "not everywhere": (lambda: ts.scopes.Not(ts.everywhere), "marks nothing"),
    "not all positions": (lambda: ts.scopes.Not(slice(None)), "marks nothing"),
    "latched to a word": (lambda: ts.scopes.Latched("film"), "expected a scope"),
    "a prompt's words": (lambda: ts.scopes.PerPrompt(WORD), "expected a condition"),
    "the last of three": (
        lambda: ts.scopes.PerPrompt(ts.scopes.ProjectionAbove(ALONG, above=0.0), last=3),
        "expected True or False, got 3",
    ),
    "along a tensor": (
        lambda: ts.scopes.ProjectionAbove(torch.ones(4), above=0.0),
        "expected a Direction",
    ),
    "above a word": (
        lambda: ts.scopes.ProjectionAbove(ALONG, above="0.5"),
        "expected a number, got '0.5'",
    ),
    "above what is true": (
        lambda: ts.scopes.ProjectionAbove(ALONG, above=True),
        "expected a number, got True",
    ),
    "above several": (lambda: ts.scopes.CosineAbove(ALONG, above=[0.1, 0.2]), "expected a number"),
    "above any cosine": (
        lambda: ts.scopes.CosineAbove(ALONG, above=1.5),
        "above from -1 to 1",
    ),
    "all attention": (
        lambda: ts.scopes.AttendsTo(WORD, PATTERN, above=1.0),
        "above from 0 to below 1",
    ),
    "negative attention": (
        lambda: ts.scopes.AttendsTo(WORD, PATTERN, above=-0.1),
        "above from 0",
    ),
    "attention by words": (
        lambda: ts.scopes.AttendsTo(WORD, PATTERN, above="x"),
        "expected a number",
    ),
    "half a head": (
        lambda: ts.scopes.AttendsTo(WORD, PATTERN, [0.5], above=0.1),
        "expected a list of whole numbers, a whole number or None; item 0 is 0.5",
    ),
    "attention to a word": (
        lambda: ts.scopes.AttendsTo("film", PATTERN, above=0.1),
        "expected a scope",
    ),
    "a share of fires": (lambda: fitted(false_fires="few"), "such as 0.05, got 'few'"),
    "a condition's name": (lambda: fitted(condition="ProjectionAbove"), "expected the class"),
    "a condition made": (
        lambda: fitted(condition=ts.scopes.ProjectionAbove(ALONG, above=0.0)),
        "expected the class",
    ),
    "no activations": (
        lambda: ts.scopes.fit_threshold(torch.ones(3, 4), ALONG),
        "expected Activations, got a tensor",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_marks_nothing_is_refused(what: str) -> None:
    make, says = REFUSED[what]
    with pytest.raises(SteerError, match=says):
        make()


def test_what_is_refused_in_a_class_of_its_own() -> None:
    with pytest.raises(NonFiniteError, match="expected a number, got"):
        ts.scopes.ProjectionAbove(ALONG, above=float("inf"))
    for at in (1.5, [1.5], None):
        with pytest.raises(HookNameError, match="expected a hook name"):
            ts.scopes.AttendsTo(WORD, at, above=0.1)  # type: ignore[arg-type]


def test_an_intervention_refuses_it_when_it_is_made() -> None:
    for scope in (slice(3, 3), "film", ts.Keywords, Unhashable([])):
        with pytest.raises(SteerError):
            ts.Add(ALONG, scope=scope)  # type: ignore[arg-type]


def test_numbers_as_they_come() -> None:
    for one, four in ((np.int64(1), np.int32(4)), (torch.tensor(1), torch.tensor(4))):
        assert ts.Positions(one, four) == ts.Positions(1, 4) == as_scope(slice(one, four))
        assert ts.scopes.Characters(one, four) == ts.scopes.Characters(1, 4)
        assert (
            ts.scopes.NthGenerated(one, four)
            == ts.scopes.NthGenerated([one, four])
            == ts.scopes.NthGenerated(1, 4)
        )
        assert type(ts.Positions(one, four).stop) is int
        assert WORD.after(four) == WORD.after(4)
        attends = ts.scopes.AttendsTo(WORD, PATTERN, [one], above=np.float32(0.25))
        assert attends == ts.scopes.AttendsTo(WORD, [PATTERN], 1, above=0.25)  # type: ignore[arg-type]
    assert ts.Positions(None, 3) == as_scope(slice(None, 3))  # type: ignore[arg-type]
    assert ts.scopes.AllOf([WORD, ts.prompt]) == ts.scopes.AllOf(WORD, ts.prompt)  # type: ignore[arg-type]
    assert ts.scopes.ProjectionAbove(ALONG, above=torch.tensor(0.5)).above == 0.5  # type: ignore[arg-type]


def test_bounds_from_both_ends_may_enclose_something() -> None:
    for start, stop in ((0, -1), (5, -1), (-3, 9), (-3, None), (0, None), (-3, -1)):
        assert ts.Positions(start, stop).stop == stop
        assert ts.scopes.Characters(start, stop).start == start
