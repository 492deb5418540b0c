"""The contracts on a GPU, in float32 and bfloat16, on both paths.

What was written over a cache, in a batch, is scored again alone and in one pass through the
bridge's own modules. So the cache, the batch and the path are all told from what they stand for,
and a tie between two tokens in bfloat16 is no failure.
"""

import os
from functools import cache
from typing import Any

import pandas as pd
import pytest
import torch
from making import SCOPES, TEXTS, assert_same_state, everywhere_at_once, hooks_of, rows_of
from models import ARCHITECTURES, tokenizer

import tl_steer as ts
from tl_steer.lens.loading import wrap

# The same on the CPU, where somebody wants to see them run: TL_STEER_TEST_DEVICE=cpu.
DEVICE = os.environ.get("TL_STEER_TEST_DEVICE", "cuda")

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(DEVICE == "cuda" and not torch.cuda.is_available(), reason="no CUDA device"),
    pytest.mark.parametrize("architecture", sorted(ARCHITECTURES)),
    pytest.mark.parametrize("dtype", ["float32", "bfloat16"]),
    pytest.mark.parametrize("path", ["twin", "bridge"]),
]
NEAR = {"float32": 1e-3, "bfloat16": 0.3}
"""How far two ways of computing one log-probability may be apart, in nats."""

STEPS = 5


@cache
def model_on(architecture: str, dtype: str) -> Any:
    made = ARCHITECTURES[architecture]().to(getattr(torch, dtype))
    model: Any = wrap(made, tokenizer(), name=f"small-{architecture}", device=DEVICE)
    with torch.no_grad():
        model("the film")
        model.run_with_cache("the film")
    return model


def written(model: Any, path: Any, steering: Any, texts: Any = TEXTS) -> pd.DataFrame:
    greedy = ts.Sampling(STEPS, temperature=0.0, stop_at_eos=False)
    found = ts.generate(model, texts, steering, greedy, path=path, progress=False)
    assert found.path == path
    return found.frame


@torch.no_grad()
def scored_alone(model: Any, frame: pd.DataFrame, steering: ts.Steering) -> torch.Tensor:
    """Log-probabilities of what was written, row by row, without a cache, on the bridge."""
    found = []
    for number, (prompt, tokens) in enumerate(
        zip(frame["prompt_tokens"], frame["tokens"], strict=True)
    ):
        ids = torch.tensor([[*prompt, *tokens[:-1]]], device=DEVICE)
        own = steering if steering.n_rows is None else steering.rows([number])
        with ts.steer(model, own, prompt_lengths=[len(prompt)]):
            logits = model(ids, attention_mask=torch.ones_like(ids), use_cache=False)
        log_probs = logits[0, len(prompt) - 1 :].float().log_softmax(-1).cpu()
        found.append(log_probs.gather(1, torch.tensor(tokens)[:, None])[:, 0])
    return torch.stack(found)


@pytest.mark.parametrize("scope", SCOPES)
def test_cache_batch_and_path_do_not_matter(
    architecture: str, dtype: str, path: str, scope: str
) -> None:
    model = model_on(architecture, dtype)
    steering = everywhere_at_once(model, SCOPES[scope][0], 0.7)
    frame = written(model, path, steering)
    expected = scored_alone(model, frame, steering)
    got = torch.tensor(frame["log_probs"].tolist())
    torch.testing.assert_close(got, expected, atol=NEAR[dtype], rtol=0)


def test_rows_are_their_own(architecture: str, dtype: str, path: str) -> None:
    model = model_on(architecture, dtype)
    steering = everywhere_at_once(model, ts.everywhere, [0.7, 0.0, 1.4])
    frame = written(model, path, steering)
    got = torch.tensor(frame["log_probs"].tolist())
    expected = scored_alone(model, frame, steering)
    torch.testing.assert_close(got, expected, atol=NEAR[dtype], rtol=0)
    unsteered = written(model, path, None).iloc[1]
    # A strength of zero changes no bit, whatever the other rows do.
    assert unsteered["log_probs"] == frame.iloc[1]["log_probs"]


def test_zero_is_nothing(architecture: str, dtype: str, path: str) -> None:
    model = model_on(architecture, dtype)
    zero = everywhere_at_once(model, ts.everywhere, 0.0)
    pd.testing.assert_frame_equal(
        *(written(model, path, each).drop(columns="condition") for each in (None, zero)),
        check_exact=True,
    )


def test_nothing_stays(architecture: str, dtype: str, path: str) -> None:
    model = model_on(architecture, dtype)
    tokens = torch.tensor([rows_of(model)[0]], device=DEVICE)

    def state() -> dict[str, Any]:
        tensors = [*model.parameters(), *model.buffers()]
        with torch.no_grad():
            logits = model(tokens, attention_mask=torch.ones_like(tokens))
        return {
            "hooks": hooks_of(model),
            "modules": [(id(each), each.training) for each in model.modules()],
            "children": [],
            "tensors": [(id(each), each.data_ptr(), each.requires_grad) for each in tensors],
            "configuration": {name: repr(value) for name, value in vars(model.cfg).items()},
            "values": [each.detach().clone() for each in tensors],
            "logits": logits,
            "tokens": list(model.state_dict()),
        }

    before = state()
    written(model, path, everywhere_at_once(model, ts.generated, 0.7))
    ts.capture(model, TEXTS, at="blocks.*.hook_mlp_out", path=path, progress=False)
    assert_same_state(state(), before)


def test_capture_does_not_depend_on_batching_or_path(
    architecture: str, dtype: str, path: str
) -> None:
    model = model_on(architecture, dtype)
    names = ["blocks.*.hook_resid_post", "blocks.*.attn.hook_z", "blocks.*.hook_attn_out"]
    expected = ts.capture(model, TEXTS, at=names, path="bridge", max_tokens=1, progress=False)
    got = ts.capture(model, TEXTS, at=names, path=path, progress=False)
    assert (got.path, expected.path) == (path, "bridge")
    for name in got.hook_names:
        scale = float(expected[name].abs().max())
        torch.testing.assert_close(
            got[name], expected[name], atol=scale * (1e-4 if dtype == "float32" else 0.05), rtol=0
        )
