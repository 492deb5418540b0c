"""An experiment that is ready to run: what is exchanged where, and what is measured."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

import torch
from torch import Tensor

from tl_steer.arguments import checked
from tl_steer.causal._metrics import LogitMetric, Metric, measure_of
from tl_steer.causal._modes import Mode, Points
from tl_steer.causal._outcome import Measure
from tl_steer.causal._positions import Groups, PositionChoice, groups_of
from tl_steer.causal._sites import Site
from tl_steer.data import ContrastSet
from tl_steer.directions import Direction, Directions
from tl_steer.errors import DataError, HookNameError, NonFiniteError
from tl_steer.lens.hook_names import order_of, site_shape
from tl_steer.lens.places import Places, hook_names
from tl_steer.lens.protocol import SteerableModel, require_steerable
from tl_steer.lens.tokens import Chat, TokenIds, check_lengths, tokenize


@checked
@dataclass(frozen=True, eq=False)
class Experiment:
    """Everything that was checked and tokenized before anything runs."""

    model: SteerableModel
    names: tuple[str, ...]

    texts: tuple[str, ...]
    """The prompts that run."""

    base: tuple[TokenIds, ...]
    """Their tokens."""

    source: tuple[TokenIds, ...] | None
    """The text that each of them is given activations of."""

    points: Points | None
    """What all of them are given instead, one vector a hook name."""

    other: tuple[TokenIds, ...]
    """Texts that show what the whole difference is, where there are no partners; may be empty."""

    measure: Measure
    groups: tuple[Groups, ...]
    """By prompt: which of its tokens are exchanged together, and how they are called."""

    units: Mapping[str, Tensor]
    """By hook name, in its shape: the unit vector that the exchange is restricted to, in each head
    by itself. Empty where whole activations are exchanged."""

    sites: tuple[Site, ...]

    @property
    def width(self) -> int:
        """How many numbers of a token all its hook points hold together."""
        return sum(prod(site_shape(self.model, name)) for name in self.names)

    def tokens_of(self, prompt: int, label: int | None) -> list[int]:
        """Which tokens of a prompt a group is, from 0 on; none where the prompt lacks it."""
        length = len(self.base[prompt])
        return [token % length for token in self.groups[prompt].get(label, ())]

    def length(self, prompt: int) -> int:
        """Tokens of a prompt with what follows it, or of its partner if that is longer."""
        own, partner = len(self.base[prompt]), 0
        if self.source is not None:
            partner = len(self.source[prompt])
        return max(own, partner) + len(self.measure.after(prompt))

    def only(self, sites: Sequence[Site]) -> "Experiment":
        """Keep some sites."""
        names = tuple(name for name in self.names if any(s.hook_name == name for s in sites))
        return replace(self, names=names, sites=tuple(sites))

    def __copy__(self) -> "Experiment":
        return self

    def __deepcopy__(self, memo: object) -> "Experiment":
        # A copy of a result is of the result, and not of the model.
        return self

    def __reduce__(self) -> tuple[Callable[[], None], tuple[()]]:
        # Nor does a model go into a file with it.
        return _left_behind, ()


def _left_behind() -> None:
    """What stands in a pickle for an experiment."""


def experiment_of(
    model: SteerableModel,
    contrast: ContrastSet,
    metric: Metric | LogitMetric,
    *,
    at: Places,
    mode: Mode,
    positions: PositionChoice,
    along: Direction | Directions | None,
    prepend_bos: bool | None,
    chat: Chat | None,
) -> Experiment:
    """Check everything and tokenize; nothing runs.

    Raises:
        HookNameError: For hook points that the model lacks, or that a probe does not see.
        DataError: For texts, pairs or answers that do not fit.
        MismatchError: For activations or directions of another model.
        NonFiniteError: For directions or means that are zero, NaN or infinite.
    """
    require_steerable(model)
    names = tuple(sorted(hook_names(model, at), key=order_of))
    exchange = mode.exchange(model, contrast, names)
    measure = measure_of(metric, model, len(exchange.base))
    _require_before(names, measure)
    base, source, other = (
        tuple(tokenize(model, texts or (), prepend_bos=prepend_bos, chat=chat)) if texts else ()
        for texts in (exchange.base, exchange.source, exchange.other)
    )
    groups = tuple(groups_of(positions, len(row), prompt=i) for i, row in enumerate(base))
    if exchange.source is not None:
        groups = _require_lining_up(positions, base, source, groups)
    for rows, texts in ((base, exchange.base), (source, exchange.source), (other, exchange.other)):
        after = range(len(rows)) if rows is not other else [0] * len(rows)
        whole = [row + measure.after(prompt) for row, prompt in zip(rows, after, strict=True)]
        check_lengths(model, whole, texts or ())
    return Experiment(
        model=model,
        names=names,
        texts=exchange.base,
        base=base,
        source=None if exchange.source is None else source,
        points=exchange.points,
        other=other,
        measure=measure,
        groups=groups,
        units=_units(model, names, along),
        sites=_sites(model, names, groups),
    )


def _require_before(names: Sequence[str], measure: Measure) -> None:
    if measure.reads is None:
        return
    for name in names:
        if order_of(name) >= order_of(measure.reads):
            raise HookNameError(
                f"{name}: the probe reads {measure.reads}, which does not come after it, so "
                "nothing exchanged there reaches the probe. Take earlier hook points, or a "
                "direction of a later one."
            )


def _require_lining_up(
    positions: PositionChoice,
    base: Sequence[TokenIds],
    source: Sequence[TokenIds],
    groups: tuple[Groups, ...],
) -> tuple[Groups, ...]:
    """Refuse pairs whose tokens have no partners; keep what both texts of a pair have."""
    kept = []
    for number, (one, other, own) in enumerate(zip(base, source, groups, strict=True)):
        shared = own
        if len(one) != len(other):
            if len(other) < len(one):
                shared = groups_of(positions, len(other), prompt=number)
            if not own or any(token >= 0 for tokens in own.values() for token in tokens):
                raise DataError(
                    f"pair {number}: its texts have {len(one)} and {len(other)} tokens, and "
                    "activations are exchanged token by token. Rewrite or leave out such pairs, "
                    "or count from the end, with positions=EachPosition(from_end=True) or "
                    "AtPosition(-1)."
                )
        kept.append(shared)
    return tuple(kept)


def _sites(
    model: SteerableModel, names: Sequence[str], groups: Sequence[Groups]
) -> tuple[Site, ...]:
    labels = {label for each in groups for label in each}
    if not labels:
        raise DataError("No prompt has a token at these positions.")
    # Positions in the order of the text; what is several tokens comes first.
    ordered = sorted(labels, key=lambda label: (label is not None, label or 0))
    return tuple(
        Site(name, head, label)
        for name in names
        for head in _heads(model, name)
        for label in ordered
    )


def _heads(model: SteerableModel, name: str) -> Sequence[int | None]:
    shape = site_shape(model, name)
    return range(shape[0]) if len(shape) == 2 else (None,)


def _units(
    model: SteerableModel, names: Sequence[str], along: Direction | Directions | None
) -> dict[str, Tensor]:
    if along is None:
        return {}
    units = {}
    for name in names:
        direction = along if isinstance(along, Direction) else along[name]
        direction.check_fits(model, at=name)
        sizes = direction.vector.norm(dim=-1, keepdim=True)
        if not bool((sizes > 0).all()):
            what = "a head of this direction is zero" if sizes.numel() > 1 else "this is zero"
            raise NonFiniteError(f"{name}: {what}, so that there is no component along it.")
        units[name] = (direction.vector / sizes).to(torch.float64)
    return units
