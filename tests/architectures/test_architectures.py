"""Every architecture, on a tiny model, beside plain transformers with hooks put by hand.

Whatever the library does with one is right, or refused in a sentence; what it is stands in
``docs/architectures.md``. The ten that are used most run always, all of them in
``nox -s architectures``, and ``nox -s architectures -- --write-table`` writes the table.
"""

import pytest
import torch
from cases import case_of
from checking import CELLS, verdict
from hands import HANDS
from making import TEXTS
from table import LINE, Entry, put, rows
from tiny import TINY

import tl_steer as ts
from tl_steer.errors import SteerError


@pytest.mark.parametrize("cell", CELLS)
def test_every_cell_is_right_or_refused(architecture: str, cell: str) -> None:
    found = verdict(architecture, cell)
    assert found.right or found.refused


def test_the_table_says_so(architecture: str, request: pytest.FixtureRequest) -> None:
    own = {cell: Entry.of(verdict(architecture, cell)) for cell in CELLS}
    if request.config.getoption("--write-table"):
        put(architecture, own, list(TINY))
    said = {
        cell: entries[LINE]
        for cell, entries in rows().get(architecture, {}).items()
        if LINE in entries
    }
    if not said and not request.config.getoption("--every-architecture"):
        pytest.skip(
            f"not written for TransformerLens {LINE}: nox -s architectures -- --write-table"
        )
    assert said == own


def test_the_table_has_no_other_architecture() -> None:
    written = list(rows())
    assert written == [name for name in TINY if name in written]
    assert set(HANDS) <= set(TINY)


def test_the_oracle_finds_a_fault(architecture: str) -> None:
    """What is compared is of one size with what is steered: a wrong place would be seen."""
    case = case_of(architecture)
    if isinstance(case, str):
        return
    name = "blocks.1.hook_resid_pre"
    for hook_name, acts in case.acts.items():
        if hook_name != name and hook_name.endswith("hook_resid_pre"):
            assert not torch.allclose(acts[-1], case.acts[name][-1], atol=0.1)
    with pytest.raises(SteerError, match="blocks 0 to"):
        ts.capture(case.model, TEXTS, at="blocks.9.hook_resid_pre", progress=False)
