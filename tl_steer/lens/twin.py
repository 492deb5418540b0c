"""A plain transformers model beside a bridge: the same parameters, without the wrappers.

Most of what a bridge costs is its wrapped modules. Where nobody but tl_steer acts on a model, a
pass through the plain modules gives the same numbers sooner. Nothing is copied, and the user's
model knows nothing of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from inspect import signature
from typing import Any

from jaxtyping import Bool, Float
from torch import Tensor, nn

from tl_steer.lens.cache_names import cache_name, cache_returned
from tl_steer.lens.protocol import SteerableModel
from tl_steer.lens.tokens import Batch
from tl_steer.lens.twin_building import UnfitError, modules_by_path, plain_model
from tl_steer.lens.twin_points import TwinPoint
from tl_steer.shapes import Tokens


class _Reached(Exception):  # noqa: N818, nothing is wrong
    """The last block that is needed has run."""


@dataclass(frozen=True, eq=False)
class PlainModel:
    """What a twin keeps from call to call; it holds no reference to the bridge."""

    module: Any
    points: dict[str, TwinPoint]
    """By hook name; hook points of other kinds have none."""

    @cached_property
    def accepted(self) -> frozenset[str]:
        """What the model's forward takes."""
        return frozenset(signature(self.module.forward).parameters)

    @classmethod
    def beside(cls, model: SteerableModel) -> "PlainModel":
        """Build the plain model of a bridge.

        Raises:
            UnfitError: Where it cannot be had.
        """
        wrapped: Any = getattr(model, "original_model", None)
        config = getattr(wrapped, "config", None)
        if wrapped is None or config is None or not hasattr(type(wrapped), "_from_config"):
            raise UnfitError("it wraps no model of transformers")
        if getattr(config, "is_encoder_decoder", False):
            raise UnfitError("it has an encoder")
        plain = plain_model(wrapped)
        return cls(plain, _points(model, plain))


@dataclass(frozen=True, eq=False)
class Twin:
    """A bridge, run through its plain model.

    It is what hooks sit on and passes run through in one call of tl_steer; what a model is asked
    besides, its configuration for one, is asked of the bridge.
    """

    model: SteerableModel
    """The bridge that it stands for."""

    plain: PlainModel

    @property
    def cfg(self) -> Any:
        """The bridge's configuration."""
        return self.model.cfg

    @property
    def tokenizer(self) -> Any:
        """The bridge's tokenizer."""
        return self.model.tokenizer

    @property
    def original_model(self) -> Any:
        """The plain model, which tells its passes as the one in a bridge does."""
        return self.plain.module

    @property
    def hook_dict(self) -> dict[str, TwinPoint]:
        """Hook points by name."""
        return self.plain.points

    def parameters(self) -> Any:
        """The parameters, which are the bridge's."""
        return self.plain.module.parameters()

    def logits(self, batch: Batch) -> Float[Tensor, "batch pos d_vocab"]:
        """Logits at every position of a padded batch."""
        found: Tensor = self._run(batch.tokens, batch.real, use_cache=False).logits
        return found

    def next_logits(
        self, tokens: Tokens, mask: Bool[Tensor, "batch whole"], cache: Any
    ) -> tuple[Float[Tensor, "batch d_vocab"], Any]:
        """Read more tokens over a cache.

        Args:
            tokens: The new ones.
            mask: Over those in the cache and the new ones.
            cache: What the last call returned; ``None`` in the first.

        Returns:
            Logits of the token after the last one, and the cache; ``None`` from a model that has
            none.
        """
        name = cache_name(self.plain.module)
        settings = {"use_cache": True, **({} if name is None else {name: cache})}
        if "logits_to_keep" in self.plain.accepted:
            settings["logits_to_keep"] = 1
        found = self._run(tokens, mask, **settings)
        returned = cache_returned(found)
        if cache is None:
            # Not at the top: what is imported there is imported before a model is wanted.
            from tl_steer.lens.roomy_layer import with_room

            returned = with_room(returned)
        return found.logits[:, -1], returned

    def run_to_layer(self, batch: Batch, last_layer: int) -> None:
        """Run the blocks up to and including ``last_layer``, for the hooks' sake."""

        def reached(*_: Any) -> None:
            raise _Reached

        block = self.plain.points[f"blocks.{last_layer}.hook_resid_post"].module
        handle = block.register_forward_hook(reached)
        try:
            self._run(batch.tokens, batch.real, use_cache=False)
        except _Reached:
            return
        finally:
            handle.remove()

    def _run(self, tokens: Tokens, real: Bool[Tensor, "batch whole"], **settings: Any) -> Any:
        mask = real.long()
        if "position_ids" in self.plain.accepted:
            positions = (mask.cumsum(-1) - 1).clamp(min=0)
            settings["position_ids"] = positions[:, -tokens.shape[1] :]
        return self.plain.module(tokens, attention_mask=mask, **settings)


def _points(model: SteerableModel, plain: Any) -> dict[str, TwinPoint]:
    """Find the plain module of each hook point that lies before or behind one."""
    modules = dict(plain.named_modules(remove_duplicate=False))
    wrapped: Any = model
    paths = modules_by_path(wrapped.original_model)
    places: dict[int, set[str]] = {}
    sides: dict[int, tuple[nn.Module, bool]] = {}
    for path, standing in paths.items():
        for module in standing:
            places.setdefault(id(module), set()).add(path)
            for side in ("hook_in", "hook_out"):
                point = module._modules.get(side)
                if point is not None:
                    sides[id(point)] = (module, side == "hook_in")
    found: dict[str, TwinPoint] = {}
    made: dict[int, TwinPoint] = {}
    for name, point in model.hook_dict.items():
        if id(point) not in made:
            if id(point) not in sides:
                continue
            wrapper, before = sides[id(point)]
            place = _plain_path(wrapper, places, modules)
            if place is None:
                continue
            made[id(point)] = TwinPoint(name, modules[place], before)
        found[name] = made[id(point)]
    return found


def _plain_path(
    wrapper: nn.Module, places: dict[int, set[str]], modules: dict[str, nn.Module]
) -> str | None:
    """Where a wrapper, or what it wraps, stands in the plain model."""
    within = wrapper._modules.get("_original_component")
    standing: Sequence[str] = sorted(
        places.get(id(wrapper), set()) | (places.get(id(within), set()) if within else set())
    )
    return next((path for path in standing if path in modules), None)
