"""A mapping that does not change, and that can be copied and pickled like any value."""

from collections.abc import Iterator, Mapping
from typing import TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class FrozenDict(Mapping[Key, Value]):
    """Keys and values in the order in which they came; equal to any mapping of the same."""

    def __init__(self, content: Mapping[Key, Value]) -> None:
        """Keep what a mapping holds now; what becomes of that mapping later does not matter."""
        self._content = dict(content)

    def __getitem__(self, key: Key) -> Value:
        """Return the value of a key."""
        return self._content[key]

    def __iter__(self) -> Iterator[Key]:
        """Keys, in order."""
        return iter(self._content)

    def __len__(self) -> int:
        """How many keys."""
        return len(self._content)

    def __repr__(self) -> str:
        """As the dict that it would be."""
        return repr(self._content)
