"""Steering: interventions in order, each with a name and a switch."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from weakref import finalize

import torch

from tl_steer.arguments import Index, checked, means
from tl_steer.directions import Direction
from tl_steer.errors import MismatchError, SteerError
from tl_steer.frozen import FrozenDict
from tl_steer.interventions import (
    Add,
    Intervention,
    check_fits,
    instead_of_intervention,
    n_rows,
    require_sound,
    rows,
    with_strength,
)
from tl_steer.lens.holding import only_here
from tl_steer.lens.hook_names import passes_before, require_readable, require_writable
from tl_steer.lens.hook_points import HookFunction
from tl_steer.lens.kept_cache import keep_cache
from tl_steer.lens.protocol import SteerableModel, require_steerable
from tl_steer.lens.timeline import Timeline
from tl_steer.scopes import Scope, as_scope, everywhere, passes_over_prompt
from tl_steer.steering._alike import rows_are_alike
from tl_steer.steering._hooks import Board, follows_pass, what_is_read
from tl_steer.steering._layers import OneDose, OneStrength, divided
from tl_steer.strengths import Strength

PromptLengths = Sequence[Index] | None
"""How many tokens of each row count as its prompt, in a list or a tensor."""


@checked
@means("a Steering", instead=instead_of_intervention)
@dataclass(frozen=True, eq=False, init=False)
class Steering:
    """Several interventions, in order, each with a name and a switch.

    Interventions at one hook point act in the order written. A ``Steering`` is immutable:
    :meth:`off`, :meth:`on`, :meth:`at_strength` and :meth:`rows` return new ones.

    Args:
        interventions: Any number, at any hook points, named ``1``, ``2``, …
        named: More, under your own names, which act after the others.

    Raises:
        SteerError: For something that is not an intervention.
    """

    interventions: Mapping[str, Intervention]
    """By name, in order."""

    switched_off: frozenset[str]
    """Names of those that are off."""

    _note: str

    def __init__(self, *interventions: Intervention, **named: Intervention) -> None:
        """Put interventions together."""
        numbered = {str(number): each for number, each in enumerate(interventions, start=1)}
        for each in (numbered | named).values():
            require_sound(each)
        object.__setattr__(self, "interventions", FrozenDict(numbered | named))
        object.__setattr__(self, "switched_off", frozenset())
        object.__setattr__(self, "_note", "")
        _ = self.n_rows

    @classmethod
    def at_layers(
        cls,
        directions: Mapping[str, Direction] | Sequence[Direction],
        strength: OneStrength | None = None,
        *,
        dose: OneDose | None = None,
        scope: Scope | slice = everywhere,
    ) -> "Steering":
        """Add a direction at each of several layers, dividing the strength among them.

        With ``n`` directions each gets ``strength / √n``, or ``dose / √n``. What is added at one
        layer partly carries on to the next, so the full strength at each would be too much and an
        ``n``-th too little. It is a rule of thumb to start from.

        Args:
            directions: One for each layer: ``joy[10:19]``, or a list.
            strength: Of all together, in multiples of the directions as measured; 1 by default.
            dose: Instead of a strength, in units of the activations' norm at each layer; negative
                doses act against the directions.
            scope: Which tokens.

        Returns:
            Additions named ``layer_10``, ``layer_11``, … (or by their hook names if a layer has
            two).

        Raises:
            MismatchError: For no direction, or two at one hook point.
            SteerError: For both a strength and a dose.

        Example:
            >>> ts.Steering.at_layers(joy[10:19], dose=0.25)
        """
        additions, note = divided(directions, strength, dose, scope)
        return cls._with(additions, frozenset(), note)

    @property
    def active(self) -> tuple[Intervention, ...]:
        """Those that are switched on, in order."""
        return tuple(self.acting.values())

    @property
    def acting(self) -> Mapping[str, Intervention]:
        """The same, by name."""
        return {
            name: each for name, each in self.interventions.items() if name not in self.switched_off
        }

    @property
    def n_rows(self) -> int | None:
        """How many rows the settings are for; ``None`` if they serve any batch."""
        counts = {n_rows(each) for each in self.interventions.values()} - {None}
        if len(counts) > 1:
            raise MismatchError(
                f"Interventions with settings for {' and '.join(map(str, counts))} rows cannot act "
                "on one batch."
            )
        return counts.pop() if counts else None

    def off(self, *names: str) -> "Steering":
        """Switch some off, as if they were left out."""
        return self._with(self.interventions, self.switched_off | self._known(names), self._note)

    def on(self, *names: str) -> "Steering":
        """Switch some on again."""
        return self._with(self.interventions, self.switched_off - self._known(names), self._note)

    def at_strength(self, **strengths: Strength) -> "Steering":
        """Change strengths by name: ``steering.at_strength(joy=2.0)``."""
        self._known(tuple(strengths))
        chosen = {
            name: with_strength(each, strengths[name]) if name in strengths else each
            for name, each in self.interventions.items()
        }
        return self._with(chosen, self.switched_off)

    def rows(self, index: Sequence[int]) -> "Steering":
        """Keep the settings of some rows of a batch, in the order asked for."""
        chosen = {name: rows(each, index) for name, each in self.interventions.items()}
        return self._with(chosen, self.switched_off)

    def check_fits(self, model: SteerableModel) -> None:
        """Refuse a model that the interventions do not fit, before anything runs.

        Raises:
            SteerError: A hook name that the model lacks, a direction of another model or width.
        """
        require_steerable(model)
        for each in self.active:
            require_writable(model, each.hook_name)
            check_fits(each, model)
        self._check_reads(model)

    def _check_reads(self, model: SteerableModel) -> None:
        for each in self.active:
            for name in what_is_read([each]):
                require_readable(model, name)
                if passes_before(model, each.hook_name, name):
                    raise MismatchError(
                        f"{each.hook_name}: the edit there depends on {name}, which comes later in "
                        "the pass. Read at the same hook point or an earlier one."
                    )
                for other in self.active:
                    if passes_before(model, other.hook_name, name):
                        raise MismatchError(
                            f"What happens at {each.hook_name} depends on {name}, but "
                            f"{other.hook_name} is changed before that, so steering would see its "
                            "own effect. Read at or before the first hook point that is changed."
                        )

    def fwd_hooks(
        self, model: SteerableModel, *, prompt_lengths: PromptLengths = None
    ) -> list[tuple[str, HookFunction]]:
        """Return hooks for ``run_with_hooks`` and ``model.hooks``.

        A scope needs to know where in the text a pass is, which hooks are not told. So for as long
        as you hold these hooks, the model carries a listener that reads the attention mask of its
        calls and, on a bridge, whether its cache was kept. :func:`steer` needs no such care.

        Args:
            model: The model that you will use them with.
            prompt_lengths: Tokens of each row that count as the prompt; by default all of the
                first pass.

        Raises:
            SteerError: When the steering does not fit the model.
        """
        self.check_fits(model)
        timeline = self.timeline(prompt_lengths, around=True)
        if timeline is not None:
            timeline.attach(model)
        board = Board(model, self.interventions)
        board.show(self.acting)
        finalize(board, keep_cache(model).close)
        hooks = board.hooks(timeline, reads=what_is_read(self.active), only_acting=True)
        return [(name, only_here(function)) for name, function in hooks]

    @property
    def reads_prompts_alike(self) -> bool:
        """Whether rows of one prompt leave it in the same state, whatever their settings.

        True if nothing acts on prompts or asks about them, and all strengths are numbers, which
        remember nothing.
        """
        return all(
            passes_over_prompt(as_scope(each.scope)) and not callable(each.strength)
            for each in self.active
        )

    @property
    def hook_names(self) -> tuple[str, ...]:
        """Hook points at which something is changed or read, also by what is switched off."""
        everything = self.interventions.values()
        return (*(each.hook_name for each in everything), *what_is_read(everything))

    def timeline(
        self, prompt_lengths: PromptLengths = None, *, around: bool = False
    ) -> Timeline | None:
        """Return what follows the model from pass to pass; ``None`` if nothing depends on it.

        Args:
            prompt_lengths: Tokens of each row that count as the prompt.
            around: Whether others than the caller may read texts meanwhile.
        """
        if not any(map(follows_pass, self.active)):
            return None
        return Timeline(
            prompt_lengths=None if prompt_lengths is None else torch.as_tensor(prompt_lengths),
            n_rows=self.n_rows,
            around=around,
            alike=lambda index: all(rows_are_alike(each, index) for each in self.active),
        )

    def _known(self, names: Sequence[str]) -> frozenset[str]:
        for name in names:
            if name not in self.interventions:
                have = ", ".join(self.interventions)
                raise SteerError(f"No intervention is called {name!r}. Available: {have}.")
        return frozenset(names)

    @staticmethod
    def _with(
        interventions: Mapping[str, Intervention], off: frozenset[str], note: str = ""
    ) -> "Steering":
        made = Steering()
        object.__setattr__(made, "interventions", FrozenDict(interventions))
        object.__setattr__(made, "switched_off", off)
        object.__setattr__(made, "_note", note)
        return made

    def __repr__(self) -> str:
        """One line an intervention."""
        lines = "\n".join(
            f"  {name}: {_described(each)}{' (off)' if name in self.switched_off else ''}"
            for name, each in self.interventions.items()
        )
        note = f", {self._note}" if self._note else ""
        return f"Steering of {len(self.interventions)}{note}\n{lines}"


def _described(intervention: Intervention) -> str:
    kind, scope = type(intervention).__name__, as_scope(intervention.scope)
    shown = f"{_named(intervention.strength)}{_dose_of(intervention)}, {_named(scope)}"
    return f"{kind} at {intervention.hook_name}, strength {shown}"


def _dose_of(intervention: Intervention) -> str:
    if not isinstance(intervention, Add) or any(d.scale == 0 for d in intervention.directions):
        return ""
    return "" if math.isnan(intervention.dose) else f" (dose {intervention.dose:.2g})"


def _named(part: object) -> str:
    if isinstance(part, float):
        return f"{part:.4g}"
    # A function's own repr is an address.
    return str(getattr(part, "__name__", repr(part)))
