"""Contracts 1 to 5 and 9 on the packaged real model, with few tokens and few prompts."""

from functools import cache
from typing import Any

import pytest
import torch
from making import (
    SCOPES,
    SITES,
    batch_of,
    direction,
    generated_by_model,
    greedy,
    hooks_of,
    logits_of,
    packaged,
    rows_of,
)
from models import has_hooked
from transformers import AutoModelForCausalLM

import tl_steer as ts
from tl_steer.data import packaged_model_dir
from tl_steer.lens.hook_names import resolve
from tl_steer.lens.sites import VECTOR_SITES

pytestmark = pytest.mark.packaged

KINDS = ("bridge", *(("hooked",) if has_hooked() else ()))
TEXTS = ("The film was", "In the end, I thought that it", "Yes")
DEPTH = 15
DOSE = 0.4
"""Relative to the activations: enough to change what is said, and to keep it language."""


@pytest.fixture(scope="module", params=KINDS)
def model(request: pytest.FixtureRequest) -> Any:
    return packaged(request.param)


@cache
def norms() -> dict[str, float]:
    """Mean norm of the activations after the first token, at every hook point of ``SITES``."""
    wanted = [deep(name) for name in SITES]
    with torch.inference_mode():
        _, kept = packaged("bridge").run_with_cache(TEXTS[1], names_filter=wanted)
    return {name: float(kept[name][0, 1:].flatten(1).norm(dim=-1).mean()) for name in wanted}


def deep(name: str) -> str:
    """The same site in the middle of a model of thirty layers."""
    _, layer, site = name.split(".", 2)
    return f"blocks.{DEPTH + int(layer)}.{site}"


def addition(model: Any, name: str, scope: Any, *, seed: int = 0, dose: float = DOSE) -> ts.Add:
    shift = direction(model, deep(name), seed).unit
    return ts.Add(shift, dose * norms()[deep(name)], scope=scope)


def steering(model: Any, scope: Any) -> ts.Steering:
    return ts.Steering(*(addition(model, name, scope) for name in SITES))


def fingerprint(model: Any) -> list[tuple[str, int, int, float, bool]]:
    """Of every parameter and buffer: where it is, how often it was written to, what it sums to."""
    tensors = [*model.named_parameters(), *model.named_buffers()]
    return [
        (
            name,
            tensor.data_ptr(),
            tensor._version,
            float(tensor.detach().sum(dtype=torch.float64)),
            tensor.is_leaf,
        )
        for name, tensor in tensors
    ]


def test_1_nothing_stays(model: Any) -> None:
    before, hooks, logits = fingerprint(model), hooks_of(model), logits_of(model, TEXTS)
    training = [module.training for module in model.modules()]

    def interrupts(acts: torch.Tensor, hook: Any) -> None:
        raise KeyboardInterrupt

    with ts.steer(model, steering(model, ts.prompt)):
        assert not torch.equal(logits_of(model, TEXTS), logits)
    greedy(model, TEXTS, steering(model, ts.generated), steps=2)
    model.run_with_hooks("a", fwd_hooks=steering(model, ts.last_prompt_token).fwd_hooks(model))
    with (
        pytest.raises(KeyboardInterrupt),
        ts.steer(model, steering(model, ts.prompt)),
        model.hooks(fwd_hooks=[("blocks.20.hook_resid_post", interrupts)]),
    ):
        generated_by_model(model, TEXTS, steps=2)
    assert hooks_of(model) == hooks
    assert fingerprint(model) == before
    assert [module.training for module in model.modules()] == training
    assert torch.equal(logits_of(model, TEXTS), logits)


def test_2_zero_is_nothing(model: Any) -> None:
    logits = logits_of(model, TEXTS)
    zeros = [
        ts.Add(direction(model, deep(name)), 0.0, scope=scope)
        for name, (scope, _) in zip(SITES, SCOPES.values(), strict=False)
    ]
    with ts.steer(model, *zeros):
        assert torch.equal(logits_of(model, TEXTS), logits)
    some = ts.Add(direction(model, deep(SITES[2])), [0.0, 20.0, 0.0])
    with ts.steer(model, some):
        found = logits_of(model, TEXTS)
    assert [torch.equal(*pair) for pair in zip(found, logits, strict=True)] == [True, False, True]


@cache
def unsteered() -> list[list[int]]:
    found: list[list[int]] = greedy(packaged("bridge"), TEXTS, steps=3).frame["tokens"].tolist()
    return found


