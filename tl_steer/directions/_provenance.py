"""Where a direction came from."""

from dataclasses import dataclass, fields, replace

from tl_steer.arguments import checked
from tl_steer.errors import DataError
from tl_steer.files.characters import HALF
from tl_steer.files.stored_names import stored_as
from tl_steer.lens.protocol import ModelInfo


@stored_as("Provenance")
@checked
@dataclass(frozen=True)
class Provenance:
    """Kept with every direction and with every file."""

    model: ModelInfo
    """Which model, with which weight processing; of a vector of your own perhaps not known."""

    method: str
    """The estimator, or the arithmetic that made this direction out of others."""

    data: str = ""
    """Name of the contrast set."""

    n_positive: int = 0
    """Examples that have the property: texts, or tokens where every token is read."""

    n_negative: int = 0
    """Examples that lack it."""

    read: str = ""
    """Which tokens of each text were read."""

    left_out: str = ""
    """Which tokens were left out, and how many."""

    version: str = ""
    """The tl_steer that measured it."""

    source: str = ""
    """Where a vector is from that was not estimated here: a paper, a file, an address."""

    def __post_init__(self) -> None:
        """Refuse words that no file could hold.

        Raises:
            DataError: For half of a character.
        """
        for part in fields(self):
            value = getattr(self, part.name)
            if isinstance(value, str) and HALF.search(value):
                raise DataError(
                    f"Provenance: {part.name} is {value!r}, which contains half of a character (a "
                    "lone surrogate) and cannot be saved. Was it cut in the middle?"
                )

    def as_result_of(self, method: str) -> "Provenance":
        """Return the same origin, under what was done with it."""
        return replace(self, method=method)
