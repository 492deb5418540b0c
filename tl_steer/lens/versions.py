"""Versions of what a result hangs on."""

from importlib.metadata import version

_PACKAGES = ("tl_steer", "transformer-lens", "transformers", "torch")


def versions() -> dict[str, str]:
    """By package, what is installed."""
    return {name: version(name) for name in _PACKAGES}
