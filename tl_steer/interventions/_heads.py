"""Any intervention, on some attention heads."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from torch import Tensor

from tl_steer.arguments import checked
from tl_steer.directions import Conceptor, Direction, LeaceEraser, TransportMap
from tl_steer.errors import MismatchError
from tl_steer.interventions._guarded import edit_of
from tl_steer.interventions._protocol import Edit, Intervention
from tl_steer.lens.context import Context
from tl_steer.lens.hook_names import site_of, site_shape
from tl_steer.lens.protocol import SteerableModel
from tl_steer.scopes import Scope
from tl_steer.strengths import Strength

_SITES = ("attn.hook_z", "attn.hook_q", "attn.hook_k", "attn.hook_v")


@checked
@dataclass(frozen=True, eq=False)
class OnHeads:
    """Let another intervention act on some attention heads separately.

    The heads at ``attn.hook_z`` are separate vectors of ``d_head`` numbers. Each chosen head is
    changed as if it were the whole hook point, with its own part of the directions: projections,
    norms and angles are those of the head. The other heads stay bit-identical. Without ``OnHeads``,
    an intervention treats all heads as one vector; ``select_heads(direction, heads)`` restricts
    that vector to some of them.

    The function of a :class:`Custom` gets one head at a time, ``batch pos d_head``. A value or
    point given as a number holds for each head.

    Raises:
        MismatchError: At hook points without heads, for no head or one given twice, and for what
            was fitted on all heads together: ``Erase``, ``ApplyConceptor``.
        NonFiniteError: For a direction that is zero in one of the heads, where its unit vector is
            needed.
    """

    intervention: Intervention
    """The wrapped one; its strength, scope and hook point are used."""

    heads: Sequence[int]
    """Numbers of the heads, from 0."""

    def __post_init__(self) -> None:
        """Check what can be checked without a model."""
        heads = tuple(self.heads)
        object.__setattr__(self, "heads", heads)
        if site_of(self.hook_name) not in _SITES:
            raise MismatchError(
                f"{self.hook_name} has no heads. OnHeads acts at {', '.join(_SITES)}."
            )
        if not heads or len(set(heads)) < len(heads) or min(heads) < 0:
            raise MismatchError(
                f"{self.hook_name}: heads={list(heads)}: expected numbers of heads, from 0, each "
                "once."
            )
        for head in heads:
            _of_head(self.intervention, head, self.hook_name)

    @property
    def hook_name(self) -> str:
        """Where it acts."""
        return self.intervention.hook_name

    @property
    def strength(self) -> Strength:
        """The strength of what it wraps."""
        return self.intervention.strength

    @property
    def scope(self) -> Scope | slice:
        """Which tokens."""
        return self.intervention.scope

    def check_fits(self, model: SteerableModel) -> None:
        """Refuse heads that the model lacks.

        Raises:
            MismatchError: Saying what differs.
        """
        n_heads = site_shape(model, self.hook_name)[0]
        if max(self.heads) >= n_heads:
            raise MismatchError(
                f"{self.hook_name}: no head {max(self.heads)}; this model has heads 0 to "
                f"{n_heads - 1}."
            )

    def edit(self) -> Edit:
        """Prepare the wrapped map for each head."""
        edits = {
            head: edit_of(_of_head(self.intervention, head, self.hook_name)) for head in self.heads
        }

        def on_heads(acts: Tensor, strength: Tensor, context: Context | None) -> Tensor:
            edited = acts.clone()
            for head, edit in edits.items():
                edited[:, :, head] = edit(acts[:, :, head], strength, context)
            return edited

        return on_heads


def _of_head(value: Any, head: int, name: str) -> Any:
    """Reduce the parts of an intervention to one head."""
    if isinstance(value, Direction):
        if head >= len(value.vector) or value.vector.ndim != 2:
            raise MismatchError(
                f"{name}: no head {head} in a direction of shape {tuple(value.vector.shape)}."
            )
        return replace(value, vector=value.vector[head])
    if isinstance(value, TransportMap):
        units = {each: getattr(value, each)[head] for each in ("slope", "intercept", "low", "high")}
        return replace(value, direction=_of_head(value.direction, head, name), **units)
    if isinstance(value, LeaceEraser | Conceptor):
        raise MismatchError(
            f"{name}: this {type(value).__name__} was fitted on all heads together and cannot act "
            "on one."
        )
    if isinstance(value, list | tuple) and all(isinstance(each, Direction) for each in value):
        return tuple(_of_head(each, head, name) for each in value)
    if is_dataclass(value) and isinstance(value, Intervention):
        parts = {each.name: getattr(value, each.name) for each in fields(value) if each.init}
        return replace(value, **{key: _of_head(part, head, name) for key, part in parts.items()})
    return value
