"""Encoders and encoder-decoders: refused in one sentence, by whatever takes a model."""

import inspect
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import torch
from activations_of import activations_of
from fronts import PUBLIC
from making import TEXTS, as_users_run_it
from models import tokenizer
from tiny import plain

import tl_steer as ts
from tl_steer.directions import Provenance
from tl_steer.errors import SteerError
from tl_steer.lens.loading import wrap
from tl_steer.lens.protocol import ModelInfo, require_steerable

AT = "blocks.1.hook_resid_post"
KINDS = {"T5": "is an encoder-decoder", "BERT": "is an encoder"}

PAIRS = {
    "confounds": ["texts"],
    "sae_features": ["texts"],
    "function_vector": ["prompts"],
    "head_effects": ["prompts"],
}

TAKE_A_MODEL = sorted(
    name
    for name, public in PUBLIC.items()
    if inspect.isfunction(public) and "model" in inspect.signature(public).parameters
)


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(scope="module")
def bridge(kind: str) -> Any:
    from transformer_lens.model_bridge import TransformerBridge

    return TransformerBridge.boot_transformers(
        "tiny", hf_model=plain(kind), tokenizer=tokenizer(), device="cpu"
    )


def _direction() -> ts.Direction:
    info = ModelInfo("tiny", 2, 32, "raw")
    return ts.Direction(torch.ones(32), AT, 1.0, Provenance(info, "made up"))


def _generations() -> ts.Generations:
    row = {"condition": "unsteered", "prompt_index": 0, "sample": 0, "prompt": "the film"}
    written = {"text": " good", "prompt_tokens": (1, 2), "tokens": (3,), "log_probs": (-1.0,)}
    return ts.Generations(pd.DataFrame([row | written]), ts.Sampling(1), "bridge")


def _arguments() -> dict[str, Any]:
    """Something that fits, by the name of an argument."""
    direction, contrast = _direction(), ts.ContrastSet(TEXTS, TEXTS[::-1])
    steering = ts.Steering(ts.Add(direction, 1.0))
    metric = ts.causal.LogProbability("good")
    judge = ts.judges.function_judge(
        "shouts", lambda texts: [float(text.isupper()) for text in texts]
    )
    return {
        "activations": activations_of(torch.ones(2, 32), torch.zeros(2, 32)),
        "answer": "good",
        "at": AT,
        "conditions": steering,
        "contrast": contrast,
        "direction": direction,
        "directions": ts.Directions({AT: direction}),
        "listen": print,
        "generations": _generations(),
        "intervention": ts.Add(direction, 1.0),
        "interventions": steering,
        "judge": judge,
        "judges": (judge,),
        "limit": 0.1,
        "made": lambda dose: steering,
        "measure": metric,
        "metric": metric,
        "name": "user",
        "negative": [" bad"] * len(TEXTS),
        "negative_prompt": "bad",
        "other": "bad",
        "positive": [" good"] * len(TEXTS),
        "positive_prompt": "good",
        "preferences": ts.data.Preferences(TEXTS, [" good"] * len(TEXTS), [" bad"] * len(TEXTS)),
        "prompt_sets": {"all": TEXTS},
        "prompts": TEXTS,
        "questions": ts.data.MultipleChoice(["the film is"], [[" good", " bad"]], [0]),
        "responses": TEXTS,
        "sae": SimpleNamespace(cfg=SimpleNamespace(), W_dec=torch.ones(4, 32), encode=len),
        "steering": steering,
        "strengths": [1.0],
        "test": ("a long story", "so dull"),
        "text": TEXTS[0],
        "texts": TEXTS,
        "until": AT,
        "validation": TEXTS,
    }


@pytest.mark.parametrize("name", TAKE_A_MODEL)
def test_whatever_takes_a_model_refuses_it(name: str, bridge: Any, kind: str) -> None:
    function: Callable[..., Any] = PUBLIC[name]
    known = {"model": bridge, **_arguments()}
    given = {
        key: known[key]
        for key, parameter in inspect.signature(function).parameters.items()
        if parameter.default is parameter.empty and parameter.kind is not parameter.VAR_POSITIONAL
    }
    # What most call texts are two classes of texts here.
    for key in PAIRS.get(name, ()):
        given[key] = known["contrast"]
    if name == "sweep":
        given["strengths"] = known["strengths"]
    steered = [given.pop("model"), known["interventions"]] if name == "steer" else []
    with as_users_run_it(), pytest.raises(SteerError, match=KINDS[kind]):
        function(*steered, **given)


def test_it_is_refused_when_it_is_wrapped(kind: str) -> None:
    with pytest.raises(SteerError, match=KINDS[kind]):
        wrap(plain(kind), tokenizer(), name="tiny", device="cpu")


def test_what_looks_like_text_from_left_to_right_is_no_encoder() -> None:
    with pytest.raises(SteerError, match="is not a TransformerLens model"):
        require_steerable(SimpleNamespace(cfg=None))
