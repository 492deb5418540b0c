"""Other steering libraries, where they are installed: the same addition to the same plain model."""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from torch import Tensor

Write = Callable[[], Any]


def others_of(
    plain: Any, vector: Tensor, layer: int, write: Write
) -> tuple[dict[str, Write], dict[str, str]]:
    """What writes with other libraries.

    Args:
        plain: The Hugging Face model.
        vector: What is added.
        layer: After which block.
        write: Writes with the model as it is at that moment.

    Returns:
        By name, what writes, and why those do not that are installed and cannot.
    """
    runs: dict[str, Write] = {}
    failing: dict[str, str] = {}
    for name, (module, around) in _LIBRARIES.items():
        if find_spec(module) is None:
            continue
        try:
            run = around(import_module(module), plain, vector.to(plain.device), layer, write)
            run()
        except Exception as error:
            # Anything may be wrong between another library and these versions; it is shown.
            failing[name] = f"{type(error).__name__}: {error}"
        else:
            runs[f"{name}, one addition"] = run
    return runs, failing


def _steering_vectors(library: Any, plain: Any, vector: Tensor, layer: int, write: Write) -> Write:
    steering = library.SteeringVector({layer: vector}, "decoder_block")

    def run() -> Any:
        with steering.apply(plain):
            return write()

    return run


def _repeng(library: Any, plain: Any, vector: Tensor, layer: int, write: Write) -> Write:
    def run() -> Any:
        # It replaces modules of the model, which others use in between.
        controlled = library.ControlModel(plain, [layer])
        try:
            controlled.set_raw_control({layer: vector})
            return write()
        finally:
            controlled.unwrap()

    return run


_LIBRARIES = {
    "steering-vectors": ("steering_vectors", _steering_vectors),
    "repeng": ("repeng", _repeng),
}
