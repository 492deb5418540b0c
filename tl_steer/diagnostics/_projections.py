"""A direction's projections at every token of a text, as a coloured strip."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tl_steer.activations import EveryToken, LeaveOut, capture
from tl_steer.arguments import checked
from tl_steer.directions import Direction
from tl_steer.errors import SteerError
from tl_steer.lens.pieces import pieces
from tl_steer.lens.protocol import SteerableModel, require_steerable
from tl_steer.lens.tokens import tokenize
from tl_steer.page.html import Piece, coloured_html

# Blue and vermilion of Okabe and Ito, over whatever colour the page has: at this strength both
# black and white letters keep a contrast of 4.5 to 1.
_UP, _DOWN = "213,94,0", "0,114,178"
_STRONGEST = 0.5


@checked
@dataclass(frozen=True, eq=False)
class TokenProjections:
    """``h·v̂`` at every token of one text, the first included; a notebook shows it in colours."""

    frame: pd.DataFrame
    """A row for each token: ``token`` (the text it covers), ``token_id``, ``projection``."""

    hook_name: str

    method: str
    """Where the direction came from."""

    around: float
    """The projection that is left without a colour."""

    def __repr__(self) -> str:
        """One line."""
        values = self.frame["projection"]
        return (
            f"TokenProjections({len(self.frame)} tokens at {self.hook_name}, "
            f"{values.min():.3g} to {values.max():.3g}, neutral at {self.around:.3g})"
        )

    @property
    def _reach(self) -> float:
        """Distance from neutral at which the colour is full.

        Over all tokens but the first, which is an attention sink in most models and would leave
        the others pale; what lies further out has the full colour too.
        """
        values = self.frame["projection"].to_numpy()
        return float(np.abs(values[1:] - self.around).max(initial=0)) or 1.0

    def _repr_html_(self) -> str:
        low, high = self.around - self._reach, self.around + self._reach
        scale = [
            Piece(f" {low:.3g} and less ", _colour(-1)),
            Piece(f" {self.around:.3g} ", _colour(0)),
            Piece(f" {high:.3g} and more ", _colour(1)),
        ]
        strip = [
            self._piece(token, value)
            for token, value in zip(self.frame["token"], self.frame["projection"], strict=True)
        ]
        where = f"h·v̂ at {self.hook_name}, {self.method}; point at a token for its number."
        return coloured_html(where, scale, strip)

    def _piece(self, token: str, value: float) -> Piece:
        tip = f"{token.strip() or repr(token)}: {value:.4g}"
        return Piece(token, _colour((value - self.around) / self._reach), tip)


@checked
def token_projections(
    model: SteerableModel,
    text: str,
    direction: Direction,
    *,
    around: float | None = None,
    prepend_bos: bool | None = None,
) -> TokenProjections:
    """Project every token of a text onto a direction, at the direction's hook point.

    Args:
        model: The one that the direction was read from.
        text: One text.
        direction: Its unit vector is projected onto.
        around: The projection that is to have no colour, such as the midpoint between the means of
            the classes; the median of the text's tokens by default.
        prepend_bos: Whether a beginning-of-text token comes first; ``None`` does what
            TransformerLens does with this model.

    Raises:
        MismatchError: For a direction of another model.
        DataError: For an empty text, or one that is longer than the context.
        NonFiniteError: For a zero direction, or activations that are not finite.
    """
    require_steerable(model)
    direction.check_fits(model)
    if around is not None and not np.isfinite(around):
        raise SteerError(f"around={around}: expected a finite projection, or None for the median.")
    name = direction.hook_name
    found = capture(
        model,
        [text],
        at=name,
        read=EveryToken(),
        leave_out=LeaveOut(bos=False, first=False, massive=None),
        prepend_bos=prepend_bos,
        progress=False,
    )
    along = found[name].flatten(1) @ direction.unit.vector.flatten()
    (row,) = tokenize(model, [text], prepend_bos=prepend_bos)
    values = along.tolist()
    return TokenProjections(
        pd.DataFrame({"token": pieces(model, text, row), "token_id": row, "projection": values}),
        name,
        direction.provenance.method,
        float(np.median(values[1:] or values)) if around is None else float(around),
    )


def _colour(strength: float) -> str:
    alpha = min(abs(strength), 1) * _STRONGEST
    return f"rgba({_UP if strength > 0 else _DOWN},{alpha:.2f})"
