"""Interventions as functions on hook points: the edge where pure maps meet a running model."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from tl_steer.errors import SteerError
from tl_steer.interventions import Edit, Intervention, edit_of, n_rows, needs_context
from tl_steer.lens.context import Context
from tl_steer.lens.hook_names import needs_writing_in_place
from tl_steer.lens.hook_points import HookFunction, points
from tl_steer.lens.on_device import OnDevice
from tl_steer.lens.parts import reads_of
from tl_steer.lens.protocol import Host
from tl_steer.lens.sites import ATTENTION_SITES
from tl_steer.lens.timeline import Timeline
from tl_steer.scopes import Keys, Scope, as_scope, everywhere
from tl_steer.steering._unmarked import Marked, keys_of
from tl_steer.steering._watched import Change, Watch
from tl_steer.strengths import Numbers, StrengthFunction, as_strength, evaluated

Seen = Callable[[Change], None]


@dataclass(frozen=True, eq=False)
class Step:
    """One intervention, ready to run."""

    name: str
    edit: Edit
    scope: Scope
    strength: Numbers | StrengthFunction
    needs_context: bool
    keys: tuple[Keys, ...]
    """What is attended to, where that decides."""
    _numbers: OnDevice

    @classmethod
    def of(cls, intervention: Intervention, name: str = "") -> "Step":
        """Prepare an intervention, which may have a name in a steering."""
        strength = as_strength(intervention.strength, hook_name=intervention.hook_name)
        scope = as_scope(intervention.scope)
        numbers = strength.values.view(-1, 1) if isinstance(strength, Numbers) else torch.ones(1, 1)
        return cls(
            name=name,
            edit=edit_of(intervention),
            scope=scope,
            strength=strength,
            needs_context=follows_pass(intervention),
            keys=keys_of(intervention, scope, strength),
            _numbers=OnDevice(numbers),
        )

    @property
    def does_nothing(self) -> bool:
        """Whether its strength is zero, whatever comes."""
        return isinstance(self.strength, Numbers) and self.strength.is_zero

    def apply(
        self,
        acts: Tensor,
        context: Context | None,
        name: str,
        marked: Marked | None = None,
        seen: Seen | None = None,
    ) -> Tensor:
        """Change activations ``batch pos *site`` where and as strongly as it should.

        Args:
            acts: What stands at the hook point.
            context: The pass; ``None`` where nothing depends on it.
            name: The hook point.
            marked: Takes down whether the scope marks anything.
            seen: Is shown what it did.
        """
        strength, chosen = self._how(acts, context, name, marked)
        edited = self.edit(acts, strength, context)
        if marked is not None and context is not None:
            for keys in self.keys:
                marked.note(keys, context.mask(keys))
        if chosen is not None:
            where = chosen.view(*chosen.shape, *[1] * (acts.ndim - 2))
            edited = torch.where(where, edited, acts)
        if seen is not None:
            seen(Change(acts, edited, strength, chosen))
        return edited

    def _how(
        self, acts: Tensor, context: Context | None, name: str, marked: Marked | None
    ) -> tuple[Tensor, Tensor | None]:
        """How strongly, and on which tokens; ``None`` for all of them."""
        if context is None:
            (strength,) = self._numbers(acts)
            return strength, None
        chosen = None if self.scope is everywhere else _checked(context, self.scope, acts, name)
        if chosen is not None and marked is not None:
            marked.note(self.scope, context.mask(self.scope), context.real)
        if isinstance(self.strength, Numbers):
            (strength,) = self._numbers(acts)
            some_rows = self.strength.n_rows is not None
        else:
            strength = evaluated(self.strength, acts, context, hook_name=name)
            some_rows = True
        if some_rows:
            # Zero is nothing, to the last bit, whatever the map makes of it.
            acting = (strength != 0).expand(acts.shape[:2])
            chosen = acting if chosen is None else chosen & acting
        return strength, chosen


def follows_pass(intervention: Intervention) -> bool:
    """Tell whether an intervention, its strength or its scope asks which tokens a pass is about."""
    strength = as_strength(intervention.strength, hook_name=intervention.hook_name)
    return (
        as_scope(intervention.scope) is not everywhere
        or not isinstance(strength, Numbers)
        or n_rows(intervention) is not None
        or needs_context(intervention)
    )


def what_is_read(interventions: Iterable[Intervention]) -> tuple[str, ...]:
    """Hook names that interventions, their scopes and their strengths want to see."""
    parts = [part for each in interventions for part in (each, each.scope, each.strength)]
    return reads_of(*parts)


class Board:
    """The steps at each hook point, which may change while the hooks stay."""

    def __init__(
        self,
        model: Host,
        interventions: Mapping[str, Intervention],
        marked: Marked | None = None,
        watch: Watch | None = None,
    ) -> None:
        """Find the hook points of all interventions, those that are switched off among them.

        Args:
            model: Where they are.
            interventions: By name.
            marked: Takes down whether scopes mark anything.
            watch: Who is shown what is done.
        """
        looks = () if watch is None else watch.at
        names = [*(each.hook_name for each in interventions.values()), *looks]
        found = points(model, names)
        # Two names may be one hook point, and its interventions must stay in order.
        self._key = {name: id(found[name]) for name in names}
        self._steps: dict[int, list[Step]] = {}
        self._names: dict[int, str] = {}
        for name, key in self._key.items():
            self._names.setdefault(key, name)
        self._model = model
        self._marked = marked
        self._watch = watch
        self._looks: dict[int, tuple[str, ...]] = {}
        for name in looks:
            self._looks[self._key[name]] = (*self._looks.get(self._key[name], ()), name)

    def show(self, interventions: Mapping[str, Intervention]) -> None:
        """Put up the interventions that act from now on, by name."""
        steps: dict[int, list[Step]] = {}
        for name, each in interventions.items():
            step = Step.of(each, name)
            if not step.does_nothing:
                steps.setdefault(self._key[each.hook_name], []).append(step)
        self._steps = steps

    def hooks(
        self, timeline: Timeline | None, *, reads: Sequence[str], only_acting: bool
    ) -> list[tuple[str, HookFunction]]:
        """Return functions for the hook points: first those that read, then those that change.

        Args:
            timeline: Who knows which tokens a pass is about.
            reads: Hook points whose activations are to be kept.
            only_acting: Leave out hook points where nothing acts now.
        """
        reading = [] if timeline is None else [(name, _reader(name, timeline)) for name in reads]
        wanted = [
            key
            for key in self._names
            if not only_acting or self._steps.get(key) or key in self._looks
        ]
        changing = [(self._names[key], self._changer(key, timeline)) for key in wanted]
        return [*reading, *changing]

    def _changer(self, key: int, timeline: Timeline | None) -> HookFunction:
        name = self._names[key]
        in_place = needs_writing_in_place(self._model, name)
        attention = name.endswith(ATTENTION_SITES)
        watch, looks = self._watch, self._looks.get(key, ())

        def change(acts: Tensor, hook: Any) -> Tensor | None:
            steps = self._steps.get(key)
            if watch is not None and looks:
                watch.stands(looks, acts)
            if not steps:
                return None
            # Attention scores have heads before tokens; maps see tokens first, here as elsewhere.
            after = acts.transpose(1, 2) if attention else acts
            context = None
            if timeline is not None and any(step.needs_context for step in steps):
                context = timeline.now(name, after.shape)
            for step in steps:
                known = context if step.needs_context else None
                seen = None if watch is None else partial(watch.changed, looks, step.name)
                after = step.apply(after, known, name, self._marked, seen)
            after = after.transpose(1, 2) if attention else after
            return acts.copy_(after) if in_place else after

        return change


def _reader(name: str, timeline: Timeline) -> HookFunction:
    attention = name.endswith(ATTENTION_SITES)

    def read(acts: Tensor, hook: Any) -> None:
        shape = acts.transpose(1, 2).shape if attention else acts.shape
        timeline.now(name, shape).keep(name, acts)

    return read


def _checked(context: Context, scope: Scope, acts: Tensor, name: str) -> Tensor:
    mask = context.mask(scope)
    is_tensor = isinstance(mask, Tensor)
    if not is_tensor or mask.shape != acts.shape[:2] or mask.dtype != torch.bool:
        came = f"{mask.dtype} of shape {tuple(mask.shape)}" if is_tensor else type(mask).__name__
        raise SteerError(
            f"{name}: the scope {scope!r} returned {came}. Return a bool mask of shape "
            f"{tuple(acts.shape[:2])} (batch, position)."
        )
    checked: Tensor = mask.to(acts.device)
    return checked
