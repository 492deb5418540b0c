"""Which modules a pass runs through: the model's own, or those of its plain twin.

This is the one place where that is chosen. Whatever runs a model for its numbers asks
:func:`host_for` what to run, and puts its hooks there.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from threading import local
from typing import Any, Literal
from weakref import WeakKeyDictionary

from tl_steer.arguments import checked
from tl_steer.errors import SteerError
from tl_steer.lens.dropout import require_no_dropout
from tl_steer.lens.forward import run_logits
from tl_steer.lens.protocol import Host, SteerableModel, is_bridge
from tl_steer.lens.sites import ATTENTION_SITES
from tl_steer.lens.twin import PlainModel, Twin
from tl_steer.lens.twin_building import UnfitError
from tl_steer.lens.twin_checks import differences
from tl_steer.lens.twin_seal import Seal

Path = Literal["twin", "bridge"]
"""``bridge`` for the modules of the model itself; ``twin`` for plain ones around its weights."""

_asked: ContextVar[Path | None] = ContextVar("tl_steer_path", default=None)


@checked
@contextmanager
def use_path(path: Path | None) -> Iterator[None]:
    """Choose what passes of tl_steer run through, for the length of a block.

    On a ``TransformerBridge`` whose weights are raw, a pass through the plain transformers modules
    around the same weights gives the same numbers sooner: the *twin*. It is used wherever it was
    found to be exact and nobody else's hooks sit on the model. Results say what they ran through.

    Args:
        path: ``bridge`` for the model's own modules, whichever model it is; ``twin`` for the plain
            ones, or an error that says why they cannot be used; ``None`` chooses by itself.

    Raises:
        SteerError: For anything else.

    Example:
        >>> with ts.use_path("bridge"):
        ...     ts.metrics.measure(model, written, judges)
    """
    if path not in (None, "twin", "bridge"):
        raise SteerError(f"path={path!r}: expected 'twin', 'bridge' or None.")
    token = _asked.set(path)
    try:
        yield
    finally:
        _asked.reset(token)


def host_for(model: SteerableModel, names: Sequence[str] = ()) -> Host:
    """Return what to run instead of a model: its twin where that gives the same, or itself.

    Args:
        model: The user's.
        names: Hook points at which something is read or changed.

    Raises:
        SteerError: Where :func:`use_path` asks for a twin that cannot be had.
    """
    require_no_dropout(model)
    asked = _asked.get()
    if asked == "bridge":
        return model
    try:
        return _twin_of(model, names)
    except UnfitError as unfit:
        if asked == "twin":
            raise SteerError(
                f"path='twin': this model cannot be run through plain modules, because {unfit}. "
                "Leave path out to use the model's own."
            ) from unfit
    return model


def model_of(host: Host) -> SteerableModel:
    """Return the user's model that something runs for."""
    found: Any = host.model if isinstance(host, Twin) else host
    model: SteerableModel = found
    return model


def path_of(host: Host) -> str:
    """Say what something runs through: ``twin``, ``bridge`` or ``hooked``."""
    if isinstance(host, Twin):
        return "twin"
    return "bridge" if is_bridge(host) else "hooked"


@dataclass(eq=False)
class _Known:
    """What is known of a bridge as it is now; holds no reference to it."""

    seal: Seal
    plain: PlainModel | None
    unfit: str = ""
    versions: list[int] = field(default_factory=list)
    differs: dict[str, str] = field(default_factory=dict)
    """For every hook name that was tried, what is wrong with it; ``""`` stands for the model."""


class _Memory(local):
    """Bridges and their plain models. Each thread has its own, so that hooks never mix."""

    def __init__(self) -> None:
        self.known: WeakKeyDictionary[Any, _Known] = WeakKeyDictionary()


_memory = _Memory()


def _twin_of(model: SteerableModel, names: Sequence[str]) -> Twin:
    if not is_bridge(model):
        raise UnfitError("it is no TransformerBridge")
    if getattr(model, "compatibility_mode", False):
        raise UnfitError("it is in compatibility mode")
    if any(name.endswith(ATTENTION_SITES) for name in names):
        raise UnfitError("attention itself is looked at, which only the bridge shows")
    known = _memory.known.get(model)
    if known is None or not known.seal.holds():
        known = _memory.known[model] = _known(model)
    if known.plain is None:
        raise UnfitError(known.unfit)
    disturbance = known.seal.disturbance()
    if disturbance:
        raise UnfitError(disturbance)
    twin = Twin(model, known.plain)
    _try(twin, known, names)
    for name in ("", *names):
        wrong = known.differs.get(name, f"it has no {name}")
        if wrong:
            raise UnfitError(wrong)
    return twin


def _known(model: Any) -> _Known:
    try:
        plain = PlainModel.beside(model)
    except UnfitError as unfit:
        return _Known(Seal.of(model), None, str(unfit))
    return _Known(Seal.of(model), plain)


def _try(twin: Twin, known: _Known, names: Sequence[str]) -> None:
    """Compare the twin with its bridge, as far as that has not been done for these weights."""
    versions = known.seal.versions()
    if versions != known.versions:
        known.versions = versions
        known.differs = {}
    new = {name.split(".", 2)[-1] for name in names if name not in known.differs}
    if new or "" not in known.differs:
        # A site is tried in all blocks at once.
        wanted = [
            name
            for name in twin.model.hook_dict
            if name.startswith("blocks.") and name.split(".", 2)[-1] in new
        ]
        wrong = differences(twin, wanted, lambda batch: run_logits(twin.model, batch))
        known.differs |= {"": ""} | dict.fromkeys(wanted, "") | wrong
