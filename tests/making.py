"""What the contract tests share: models, directions, scopes, and what a model looks like."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import jaxtyping
import pytest
import torch
from hypothesis import HealthCheck, Phase, settings
from kinds import MODELS as MODELS
from models import small_model
from torch import Tensor

import tl_steer as ts
from tl_steer.directions import Provenance
from tl_steer.lens import tokens
from tl_steer.lens.forward import run_logits
from tl_steer.lens.hook_names import site_shape
from tl_steer.lens.protocol import model_info
from tl_steer.lens.sites import sites_of

TEXTS = ("the film was very good", "a movie", "i loved it so much and the plot")

SITES = (
    "blocks.0.hook_resid_pre",
    "blocks.1.hook_resid_mid",
    "blocks.1.hook_resid_post",
    "blocks.2.hook_attn_out",
    "blocks.0.hook_mlp_out",
    "blocks.2.attn.hook_z",
    "blocks.1.mlp.hook_post",
)
"""One of each kind that is written to often; all small models have three layers at least."""

TORCH_HOOKS = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_pre_hooks_with_kwargs",
    "_forward_hooks_always_called",
)
"""Where a torch module keeps them."""

Bounds = Callable[[int], tuple[int, int | None]]
"""From the length of a row's prompt to the tokens from ``start`` to before ``stop``."""

SCOPES: dict[str, tuple[Any, Bounds]] = {
    "everywhere": (ts.everywhere, lambda prompt: (0, None)),
    "prompt": (ts.prompt, lambda prompt: (0, prompt)),
    "generated": (ts.generated, lambda prompt: (prompt, None)),
    "last_prompt_token": (ts.last_prompt_token, lambda prompt: (prompt - 1, prompt)),
    "slice(1, 4)": (slice(1, 4), lambda prompt: (1, 4)),
    "slice(6, None)": (slice(6, None), lambda prompt: (6, None)),
    "Positions(-3)": (ts.Positions(-3), lambda prompt: (max(prompt - 3, 0), None)),
    "Positions(-3, -1)": (ts.Positions(-3, -1), lambda prompt: (max(prompt - 3, 0), prompt - 1)),
    "Positions(1, -1)": (ts.Positions(1, -1), lambda prompt: (1, prompt - 1)),
}
"""Every scope, with what it means in plain numbers."""

few = settings(
    deadline=None,
    max_examples=4,
    derandomize=True,
    # A failure is told as it is: to make it smaller takes minutes with models.
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
"""Properties over models that take milliseconds a pass."""


@cache
def shared_model(kind: str, architecture: str) -> Any:
    """A small model that tests leave as it is; others make one of their own."""
    return own_model(kind, architecture)


def own_model(kind: str, architecture: str = "llama") -> Any:
    """A small model for one test, used once already: TransformerBridge attaches hooks of its own
    in its first pass and in its first ``run_with_cache``, and those are not ours to remove."""
    model = small_model(kind, architecture)
    with torch.no_grad():
        model("the film")
        model.run_with_cache("the film")
    # We ask a model once, too, what its hook points hold.
    sites_of(model)
    return model


@cache
def packaged(kind: Any) -> Any:
    """The packaged model, which tests leave as it is; used once already, as above."""
    model: Any = ts.packaged_model(kind=kind, device="cpu", progress=False)
    with torch.inference_mode():
        model.run_with_cache("a")
    return model


def architecture_of(model: Any) -> str:
    return str(model.cfg.model_name).removeprefix("small-")


def direction(model: Any, name: str, seed: int = 0) -> ts.Direction:
    """A random direction that fits a hook point."""
    generator = torch.Generator().manual_seed(seed)
    vector = torch.randn(site_shape(model, name), generator=generator)
    return ts.Direction(vector, name, 3.0, Provenance(model_info(model), "random"))


def everywhere_at_once(model: Any, scope: Any = ts.everywhere, strength: Any = 0.7) -> ts.Steering:
    """An addition at each of ``SITES``."""
    return ts.Steering(*(ts.Add(direction(model, name), strength, scope=scope) for name in SITES))


def rows_of(model: Any, texts: Any = TEXTS, *, prepend_bos: bool = False) -> list[tuple[int, ...]]:
    return tokens.tokenize(model, list(texts), prepend_bos=prepend_bos)


def batch_of(model: Any, texts: Any = TEXTS, side: Any = "left") -> tokens.Batch:
    return tokens.pad(rows_of(model, texts), side=side, pad_id=0)


@torch.no_grad()
def logits_of(model: Any, texts: Any = TEXTS, side: Any = "left") -> Tensor:
    return run_logits(model, batch_of(model, texts, side))


def generated_by_model(model: Any, texts: Any = TEXTS, *, steps: int = 4, **settings: Any) -> Any:
    """The model's own greedy ``generate``; only the new tokens."""
    found = model.generate(
        list(texts) if not isinstance(texts, str) else texts,
        max_new_tokens=steps,
        do_sample=False,
        stop_at_eos=False,
        verbose=False,
        return_type="tokens",
        **settings,
    )
    return found[:, -steps:].tolist()


def generated_by_us(model: Any, texts: Any = TEXTS, steering: Any = None, **settings: Any) -> Any:
    """Our greedy ``generate``; the new tokens."""
    frame = greedy(model, texts, steering, **settings).frame
    return frame["tokens"].tolist()


def greedy(
    model: Any, texts: Any = TEXTS, steering: Any = None, *, steps: int = 4, **settings: Any
) -> ts.Generations:
    sampling = ts.Sampling(steps, temperature=0.0, stop_at_eos=False)
    return ts.generate(model, texts, steering, sampling, progress=False, **settings)


@contextmanager
def as_users_run_it() -> Iterator[None]:
    """Without the check of annotations, which is there in tests only and draws random numbers."""
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)


