"""The comparison with other ways to add a vector: what it asks is asked rightly."""

import pytest
import torch

from benchmarks.tables import peers

pytestmark = pytest.mark.once
VECTOR = torch.randn(peers.WIDTH, generator=torch.Generator().manual_seed(1)) * 2


def test_what_is_written_is_what_a_hook_writes_without_a_cache() -> None:
    ours, hook = peers.by_tl_steer(), peers.by_hand()
    for first in (0, 3):
        by_hand = peers.written(hook, [peers.LONG], VECTOR, first=first, cache=False)
        assert peers.written(ours, [peers.LONG], VECTOR, first=first) == by_hand
        assert by_hand != peers.written(hook, [peers.LONG], 0 * VECTOR, first=first)


def test_the_checks_tell_the_two_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    ways = {"plain hook": peers.by_hand, "tl_steer": peers.by_tl_steer}
    monkeypatch.setattr(peers, "WAYS", ways)
    found = peers.measured()
    assert set(found["tl_steer"]) == {"yes"}
    assert set(found["plain hook"]) == {"yes", "no", "no setting"}


def test_what_is_not_installed_has_no_column(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking() -> peers.Way:
        raise ImportError("no such library")

    monkeypatch.setattr(peers, "WAYS", {"other": lacking})
    assert peers.measured().empty
