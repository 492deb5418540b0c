"""Which architectures run."""

import pytest

MOST_USED = (
    "GPT-2",
    "Pythia / GPT-NeoX",
    "OPT-350m",
    "Llama 3",
    "Mistral",
    "Mixtral",
    "Qwen 2",
    "Qwen 3",
    "Phi-3",
    "Gemma 3",
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "architecture" in metafunc.fixturenames:
        # Not imported above: pytest reads this in the process that only hands out tests, too.
        names = MOST_USED
        if metafunc.config.getoption("--every-architecture"):
            from tiny import TINY

            names = tuple(TINY)
        metafunc.parametrize("architecture", names, scope="module")
