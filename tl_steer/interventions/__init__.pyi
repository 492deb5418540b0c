"""What the room has for users, in `__all__`, and for other rooms; loaded when first used."""

from ._ablate import Ablate
from ._add import Add
from ._affine_edit import AffineEdit, affine_edit
from ._custom import Custom
from ._doses import warn_if_large as warn_if_large
from ._emphasize import AtLeast, Emphasize, Rescale
from ._erase import Erase
from ._fields import (
    check_fits as check_fits,
    n_rows as n_rows,
    needs_context as needs_context,
    require_sound as require_sound,
    rows as rows,
    with_strength as with_strength,
    wrapped as wrapped,
)
from ._guarded import edit_of as edit_of
from ._heads import OnHeads
from ._keep_norm import KeepNorm
from ._protocol import (
    Edit as Edit,
    Intervention,
    instead_of_intervention as instead_of_intervention,
)
from ._replace import Replace
from ._rotate import Rotate
from ._scale_along import ScaleAlong
from ._set_projection import SetProjection
from ._slerp import Slerp
from ._steer_conceptor import ApplyConceptor
from ._transport import ApplyTransport

__all__ = [
    "Ablate",
    "Add",
    "AffineEdit",
    "ApplyConceptor",
    "ApplyTransport",
    "AtLeast",
    "Custom",
    "Emphasize",
    "Erase",
    "Intervention",
    "KeepNorm",
    "OnHeads",
    "Replace",
    "Rescale",
    "Rotate",
    "ScaleAlong",
    "SetProjection",
    "Slerp",
    "affine_edit",
]
