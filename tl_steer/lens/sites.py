"""What a model's hook points hold, asked of the model itself in one short pass.

A configuration says what an architecture should be like, and names stand in a model's dictionary
whether or not anything comes by. So a model is run once over a few tokens, when its hook points are
first asked about, and what is seen there is remembered for as long as the model lives: the shape of
each activation, and in which order they come.
"""

import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from tl_steer.errors import NonFiniteError, SteerError
from tl_steer.lens.forward import run_to_layer
from tl_steer.lens.hook_points import attach
from tl_steer.lens.protocol import SteerableModel, device_of, dtype_of, require_steerable
from tl_steer.lens.tokens import Batch
from tl_steer.lens.unsupported import class_of

VECTOR_SITES = (
    "hook_resid_pre",
    "hook_resid_mid",
    "hook_resid_post",
    "hook_attn_out",
    "hook_mlp_out",
    "attn.hook_z",
    "attn.hook_q",
    "attn.hook_k",
    "attn.hook_v",
    "mlp.hook_pre",
    "mlp.hook_post",
)
"""Where something stands for each token: a vector, or one for each head."""

ATTENTION_SITES = ("attn.hook_attn_scores", "attn.hook_pattern")
"""Where attention stands: ``Float[Tensor, "batch head query key"]``, no vector a token."""

_STREAM = re.compile(r"hook_resid_(pre|post)$")
_ROWS = 3
_LENGTHS = (5, 7, 9)
"""Tokens of the pass: one that is no number of heads, so that no axis is taken for another."""


@dataclass(frozen=True)
class Sites:
    """What came by in the pass, by hook name, in the order in which it came."""

    shapes: Mapping[str, tuple[int, ...]]
    """Whole shapes, batch and positions included."""

    batch_pos: tuple[int, int]
    """How many rows and tokens the pass had."""

    whole_mlps: frozenset[str]
    """Names of neurons that are hook points of a whole MLP's input or output."""

    reads_padding: bool
    """Whether what stands before a text changes it although the mask says that it is padding."""

    def order(self, name: str) -> int | None:
        """Return how many came before it; ``None`` for what did not come by."""
        return list(self.shapes).index(name) if name in self.shapes else None


_known: WeakKeyDictionary[Any, tuple[Any, Sites]] = WeakKeyDictionary()


def sites_of(model: SteerableModel) -> Sites:
    """Return what the model's hook points hold; the first time, by running it over a few tokens.

    Hooks that sit on hook points do not see that pass, and random numbers are as before.

    Raises:
        NonFiniteError: For a model that makes NaN or infinity of a few tokens.
        SteerError: For a model whose tokens look at later ones, or that such a pass breaks.
    """
    known = _known.get(model) if isinstance(model, torch.nn.Module) else None
    if known is None or known[0] != _settings(model):
        require_steerable(model)
        known = (_settings(model), _seen(model))
        _known[model] = known
    return known[1]


def _settings(model: SteerableModel) -> tuple[object, ...]:
    """What hook points may depend on in a model that stays the same."""
    flags = ((key, value) for key, value in vars(model.cfg).items() if isinstance(value, bool))
    return getattr(model, "compatibility_mode", False), *flags


def _seen(model: SteerableModel) -> Sites:
    names = [
        f"blocks.{layer}.{site}"
        for layer in range(int(model.cfg.n_layers))
        for site in (*VECTOR_SITES, *ATTENTION_SITES)
    ]
    batch = _few_tokens(model)
    shapes: dict[str, tuple[int, ...]] = {}
    stream: list[Tensor] = []

    def keep(name: str, acts: Any) -> None:
        shapes.setdefault(name, tuple(getattr(acts, "shape", ())))
        # The last that can be compared: a model that breaks at a block is right before it.
        if _STREAM.search(name) and acts[batch.real].isfinite().all():
            stream[:] = [acts.detach().float().clone()]

    _run(model, batch, {name: partial(keep, name) for name in names if name in model.hook_dict})
    first, other_end, padded = _comparable(model, shapes, stream)
    if not _alike(model, other_end[:-1], first[:-1]):
        raise SteerError(
            f"{class_of(model)}: as TransformerLens {version('transformer-lens')} runs it, a token "
            "depends on later tokens, as in an encoder or a diffusion model. tl_steer is for "
            "models that read and write from left to right."
        )
    return Sites(
        shapes=shapes,
        batch_pos=(_ROWS, batch.tokens.shape[1]),
        whole_mlps=_whole_mlps(model.hook_dict, names),
        reads_padding=not _alike(model, padded[1:], first[:-1]),
    )


