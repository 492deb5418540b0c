"""What cannot be compared with controls, each in a sentence and before anything is written."""

import math
from collections.abc import Sequence
from typing import Any

import pytest
from activations_of import moments_of, without_classes
from controls_of import SITE, Share, activations, controlled, model_of
from making import as_users_run_it, direction

import tl_steer as ts
from tl_steer.demo.planted import planted
from tl_steer.errors import (
    ArgumentError,
    DataError,
    HookNameError,
    MismatchError,
    NonFiniteError,
    SteerError,
)


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"prompts": ()}, DataError, "a list of prompts"),
        ({"prompts": "the film"}, DataError, "expected a list of texts"),
        ({"kl": 0.0}, SteerError, "kl=0.0"),
        ({"kl": math.nan}, SteerError, "kl=nan"),
        ({"kl": 1e4}, SteerError, "nats at most, and kl=10000"),
        ({"scope": ts.generated}, SteerError, "steer some of the prompt"),
        ({"dose": -0.1}, SteerError, "dose=-0.1"),
        ({"n_random": 1}, DataError, "n_random=1"),
        ({"n_orthogonal": -1}, ArgumentError, "n_orthogonal=-1"),
        ({"confidence": 1.0}, ArgumentError, "confidence=1.0"),
        ({"sampling": ts.Sampling(max_new_tokens=500)}, DataError, "500 are to follow"),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_what_is_refused(changes: dict[str, Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        controlled(**changes)


def test_directions_judges_and_activations_that_do_not_fit() -> None:
    acts, given = activations("bridge"), direction(model_of("bridge"), SITE)
    with pytest.raises(NonFiniteError, match="zero vector"):
        controlled(direction=given * 0.0)
    with (
        pytest.raises(MismatchError, match=r"one Direction, got a list. Give several"),
        as_users_run_it(),
    ):
        controlled(direction=[given, given])
    with pytest.raises(SteerError, match="expected a judge, got a function"), as_users_run_it():
        controlled(judge=lambda texts: [0.0] * len(texts))
    with pytest.raises(MismatchError, match="read from another model"):
        controlled(direction=direction(planted(0).model, "blocks.1.hook_resid_post"))

    class Short(Share):
        def __call__(self, texts: Sequence[str]) -> list[float]:
            return [0.5]

    with pytest.raises(DataError, match="gave 1 scores for 16 texts"):
        controlled(judge=Short("it"), kl=0.05)
    with pytest.raises(DataError, match="Only moments were kept"):
        controlled(shuffled=moments_of(acts))
    with pytest.raises(MismatchError, match="of different models"):
        controlled(shuffled=without_classes(acts[SITE]))
    with pytest.raises(HookNameError, match="was not captured"):
        controlled(
            direction=direction(model_of("bridge"), "blocks.2.hook_resid_post"), shuffled=acts
        )
    with pytest.raises(DataError, match="one class have no labels"):
        controlled(shuffled=acts.subset([0, 1]))
