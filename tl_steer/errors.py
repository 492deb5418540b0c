"""What can go wrong, in words: what came, what would fit, what to do."""

from importlib.metadata import requires

__all__ = [
    "ArgumentError",
    "AssetError",
    "CacheError",
    "DataError",
    "FileError",
    "HookNameError",
    "LargeDoseWarning",
    "MismatchError",
    "NonFiniteError",
    "SteerError",
    "StorageError",
    "TemplateTokenWarning",
    "UnmarkedScopeWarning",
]


class SteerError(Exception):
    """Anything that tl_steer refuses. Raised before the model runs wherever that is possible."""


class ArgumentError(SteerError):
    """An argument of a kind or size that cannot be used: a text for a number, 0 for a count."""


class HookNameError(SteerError):
    """A hook name, pattern or layer that the model lacks, or that cannot be read or written."""


class MismatchError(SteerError):
    """A direction, strength or file that does not belong to this model or this batch."""


class DataError(SteerError):
    """Texts, labels, pairs or prompts that cannot be used as they are."""


class NonFiniteError(SteerError):
    """A NaN or an infinity, with the hook point where it was found."""


class CacheError(SteerError):
    """A key-value cache that does not hold the text that was read."""


class StorageError(SteerError):
    """A file that is damaged, hostile, from a newer version, or of another kind."""


class FileError(StorageError, DataError):
    """A file that cannot be opened, or is not what it should be; its name is in the message."""


class LargeDoseWarning(UserWarning):
    """An addition so large beside the activations that text is likely to fall apart."""


class TemplateTokenWarning(UserWarning):
    """A token that a chat template wrote is read as if it were part of the text."""


class AssetError(SteerError):
    """The packaged model or texts cannot be fetched, verified, unpacked or written."""


class UnmarkedScopeWarning(UserWarning):
    """A scope marked no token in a whole run, so that what has this scope did nothing."""


def to_install(package: str) -> str:
    """The command that installs an optional package, in a version that fits.

    It names the package itself and not an extra of tl_steer, which only those have who installed
    tl_steer by that name, and not who works in a clone of it.
    """
    declared = (each.split(";")[0].strip() for each in requires("tl_steer") or ())
    named = [each for each in declared if each.startswith(package)]
    return f'pip install "{named[0] if named else package}"'
