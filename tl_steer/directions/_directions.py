"""Directions: one for each hook point, looked up by its name or by its layer."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, overload

import pandas as pd

from tl_steer.arguments import Words, checked, means
from tl_steer.directions._direction import Direction
from tl_steer.directions._given import given
from tl_steer.directions._storage import load, save
from tl_steer.errors import HookNameError, SteerError
from tl_steer.frozen import FrozenDict
from tl_steer.lens.hook_names import site_of
from tl_steer.lens.places import Place, number_of, picked
from tl_steer.lens.protocol import SteerableModel
from tl_steer.page.html import result_html

_SHOWN = 8
_ABSENT = "no direction was read there"
_TAKE = "directions.at({site!r})"


@checked
@means("Directions", "Directions", instead="For example mean_difference(activations).")
class Directions(Mapping[str, Direction]):
    """An immutable mapping from hook names to directions, one a hook point."""

    def __init__(self, directions: Mapping[str, Direction]) -> None:
        """Keep directions in the order given."""
        self._by_name = FrozenDict(directions)

    @classmethod
    def from_dict(
        cls,
        vectors: Annotated[
            Mapping[Place, Any],
            Words(
                "vectors by hook name or layer, such as {15: vector}",
                "vectors by hook name or layer",
                "A matrix with a row for each layer becomes that by dict(enumerate(matrix)).",
            ),
        ],
        *,
        model: SteerableModel | None = None,
        scales: Mapping[Place, float] | None = None,
        method: str = "given",
        source: str = "",
    ) -> "Directions":
        """Make directions from vectors that you have, as :meth:`Direction.of` does from one.

        Args:
            vectors: By hook name, or by the number of a layer for the residual stream after it.
                For a matrix with a row for each layer: ``dict(enumerate(matrix))``.
            model: The model that they are for.
            scales: Mean norms of the activations, by the same keys. Missing ones are measured in
                one pass of ``model`` over a few neutral sentences.
            method: How the vectors were made.
            source: Where they come from.

        Raises:
            SteerError: As :meth:`Direction.of`, and for a hook point named twice.

        Example:
            >>> mine = ts.Directions.from_dict({14: one, 15: other}, model=model)
        """
        if not vectors:
            raise SteerError(
                "Directions.from_dict: expected vectors by hook name or layer, such as {15: "
                "vector}; got none."
            )
        parts = given(vectors, model=model, scales=scales or {}, method=method, source=source)
        return cls({each[1]: Direction(*each) for each in parts})

    @overload
    def __getitem__(self, at: str | int) -> Direction: ...

    @overload
    def __getitem__(self, at: slice) -> "Directions": ...

    def __getitem__(self, at: str | int | slice) -> "Direction | Directions":
        """Return the direction of a hook point or layer, or those of several layers.

        ``joy[15]`` is the direction of layer 15, ``joy[-1]`` that of the model's last layer, and
        ``joy[10:19]`` holds those of layers 10 to 18 that there are.

        Raises:
            HookNameError: If there is none, or a number fits several; it lists those there are.
        """
        if isinstance(at, str) and at in self._by_name:
            return self._by_name[at]
        found = picked(self._by_name, at, self._n_layers, absent=_ABSENT, take=_TAKE)
        if isinstance(found, str):
            return self._by_name[found]
        return Directions({name: self._by_name[name] for name in found})

    def __iter__(self) -> Iterator[str]:
        """Hook names, in order."""
        return iter(self._by_name)

    def __len__(self) -> int:
        """How many hook points."""
        return len(self._by_name)

    def __contains__(self, at: object) -> bool:
        """Whether there is a direction for a hook name or a layer."""
        layer = number_of(at)
        if layer is None:
            return at in self._by_name
        return any(d.layer in (layer, layer + self._n_layers) for d in self._by_name.values())

    @property
    def _n_layers(self) -> int:
        return max((d.provenance.model.n_layers for d in self._by_name.values()), default=0)

    def at(self, site: str) -> "Directions":
        """Keep the directions of one site, e.g. ``hook_resid_post``.

        Raises:
            HookNameError: When there is none.
        """
        kept = {n: d for n, d in self._by_name.items() if site_of(n) == site}
        if not kept:
            have = ", ".join(dict.fromkeys(map(site_of, self._by_name)))
            raise HookNameError(f"{site!r}: no direction was read there. Available: {have}.")
        return Directions(kept)

    def save(self, path: str | Path) -> Path:
        """Write all of them, with their provenance, to one ``.safetensors`` file."""
        return save({name: each._parts for name, each in self.items()}, path)

    @classmethod
    def load(cls, path: str | Path) -> "Directions":
        """Read a file that :meth:`save` wrote; nothing in it is executed."""
        return cls(load(path, Direction))

    def __repr__(self) -> str:
        """One line a direction."""
        several = [f"  {direction!r}" for direction in self._by_name.values()]
        if len(several) > _SHOWN:
            half = _SHOWN // 2
            several[half:-half] = [f"  … {len(several) - 2 * half} more"]
        return "\n".join([f"Directions of {len(self)} hook points", *several])

    def _repr_html_(self) -> str:
        several = list(self._by_name.values())
        frame = pd.DataFrame(
            {
                "hook point": [each.hook_name for each in several],
                "method": [each.provenance.method for each in several],
                "norm": [each.norm for each in several],
                "of the activations": [
                    f"{each.dose():.1%}" if each.scale else "–" for each in several
                ],
            }
        )
        return result_html(repr(self), frame, most=60)