def _few_tokens(model: SteerableModel) -> Batch:
    """Three rows: the second differs in its last token, the third in padding before it."""
    heads = {getattr(model.cfg, key, None) for key in ("n_heads", "n_key_value_heads")}
    length = next(each for each in _LENGTHS if each not in heads)
    tokens = torch.zeros((_ROWS, length), dtype=torch.long, device=device_of(model))
    tokens[1, -1] = tokens[2, 0] = 1
    real = torch.ones_like(tokens).bool()
    real[2, 0] = False
    return Batch(tokens, real)


def _run(model: SteerableModel, batch: Batch, keeping: Mapping[str, Callable[[Any], None]]) -> None:
    """Run a few tokens past listeners, with everything else as it was."""
    present, device = model.hook_dict, batch.tokens.device
    with (
        _unseen(present),
        _without_dropout(model),
        torch.random.fork_rng([device] if device.type == "cuda" else []),
        torch.no_grad(),
    ):
        attached = [
            attach(present[name], lambda acts, hook, keep=keep: keep(acts))
            for name, keep in keeping.items()
        ]
        try:
            run_to_layer(model, batch, int(model.cfg.n_layers) - 1)
        except Exception as error:
            raise SteerError(
                f"TransformerLens {version('transformer-lens')} with transformers "
                f"{version('transformers')} cannot run {class_of(model)} over a few tokens "
                f"({type(error).__name__}: {error}), so it cannot be used here. Other versions of "
                "the two may work."
            ) from error
        finally:
            for each in attached:
                each.remove()


def _comparable(
    model: SteerableModel, shapes: Mapping[str, tuple[int, ...]], stream: Sequence[Tensor]
) -> Tensor:
    """The residual stream of the three rows, where there is one to compare."""
    if not any(_STREAM.search(name) for name in shapes):
        raise SteerError(f"{class_of(model)} shows no residual stream.")
    if not stream:
        raise NonFiniteError(
            f"{class_of(model)}: the residual stream holds NaN or infinity over a few tokens, from "
            "the first layer on. A model in float16 may have overflowed; load it in bfloat16 or "
            "float32."
        )
    return stream[0]


def _whole_mlps(present: Mapping[str, Any], names: Sequence[str]) -> frozenset[str]:
    """On a bridge, a mixture of experts gives these names to what goes into it and comes out."""
    found = set()
    for name in names:
        block, _, site = name.partition(".mlp.")
        whole = {"hook_pre": "hook_in", "hook_post": "hook_out"}.get(site)
        if whole and name in present and present.get(f"{block}.mlp.{whole}") is present[name]:
            found.add(name)
    return frozenset(found)


def _alike(model: SteerableModel, found: Tensor, expected: Tensor) -> bool:
    """Whether tokens hold the same but for rounding; one outlier hides no difference in another."""
    tolerance = max(1e-3, 4 * torch.finfo(dtype_of(model)).eps)
    return bool(((found - expected).norm(dim=-1) <= tolerance * expected.norm(dim=-1)).all())


@contextmanager
def _without_dropout(model: Any) -> Iterator[None]:
    """Put a model that is being trained into evaluation mode for a while."""
    modules = [*model.modules(), *getattr(model, "original_model", model).modules()]
    training = [module for module in modules if module.training]
    try:
        for module in training:
            module.training = False
        yield
    finally:
        for module in training:
            module.training = True


@contextmanager
def _unseen(present: Mapping[str, Any]) -> Iterator[None]:
    """Take all hooks off the hook points for a while, and put the same ones on again."""
    points = {id(point): point for point in present.values()}.values()
    kept = [(point, point._forward_hooks, list(point.fwd_hooks)) for point in points]
    try:
        for point, _, _ in kept:
            point._forward_hooks = OrderedDict()
        yield
    finally:
        for point, hooks, handles in kept:
            point._forward_hooks, point.fwd_hooks[:] = hooks, handles
