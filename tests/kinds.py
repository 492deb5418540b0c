"""The small models by name.

Apart from their making: pytest reads this in the process that only hands out tests, too, and that
one needs to wait neither for torch nor for TransformerLens.
"""

from importlib.metadata import version

import pytest

KINDS = (
    "bridge",
    "compatible",
    *(("hooked",) if int(version("transformer-lens").partition(".")[0]) < 4 else ()),
)
"""Every model class that this environment has; ``compatible`` is a bridge in that mode."""

MODELS = [(kind, architecture) for kind in KINDS for architecture in ("llama", "gpt2")]

one_architecture = pytest.mark.parametrize(
    "model", [each for each in MODELS if each[1] == "gpt2"], ids="-".join, indirect=True
)
"""For what may depend on the model's class and does not look at its architecture. GPT-2 is the
smaller one, and the one whose positions are absolute: a token that is taken for one of another
place shows there."""
