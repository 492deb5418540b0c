"""Interventions together: as plain ``fwd_hooks``, and as a block."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import Any

import torch
from torch import Tensor

from tl_steer.errors import MismatchError, SteerError
from tl_steer.interventions.protocol import Edit, Intervention
from tl_steer.lens.hook_names import layer_of, needs_writing_in_place, resolve
from tl_steer.lens.hook_points import Attached, HookFunction, attach, points
from tl_steer.lens.protocol import SteerableModel, require_steerable
from tl_steer.lens.timeline import Context, Timeline
from tl_steer.scopes.positions import Scope, as_scope, everywhere, needs_prompt_end

PromptLengths = Sequence[int] | Tensor | None


@dataclass(frozen=True, eq=False, init=False)
class Steering:
    """Several interventions, in order, each with a name and a switch.

    Interventions at one hook point act in the order in which they are written. A ``Steering`` does
    not change: :meth:`off`, :meth:`on` and :meth:`rows` return new ones.

    Args:
        interventions: Any number, at any hook points; they are named ``1``, ``2``, …
        named: More of them, under names of your own, after the others.

    Raises:
        SteerError: For something that is not an intervention.
    """

    interventions: Mapping[str, Intervention]
    """By name, in order."""

    switched_off: frozenset[str]
    """Names of those that do nothing."""

    def __init__(self, *interventions: Intervention, **named: Intervention) -> None:
        """Put interventions together."""
        numbered = {str(number): each for number, each in enumerate(interventions, start=1)}
        for name, each in (numbered | named).items():
            if not isinstance(each, Intervention):
                raise SteerError(
                    f"intervention {name}: {type(each).__name__} came; an intervention is wanted, "
                    "such as Add(direction, strength)."
                )
        object.__setattr__(self, "interventions", MappingProxyType(numbered | named))
        object.__setattr__(self, "switched_off", frozenset())
        _ = self.n_rows

    @property
    def active(self) -> tuple[Intervention, ...]:
        """Those that are switched on, in order."""
        on = (name for name in self.interventions if name not in self.switched_off)
        return tuple(self.interventions[name] for name in on)

    @property
    def n_rows(self) -> int | None:
        """How many rows the settings are made for; ``None`` when they serve any batch."""
        counts = {each.n_rows for each in self.interventions.values()} - {None}
        if len(counts) > 1:
            raise MismatchError(
                f"interventions with settings for {' and '.join(map(str, counts))} rows cannot act "
                "on one batch."
            )
        return counts.pop() if counts else None

    def off(self, *names: str) -> "Steering":
        """Switch some off: the same as leaving them out."""
        return self._with(self.interventions, self.switched_off | self._known(names))

    def on(self, *names: str) -> "Steering":
        """Switch some on again."""
        return self._with(self.interventions, self.switched_off - self._known(names))

    def rows(self, index: Sequence[int]) -> "Steering":
        """Keep the settings of some rows of a batch, in the order asked for."""
        chosen = {
            name: each if each.n_rows is None else each.rows(index)
            for name, each in self.interventions.items()
        }
        return self._with(chosen, self.switched_off)

    def check_fits(self, model: SteerableModel) -> None:
        """Refuse a model that the interventions do not fit, before anything runs.

        Raises:
            SteerError: A hook name that the model lacks, a direction of another model or width.
        """
        require_steerable(model)
        names = [each.hook_name for each in self.active]
        for name in names:
            layer_of(name)
        if names:
            resolve(model, names)
        for each in self.active:
            each.check_fits(model)

    def fwd_hooks(
        self, model: SteerableModel, *, prompt_lengths: PromptLengths = None
    ) -> list[tuple[str, HookFunction]]:
        """Return hooks for ``run_with_hooks`` and ``model.hooks``.

        A scope needs to know where in the text a pass stands, which hooks are not told. For as
        long as somebody holds these hooks, the model carries a listener that reads the attention
        mask of its calls and changes nothing. :func:`steer` is the same without that condition.

        Args:
            model: The one that they will be used with.
            prompt_lengths: Tokens of each row that count as the prompt; by default all of the
                first pass.

        Raises:
            SteerError: When the steering does not fit the model.
        """
        self.check_fits(model)
        timeline = self._timeline(prompt_lengths)
        if timeline is not None:
            timeline.attach(model)
        return self._hooks(model, timeline)

    def _timeline(self, prompt_lengths: PromptLengths) -> Timeline | None:
        scopes = [as_scope(each.scope) for each in self.active]
        if self.n_rows is None and all(scope is everywhere for scope in scopes):
            return None
        return Timeline(
            prompt_lengths=None if prompt_lengths is None else torch.as_tensor(prompt_lengths),
            needs_prompt_end=any(map(needs_prompt_end, scopes)),
            n_rows=self.n_rows,
        )

    def _hooks(
        self, model: SteerableModel, timeline: Timeline | None
    ) -> list[tuple[str, HookFunction]]:
        found = points(model, [each.hook_name for each in self.active])
        # Two names may be one hook point, and its interventions must stay in order.
        grouped: dict[int, tuple[str, list[tuple[Edit, Scope]]]] = {}
        for each in self.active:
            edit = each.edit()
            if edit is not None:
                key = id(found[each.hook_name])
                step = (edit, as_scope(each.scope))
                grouped.setdefault(key, (each.hook_name, []))[1].append(step)
        return [
            (name, _hook(name, steps, timeline, in_place=needs_writing_in_place(model, name)))
            for name, steps in grouped.values()
        ]

    def _known(self, names: Sequence[str]) -> frozenset[str]:
        for name in names:
            if name not in self.interventions:
                have = ", ".join(self.interventions)
                raise SteerError(f"{name!r} is none of this steering's interventions: {have}.")
        return frozenset(names)

    @staticmethod
    def _with(interventions: Mapping[str, Intervention], off: frozenset[str]) -> "Steering":
        made = Steering()
        object.__setattr__(made, "interventions", MappingProxyType(dict(interventions)))
        object.__setattr__(made, "switched_off", off)
        return made

    def __repr__(self) -> str:
        """One line an intervention."""
        lines = "\n".join(
            f"  {name}: {each!r}{' (off)' if name in self.switched_off else ''}"
            for name, each in self.interventions.items()
        )
        return f"Steering of {len(self.interventions)}\n{lines}"


class Steered:
    """A model that is steered between entering and leaving a block; made by :func:`steer`."""

    def __init__(
        self, model: SteerableModel, steering: Steering, prompt_lengths: PromptLengths
    ) -> None:
        """Check everything; touch nothing yet."""
        steering.check_fits(model)
        self.model = model
        self.steering = steering
        self._prompt_lengths = prompt_lengths
        self._attached: list[Attached] = []
        self._timeline: Timeline | None = None

    def __enter__(self) -> "Steered":
        """Attach the hooks."""
        if self._attached or self._timeline is not None:
            raise SteerError("this block is already entered; make another with steer(...).")
        try:
            self._timeline = self.steering._timeline(self._prompt_lengths)
            if self._timeline is not None:
                self._timeline.attach(self.model)
            hooks = self.steering._hooks(self.model, self._timeline)
            found = points(self.model, [name for name, _ in hooks])
            for name, function in hooks:
                self._attached.append(attach(found[name], function))
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the model as it was found."""
        self.remove()

    def remove(self) -> None:
        """Take off what this block attached, and nothing else; blocks may end in any order."""
        while self._attached:
            self._attached.pop().remove()
        if self._timeline is not None:
            self._timeline.detach()
            self._timeline = None