@pytest.mark.parametrize("scopes", [list(SCOPES), ["generated"]], ids=["all", "generated"])
def test_3_and_4_neither_the_cache_nor_the_batch_matters(model: Any, scopes: list[str]) -> None:
    # In one steering each hook point has another scope, and each scope another hook point.
    steered = ts.Steering(
        *(
            addition(model, name, SCOPES[scope][0])
            for name, scope in zip((*SITES, *SITES), scopes, strict=False)
        )
    )
    ours = greedy(model, TEXTS, steered, steps=3).frame
    found = ours["tokens"].tolist()
    assert found != unsteered()
    with ts.steer(model, steered):
        for cached in (True, False):
            own = generated_by_model(
                model, TEXTS, steps=3, prepend_bos=False, use_past_kv_cache=cached
            )
            assert own == found
    for number, text in enumerate(TEXTS):
        alone = greedy(model, text, steered, steps=3).frame
        assert alone["tokens"][0] == found[number]
        assert alone["log_probs"][0] == pytest.approx(ours["log_probs"][number], abs=1e-3)


def test_4_the_batch_does_not_matter_to_samples_of_a_chat(model: Any) -> None:
    sampling = ts.Sampling(3, temperature=0.9, top_p=0.95, seed=1)
    steered = ts.Steering(addition(model, SITES[2], ts.prompt))
    settings: dict[str, Any] = {"chat": ts.Chat(), "progress": False}
    together = ts.generate(model, TEXTS[1:], steered, sampling, **settings).frame
    alone = ts.generate(model, TEXTS[1:], steered, sampling, max_tokens=1, **settings).frame
    assert together["tokens"].tolist() == alone["tokens"].tolist()


def test_5_rows_are_their_own(model: Any) -> None:
    alone = [
        addition(model, SITES[2], ts.everywhere, seed=row, dose=0.2 * (row + 1))
        for row in range(len(TEXTS))
    ]
    together = ts.Add([add.directions[0] for add in alone], [float(add.strength) for add in alone])
    real = batch_of(model, TEXTS).real
    with ts.steer(model, together):
        found = logits_of(model, TEXTS)
    for row, (text, add) in enumerate(zip(TEXTS, alone, strict=True)):
        with ts.steer(model, add):
            expected = logits_of(model, [text])[0]
        torch.testing.assert_close(found[row][real[row]], expected, atol=1e-3, rtol=1e-3)


@cache
def by_hugging_face() -> tuple[torch.Tensor, torch.Tensor]:
    """Logits of the plain model, as it is and with an addition after the fifteenth block."""
    plain = AutoModelForCausalLM.from_pretrained(
        packaged_model_dir(progress=False), local_files_only=True, attn_implementation="eager"
    ).eval()
    add = addition(packaged("bridge"), SITES[2], slice(1, 4))
    vector = float(add.strength) * add.directions[0].vector

    def adds(module: Any, args: Any, output: Any) -> Any:
        hidden = (output[0] if isinstance(output, tuple) else output).clone()
        hidden[:, 1:4] += vector
        return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

    tokens = torch.tensor(rows_of(packaged("bridge"), TEXTS[1:2]))
    with torch.inference_mode():
        as_it_is = plain(tokens).logits[0]
        plain.model.layers[add.directions[0].layer].register_forward_hook(adds)
        return as_it_is, plain(tokens).logits[0]


def test_9_the_model_classes_agree_with_the_plain_model(model: Any) -> None:
    plain, steered = by_hugging_face()
    assert (plain - steered).abs().max() > 0.1
    torch.testing.assert_close(logits_of(model, TEXTS[1:2])[0], plain, atol=1e-3, rtol=1e-3)
    with ts.steer(model, addition(model, SITES[2], slice(1, 4))):
        found = logits_of(model, TEXTS[1:2])[0]
    torch.testing.assert_close(found, steered, atol=1e-3, rtol=1e-3)


@cache
def kept_by_the_bridge() -> dict[str, torch.Tensor]:
    return kept_by(packaged("bridge"))


def kept_by(model: Any) -> dict[str, torch.Tensor]:
    """What stands at every steerable hook point, with an addition in the middle of a block."""
    names = resolve(model, [f"blocks.*.{site}" for site in VECTOR_SITES])
    tokens = torch.tensor(rows_of(model, TEXTS[1:2]))
    with ts.steer(model, addition(model, SITES[1], ts.prompt)), torch.inference_mode():
        _, kept = model.run_with_cache(tokens, names_filter=list(names))
    return {name: kept[name] for name in names}


def test_9_the_model_classes_agree_at_every_hook_point(model: Any) -> None:
    expected, found = kept_by_the_bridge(), kept_by(model)
    assert len(expected) == len(found) == len(VECTOR_SITES) * model.cfg.n_layers
    for name, there in expected.items():
        # Some tokens' activations are thousands of times larger than the others'.
        close = (found[name] - there).abs().max() / there.abs().max()
        assert float(close) < 1e-4, name
