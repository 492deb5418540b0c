"""The cells of a sweep, in order, and in the groups that are run together."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tl_steer.directions import AnyDirection, Direction, Directions, LayerRun
from tl_steer.errors import DataError, MismatchError, SteerError
from tl_steer.experiments._cell import NONE, Cell, PromptSet
from tl_steer.experiments._run import Run
from tl_steer.generation import Sampling
from tl_steer.lens.protocol import UNKNOWN
from tl_steer.scopes import Scope, as_scope

DirectionGrid = Mapping[str, AnyDirection | Sequence[AnyDirection] | Mapping[str, AnyDirection]]
"""By name: a direction or a run of layers, or several of them, which are tried one at a time."""


@dataclass(frozen=True, eq=False)
class Grid:
    """Every combination of directions, strengths, scopes, prompt sets and seeds."""

    cells: tuple[Cell, ...]

    def groups(self, rows: int) -> list[list[Cell]]:
        """Cells that are run together: of one prompt set and seed, as many as ``rows`` texts hold.

        The groups depend on the grid alone, and not on which cells are finished, so that a sweep
        that was interrupted goes on with the same batches.
        """
        found: list[list[Cell]] = []
        for cell in self.cells:
            same = found and _meets(found[-1][0], cell)
            size = len(cell.prompts.prompts) * cell.sampling.samples
            if same and (len(found[-1]) + 1) * size <= rows:
                found[-1].append(cell)
            else:
                found.append([cell])
        return found


def grid(
    prompts: Mapping[str, Sequence[str]] | Sequence[str],
    directions: AnyDirection | DirectionGrid,
    *,
    strengths: Sequence[float] | None,
    doses: Sequence[float] | None,
    scopes: Scope | slice | Mapping[str, Scope | slice],
    sampling: Sampling,
    run: Run,
) -> Grid:
    """Combine settings; the cells without steering come first for each prompt set and seed.

    Raises:
        DataError: For nothing to combine, a name that is taken twice, or an empty prompt set.
        SteerError: For strengths and doses at once, or numbers that are not finite.
    """
    sets = prompt_sets(prompts, run)
    named = _directions(directions)
    scoped = _scopes(scopes)
    numbers, are_doses = _numbers(strengths, doses)
    cells = []
    for prompt_set in sets:
        for drawn in seeded(sampling, run):
            nothing = next(iter(scoped.items()))
            cells.append(Cell(NONE, None, 0.0, "", nothing[1], prompt_set, drawn))
            cells += [
                Cell(
                    name,
                    each,
                    each.strength_for(dose=number) if are_doses else number,
                    scope_name,
                    scope,
                    prompt_set,
                    drawn,
                )
                # Hook points and scopes outermost, so that cells of one of them meet in a batch.
                for name, each in sorted(named, key=lambda pair: pair[1].layer)
                for scope_name, scope in scoped.items()
                for number in numbers
            ]
    return Grid(tuple(cells))


def seeded(sampling: Sampling, run: Run) -> list[Sampling]:
    """The sampling with each of several seeds, or as it is.

    Raises:
        DataError: For no seed, or one that comes twice.
    """
    several = (sampling.seed,) if run.seeds is None else tuple(run.seeds)
    if not several or len(set(several)) < len(several):
        raise DataError(f"seeds={list(several)}: one or more, each of them once.")
    return [replace(sampling, seed=int(seed)) for seed in several]


def _meets(one: Cell, other: Cell) -> bool:
    return one.prompts is other.prompts and one.sampling.seed == other.sampling.seed


def _directions(directions: Any) -> list[tuple[str, AnyDirection]]:
    directions = by_name(directions)
    if not isinstance(directions, Mapping) or not directions:
        raise DataError("give directions by name: {'joy': joy, 'random': joy.random_like(0)}.")
    found = []
    for name, given in directions.items():
        if not isinstance(name, str) or name in ("", NONE):
            raise DataError(
                f"{name!r} is no name for a direction; {NONE!r} is that of no steering."
            )
        one = isinstance(given, AnyDirection)
        several = (given,) if one else given.values() if isinstance(given, Mapping) else given
        if not several:
            raise MismatchError(f"{name}: no direction came, at 0 hook points; give one, or more.")
        for each in several:
            _ = each.unit
            found.append((name, each))
    places = [(name, each.hook_name) for name, each in found]
    for place in places:
        if places.count(place) > 1:
            raise DataError(f"{place[0]}: two directions at {place[1]}; give each its own name.")
    models = {each.provenance.model for _, each in found} - {UNKNOWN}
    if len(models) > 1:
        raise MismatchError(f"the directions are of {len(models)} models; give those of one.")
    return found


def _scopes(scopes: Scope | slice | Mapping[str, Scope | slice]) -> dict[str, Scope]:
    if isinstance(scopes, Mapping):
        if not scopes:
            raise DataError("no scope came; leave scopes= out to steer every token.")
        return {str(name): as_scope(scope) for name, scope in scopes.items()}
    scope = as_scope(scopes)
    return {scope_name(scope): scope}


def by_name(directions: Any) -> Any:
    """What came without a name, under that of its method; ``Directions`` are one direction.

    Whether the rest are directions by name is for :func:`grid` to say.
    """
    if isinstance(directions, Direction | LayerRun):
        return {directions.provenance.method: directions}
    if isinstance(directions, Directions) and len(directions):
        return {next(iter(directions.values())).provenance.method: directions}
    return directions


def in_both(some: Sequence[str], others: Sequence[str]) -> list[str]:
    """Which of the others are among some prompts, whatever their white space."""
    known = {" ".join(str(prompt).split()) for prompt in some}
    return [prompt for prompt in others if " ".join(str(prompt).split()) in known]


def scope_name(scope: Scope) -> str:
    """What a scope is called where nobody named it."""
    return str(getattr(scope, "__name__", repr(scope)))


def prompt_sets(prompts: Mapping[str, Sequence[str]] | Sequence[str], run: Run) -> list[PromptSet]:
    """Prompts as sets by name.

    Raises:
        DataError: For one string, or a set without prompts.
    """
    if isinstance(prompts, str):
        raise DataError("one string came as prompts; give a list, or lists by name.")
    named = prompts if isinstance(prompts, Mapping) else {"prompts": prompts}
    found = []
    for name, given in named.items():
        texts = (given,) if isinstance(given, str) else tuple(given)
        if not texts or not all(isinstance(text, str) for text in texts):
            raise DataError(f"{name}: {len(texts)} prompts came; one or more strings are wanted.")
        found.append(PromptSet(str(name), texts, run.chat, run.prepend_bos))
    if not found:
        raise DataError("there is no prompt to continue.")
    return found


def _numbers(
    strengths: Sequence[float] | None, doses: Sequence[float] | None
) -> tuple[list[float], bool]:
    if (strengths is None) == (doses is None):
        raise SteerError(
            "give either strengths=, in multiples of each direction, or doses=, relative to the "
            "norm of the activations."
        )
    given = strengths if doses is None else doses
    # Zero is no steering, whose cell there is anyway.
    numbers = [float(each) for each in given or () if float(each) != 0]
    if not numbers or not all(map(math.isfinite, numbers)):
        raise SteerError(f"{given!r}: finite numbers are wanted, at least one other than zero.")
    if len(set(numbers)) < len(numbers):
        raise DataError(f"{given!r}: each number once.")
    return numbers, doses is not None
