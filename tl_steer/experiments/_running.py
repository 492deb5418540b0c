"""Cells that come a few at a time, run in the batches of a sweep and kept in its files."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pandas as pd

from tl_steer.experiments._cell import Cell
from tl_steer.experiments._grid import Grid
from tl_steer.experiments._measures import ModelFactory
from tl_steer.experiments._workers import Group, Job, described, require_same, run_groups
from tl_steer.lens.protocol import SteerableModel


@dataclass(frozen=True, eq=False)
class Runner:
    """Writes and measures cells, or reads those that are finished."""

    model: SteerableModel | ModelFactory
    job: Job
    rows: int | None = None
    """Texts that are written together; see ``sweep``."""

    _weights: list[str] = field(default_factory=list, init=False, repr=False)
    """The fingerprint of the model of the first cells, of which the others have to be as well."""

    def check(self, cells: Sequence[Cell]) -> None:
        """Refuse cells that do not fit the model, without running them.

        Raises:
            SteerError: For a direction of another model, or a prompt that cannot be continued.
        """
        described(self.model, self.job, cells)

    def texts(
        self, cells: Sequence[Cell], *, finished: Callable[[int], object] = lambda number: None
    ) -> list[pd.DataFrame]:
        """The texts of each cell, in the order of the cells; all cells differ from each other.

        Args:
            cells: Any number.
            finished: Is told how many more cells there are now, each time that there are some.

        Raises:
            SteerError: When a factory makes another model than before.
        """
        known = described(self.model, self.job, cells)
        self._weights.append(known.weights)
        require_same(known.weights, self._weights[0])
        store = self.job.store
        sizes = [len(cell.prompts.prompts) * cell.sampling.samples for cell in cells]
        rows = dict(zip(known.keys, sizes, strict=True))
        found = {} if store is None else store.finished(rows)
        keys = {id(cell): key for cell, key in zip(cells, known.keys, strict=True)}
        groups: list[Group] = []
        for group in Grid(tuple(cells)).groups(self.rows or known.rows):
            named = {keys[id(cell)]: cell for cell in group}
            groups.append((named, [key for key in named if key not in found]))
        missing = [group for group in groups if group[1]]
        finished(len(found))
        for made in run_groups(self.model, self.job, missing, weights=known.weights):
            found.update(made)
            finished(len(made))
        return [found[key] for key in known.keys]