def modules_of(model: Any) -> list[Any]:
    """Every module there is, those of a wrapped model and all hook points included."""
    roots = [model, *([model.original_model] if hasattr(model, "original_model") else [])]
    found = {id(module): module for root in roots for module in root.modules()}
    found |= {id(point): point for point in model.hook_dict.values()}
    return list(found.values())


def hooks_of(model: Any) -> list[tuple[Any, ...]]:
    """Every hook of every module, in order; two of these are equal when nothing changed."""
    found: list[tuple[Any, ...]] = []
    for module in modules_of(model):
        own = vars(module)
        # After every test, of hundreds of modules, nearly all of which have none.
        for kind in TORCH_HOOKS:
            if own[kind]:
                found.append((id(module), kind, *((n, id(hook)) for n, hook in own[kind].items())))
        for kind in ("fwd_hooks", "bwd_hooks"):
            if own.get(kind):
                found.append((id(module), kind, *map(id, own[kind])))
    return found


def state_of(model: Any, *, generate: bool = True) -> dict[str, Any]:
    """All that must be as it was: hooks, tensors (identity and value), training mode, outputs.

    HookedTransformer's own ``generate`` ends its training mode; leave it out where that matters.
    """
    modules = modules_of(model)
    tensors = [
        (name, tensor)
        for module in modules
        for owned in (vars(module)["_parameters"], vars(module)["_buffers"])
        for name, tensor in owned.items()
        if tensor is not None
    ]
    return {
        "hooks": hooks_of(model),
        "modules": [(id(module), id(module.__class__), module.training) for module in modules],
        "children": [tuple(map(id, module.children())) for module in modules],
        "tensors": [
            (name, id(tensor), tensor.data_ptr(), tensor.requires_grad, tensor.grad is None)
            for name, tensor in tensors
        ],
        "configuration": {name: repr(value) for name, value in vars(model.cfg).items()},
        "values": [tensor.detach().clone() for _, tensor in tensors],
        "logits": logits_of(model),
        "tokens": generated_by_model(model, steps=3) if generate else None,
    }


def assert_same_state(now: dict[str, Any], before: dict[str, Any]) -> None:
    """Bit for bit."""
    for name in ("hooks", "modules", "children", "tensors", "configuration", "tokens"):
        assert now[name] == before[name], name
    assert len(now["values"]) == len(before["values"]) > 0
    assert all(map(torch.equal, now["values"], before["values"]))
    assert torch.equal(now["logits"], before["logits"])


def assert_left_as_it_was(model: Any, run: Callable[[], Any], later: str) -> None:
    """Whether it ran through, or was interrupted in a pass with gradients.

    Args:
        model: One of the test's own.
        run: What is to leave it as it was.
        later: A hook point behind what it changes.
    """
    before = state_of(model)
    run()
    assert_same_state(state_of(model), before)

    def interrupts(acts: Tensor, hook: Any) -> None:
        if acts.requires_grad:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), model.hooks(fwd_hooks=[(later, interrupts)]):
        run()
    assert_same_state(state_of(model), before)


def the_same_with_and_without_cache_and_batch(model: Any, steering: ts.Steering) -> Any:
    """Contracts 3 to 5; returns what was written."""
    together = generated_by_us(model, TEXTS, steering)
    with ts.steer(model, steering):
        for cached in (True, False):
            own = generated_by_model(model, TEXTS, prepend_bos=False, use_past_kv_cache=cached)
            assert own == together
    for row, text in enumerate(TEXTS):
        alone = steering if steering.n_rows is None else steering.rows([row])
        assert generated_by_us(model, text, alone) == [together[row]]
    return together
