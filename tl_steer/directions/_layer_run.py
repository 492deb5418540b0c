"""LayerRun: the directions of consecutive layers, added at all of them at once."""

from collections.abc import Iterable
from dataclasses import dataclass

from tl_steer.arguments import Seed, checked, means
from tl_steer.directions._direction import Direction
from tl_steer.directions._directions import Directions
from tl_steer.directions._provenance import Provenance
from tl_steer.errors import MismatchError
from tl_steer.files.stored_names import stored_as
from tl_steer.lens.hook_names import layer_of, site_of
from tl_steer.lens.protocol import SteerableModel


@stored_as("LayerRun")
@checked
@means("a LayerRun", instead="For example LayerRun(directions[10:19]).")
@dataclass(frozen=True, eq=False)
class LayerRun:
    """Directions of consecutive layers, added at all of them at once.

    Wherever an experiment takes a direction, it takes a run: it is one place, and has one strength.
    At strength ``α`` each of the ``n`` layers gets ``α / √n`` of its own direction, as with
    ``Steering.at_layers``. Its dose is that of all together, ``|α|`` times the mean of the layers'
    ``‖v‖ / ‖h‖``.

    Raises:
        MismatchError: For directions of no layer, of several sites, or of layers with gaps.

    Example:
        >>> ts.calibrate(model, {"joy": [joy[15], LayerRun(joy[10:19])]}, judge, validation=some)
    """

    directions: Directions
    """One for each layer, such as ``joy[10:19]``."""

    def __post_init__(self) -> None:
        """Refuse what is no run."""
        layers = [layer_of(name) for name in self.directions]
        one_site = len({*map(site_of, self.directions)}) == 1
        if not one_site or layers != [*range(layers[0], layers[0] + len(layers))]:
            raise MismatchError(
                "LayerRun: expected directions of consecutive layers of one site, such as "
                f"directions[10:19]; got {', '.join(self.directions) or 'none'}."
            )

    @property
    def parts(self) -> tuple[Direction, ...]:
        """The directions, from below upwards."""
        return tuple(self.directions.values())

    @property
    def hook_name(self) -> str:
        """All hook points as one pattern, such as ``blocks.{10..18}.hook_resid_post``."""
        first, last = self.parts[0], self.parts[-1]
        if first is last:
            return first.hook_name
        return first.hook_name.replace(f".{first.layer}.", f".{{{first.layer}..{last.layer}}}.", 1)

    @property
    def layer(self) -> int:
        """The first layer."""
        return self.parts[0].layer

    @property
    def scale(self) -> float:
        """Mean norm of the activations, over the layers; 0 where one of them is not known."""
        scales = [each.scale for each in self.parts]
        return sum(scales) / len(scales) if all(scales) else 0.0

    @property
    def provenance(self) -> Provenance:
        """That of the first layer's direction."""
        return self.parts[0].provenance

    @property
    def unit(self) -> "LayerRun":
        """The directions at norm 1.

        Raises:
            NonFiniteError: For a zero vector.
        """
        return run_of(each.unit for each in self.parts)

    def dose(self, strength: float = 1.0) -> float:
        """Relative dose of all layers together, ``|α|`` times the mean of ``‖v‖ / ‖h‖``."""
        doses = [each.dose(strength) for each in self.parts]
        return sum(doses) / len(doses)

    def strength_for(self, *, dose: float) -> float:
        """Strength at which the run has a relative dose."""
        _ = self.unit
        return dose / self.dose()

    def random_like(self, seed: Seed) -> "LayerRun":
        """Random directions of the same norms, another one at each layer."""
        first = seed * len(self.parts)
        return run_of(each.random_like(first + number) for number, each in enumerate(self.parts))

    def check_fits(self, model: SteerableModel) -> None:
        """Refuse a model, as :meth:`Direction.check_fits` does."""
        for each in self.parts:
            each.check_fits(model)

    def __neg__(self) -> "LayerRun":
        """Turn all of them around."""
        return run_of(-each for each in self.parts)

    def __repr__(self) -> str:
        """One line."""
        return f"LayerRun({self.provenance.method} at {self.hook_name})"


def run_of(parts: Iterable[Direction]) -> LayerRun:
    """Make a run of the directions of its layers."""
    return LayerRun(Directions({each.hook_name: each for each in parts}))


AnyDirection = Direction | LayerRun
"""What an experiment adds: at one hook point, or at those of a run of layers."""
