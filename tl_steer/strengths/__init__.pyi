"""What the room has for users, in `__all__`, and for other rooms; loaded when first used."""

from ._attention_share import AttentionShare
from ._dose import Dose
from ._ellipsoid import AveragesWarning, Ellipsoid
from ._hold_projection import HoldProjection
from ._in_distribution import WithinDistribution
from ._multiply import Multiply
from ._probe_gated import ProbeGated
from ._schedules import ByIndex, ExponentialDecay, FirstTokens, LinearDecay, WarmUp
from ._strength import (
    Numbers as Numbers,
    Strength,
    StrengthFunction as StrengthFunction,
    as_strength as as_strength,
    chosen_rows as chosen_rows,
    evaluated as evaluated,
    require_rows as require_rows,
    rows_of as rows_of,
)

__all__ = [
    "AttentionShare",
    "AveragesWarning",
    "ByIndex",
    "Dose",
    "Ellipsoid",
    "ExponentialDecay",
    "FirstTokens",
    "HoldProjection",
    "LinearDecay",
    "Multiply",
    "ProbeGated",
    "Strength",
    "WarmUp",
    "WithinDistribution",
]