def steer(
    model: SteerableModel,
    *interventions: Intervention | Steering,
    prompt_lengths: PromptLengths = None,
) -> Steered:
    """Steer a model for the length of a block; whatever runs in it is steered.

    ``model(...)``, ``run_with_cache`` and ``generate`` with and without a cache all are. Blocks
    nest and may end in any order; hooks of your own stay where they are.

    Args:
        model: Any TransformerLens model.
        interventions: Interventions, in order, or one :class:`Steering`.
        prompt_lengths: Tokens of each row that count as the prompt; by default all of the first
            pass of a sequence.

    Returns:
        A context manager; :meth:`Steered.remove` ends it early.

    Raises:
        SteerError: When something does not fit the model; nothing is attached then.

    Example:
        >>> with ts.steer(model, ts.Add(joy, 4.0)):
        ...     model.generate("This movie is")
    """
    if len(interventions) == 1 and isinstance(interventions[0], Steering):
        return Steered(model, interventions[0], prompt_lengths)
    plain: list[Any] = list(interventions)
    return Steered(model, Steering(*plain), prompt_lengths)


def _hook(
    name: str, steps: Sequence[tuple[Edit, Scope]], timeline: Timeline | None, *, in_place: bool
) -> HookFunction:
    def function(acts: Tensor, hook: Any) -> Tensor:
        context = None if timeline is None else timeline.now(name, acts)
        after = acts
        for edit, scope in steps:
            edited = edit(after)
            after = edited if context is None else _within(scope, context, edited, after, name)
        return acts.copy_(after) if in_place else after

    return function


def _within(scope: Scope, context: Context, edited: Tensor, before: Tensor, name: str) -> Tensor:
    mask = context.mask(scope)
    is_tensor = isinstance(mask, Tensor)
    if not is_tensor or mask.shape != before.shape[:2] or mask.dtype != torch.bool:
        came = f"{mask.dtype} of shape {tuple(mask.shape)}" if is_tensor else type(mask).__name__
        raise SteerError(
            f"{name}: the scope {scope!r} returned {came}; a bool mask of shape "
            f"{tuple(before.shape[:2])} (batch, position) is wanted."
        )
    mask = mask.to(before.device)
    return torch.where(mask.view(*mask.shape, *[1] * (before.ndim - 2)), edited, before)
