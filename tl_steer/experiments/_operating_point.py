"""Where and how strongly to steer."""

from dataclasses import dataclass

from tl_steer.arguments import checked
from tl_steer.directions import AnyDirection


@checked
@dataclass(frozen=True, eq=False)
class OperatingPoint:
    """Where and how strongly to steer."""

    name: str
    """What the direction was called."""

    direction: AnyDirection
    strength: float
    """Negative to steer away from the direction."""

    over: str = ""
    """Which constraints it oversteps, in words; empty where it is within them."""

    @property
    def hook_name(self) -> str:
        """Where."""
        return self.direction.hook_name

    @property
    def dose(self) -> float:
        """``αv / ‖h‖`` at that hook point, with the sign of the strength."""
        size = self.direction.dose(self.strength)
        return -size if self.strength < 0 else size

    def __str__(self) -> str:
        """All of it in one line."""
        return f"{self.name} at {self.hook_name} × {self.strength:.4g} (dose {self.dose:+.3g})"
