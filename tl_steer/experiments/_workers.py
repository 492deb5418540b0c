"""Groups of cells, run here or by worker processes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any
from uuid import uuid4

import cloudpickle
import pandas as pd
import torch
from joblib import Parallel, delayed
from joblib.parallel import get_active_backend

from tl_steer.errors import SteerError
from tl_steer.experiments._cell import Cell
from tl_steer.experiments._content import digest
from tl_steer.experiments._measures import Measures, ModelFactory, is_model
from tl_steer.experiments._store import CellStore
from tl_steer.experiments._sweep_result import SETTINGS
from tl_steer.generation import compare, default_room
from tl_steer.lens.fingerprint import fingerprint
from tl_steer.lens.protocol import SteerableModel, device_of, model_info, require_steerable
from tl_steer.lens.tokens import check_lengths
from tl_steer.metrics import neutral_rows

_CPU_ROWS = 128


@dataclass(frozen=True)
class Described:
    """What has to be known of a model before cells are run with it."""

    keys: tuple[str, ...]
    """Of the cells."""

    rows: int
    """Texts that may be written together."""

    weights: str = ""
    """Of the model that a factory made, as a fingerprint; empty for a model that was given."""


@dataclass(frozen=True, eq=False)
class Job:
    """What every group of a sweep has in common."""

    measures: Measures
    store: CellStore | None
    number: str = field(default_factory=lambda: uuid4().hex)
    """Its own, so that workers ask a factory anew for each sweep: a checkpoint may have changed."""

    def loaded(self) -> "Job":
        """The same, with the second model loaded where a function was given for it."""
        return replace(self, measures=self.measures._loaded())

    def described(self, model: SteerableModel, cells: Sequence[Cell]) -> Described:
        """Check that cells fit a model, and name them.

        Raises:
            SteerError: For a direction of another model, or a prompt that leaves no room.
        """
        require_steerable(model)
        longest = 1
        sets = {id(cell.prompts): cell for cell in cells}
        for cell in sets.values():
            room = cell.sampling.max_new_tokens
            rows = cell.prompts.read_tokens(model)
            check_lengths(model, rows, cell.prompts.read, room=room)
            longest = max(longest, room + max(map(len, rows)))
        if self.measures.neutral:
            neutral_rows(model, self.measures.neutral)
        for cell in cells:
            if cell.steering is not None:
                cell.steering.check_fits(model)
        on_gpu = device_of(model).type == "cuda"
        together = max(1, default_room(model) // longest) if on_gpu else _CPU_ROWS
        if self.store is None:
            # Nothing is looked up, so that a scope need not have a content of its own.
            return Described(tuple(f"cell {number}" for number in range(len(cells))), together)
        shared = digest((model_info(model), fingerprint(model), self.measures._names))
        return Described(tuple(cell.key(shared) for cell in cells), together)

    def run(
        self, model: SteerableModel, cells: Mapping[str, Cell], wanted: Sequence[str]
    ) -> dict[str, pd.DataFrame]:
        """Write and measure a group of cells, and keep those that are wanted.

        The whole group is run, whatever is wanted of it: what else is in a batch can change the
        last bit of a number.
        """
        steerings = {key: cell.steering for key, cell in cells.items()}
        first = next(iter(cells.values()))
        generations = compare(
            model,
            first.prompts.read,
            steerings,
            first.sampling,
            chat=first.prompts.chat,
            prepend_bos=first.prompts.prepend_bos,
            progress=False,
        )
        with torch.inference_mode():
            measured = self.measures._measured(model, generations, steerings, first.prompts)
        found = {}
        for key in wanted:
            part = measured[measured["condition"] == key].reset_index(drop=True)
            settings = {"cell": key, **cells[key].settings, "condition": cells[key].label}
            part = part.assign(**settings)
            rest = [name for name in part.columns if name not in ("cell", *SETTINGS)]
            found[key] = part[["cell", *SETTINGS, *rest]]
            if self.store is not None:
                self.store.write(key, found[key])
        return found


Group = tuple[Mapping[str, Cell], Sequence[str]]
"""Cells by key, and the keys that are wanted of them."""


def described(model: SteerableModel | ModelFactory, job: Job, cells: Sequence[Cell]) -> Described:
    """As :meth:`Job.described`; with a factory, by a worker."""
    if is_model(model):
        return job.loaded().described(model, cells)  # type: ignore[arg-type]
    packed = cloudpickle.dumps((model, job))
    found: list[Described] = Parallel()([delayed(_describe)(packed, cells)])
    return found[0]


def run_groups(
    model: SteerableModel | ModelFactory, job: Job, groups: Sequence[Group], *, weights: str = ""
) -> Iterator[dict[str, pd.DataFrame]]:
    """Run groups; with a factory, by as many workers as ``joblib.parallel_config`` says.

    Args:
        model: Or what makes it.
        job: What the groups have in common.
        groups: Cells by key, and which of them are wanted.
        weights: The fingerprint of the model that the cells were named for; with a factory.

    Yields:
        The texts of the cells of a group, as soon as it is finished.

    Raises:
        SteerError: When the factory makes another model in a worker than it did before.
    """
    if is_model(model):
        job = job.loaded()
        for cells, wanted in groups:
            yield job.run(model, cells, wanted)  # type: ignore[arg-type]
        return
    packed = cloudpickle.dumps((model, job))
    backend, _ = get_active_backend()
    in_turn = bool(getattr(backend, "supports_return_generator", False))
    workers = Parallel(return_as="generator_unordered" if in_turn else "list")
    yield from workers(delayed(_run)(packed, weights, *group) for group in groups)


_loaded: dict[bytes, tuple[SteerableModel, Job, str]] = {}
"""In a worker: the model of the sweep that it works for, loaded once."""

_one_at_a_time = Lock()
"""A worker process may have several threads (dask's have, and joblib's ``threading`` backend is
nothing else); they share the model, and so take turns."""


def _describe(packed: bytes, cells: Sequence[Cell]) -> Described:
    with _one_at_a_time:
        model, job, weights = _unpacked(packed)
        return replace(job.described(model, cells), weights=weights)


def _run(
    packed: bytes, expected: str, cells: Mapping[str, Cell], wanted: Sequence[str]
) -> dict[str, Any]:
    with _one_at_a_time:
        model, job, weights = _unpacked(packed)
        require_same(weights, expected)
        return job.run(model, cells, wanted)


def require_same(weights: str, expected: str) -> None:
    """Refuse a model that is another than the one that a sweep began with.

    Raises:
        SteerError: Saying what may have happened.
    """
    if weights != expected:
        raise SteerError(
            "the function that loads the model gave one worker other weights than another (by "
            f"their fingerprints, {weights} and {expected}), so that the cells would not be of one "
            "model. Did the checkpoint change on disk meanwhile? What was finished before is kept; "
            "run the same call again."
        )


def _unpacked(packed: bytes) -> tuple[SteerableModel, Job, str]:
    if packed not in _loaded:
        # One sweep at a time: the model of another one makes room.
        _loaded.clear()
        factory, job = cloudpickle.loads(packed)
        model = factory()
        require_steerable(model)
        _loaded[packed] = (model, job.loaded(), fingerprint(model))
    return _loaded[packed]
