"""What the room has for users, in `__all__`, and for other rooms; loaded when first used."""

from ._class_means import negative_mean, positive_mean
from ._conceptor import ClassConceptors, Conceptor, conceptors
from ._direction import Direction
from ._directions import Directions
from ._expected import require_directions as require_directions
from ._head_selection import head_probes, scaled_by_std, select_heads
from ._instead import are_directions as are_directions, instead_of_direction as instead_of_direction
from ._layer_run import AnyDirection as AnyDirection, LayerRun, run_of as run_of
from ._leace import LeaceEraser, leace
from ._logistic_probe import logistic_probe
from ._mean_centring import mean_centring
from ._mean_difference import differences as differences, mean_difference
from ._measured import DominatedDirectionWarning, measured
from ._paired_difference import paired_differences
from ._principal_component import paired_principal_component, principal_component
from ._provenance import Provenance as Provenance
from ._requirements import require_contrast, require_finite as require_finite
from ._sums import orthogonalised
from ._transport import TransportMap, linear_transport, require_support as require_support
from ._whitened_mean_difference import whitened_mean_difference

__all__ = [
    "ClassConceptors",
    "Conceptor",
    "Direction",
    "Directions",
    "DominatedDirectionWarning",
    "LayerRun",
    "LeaceEraser",
    "TransportMap",
    "conceptors",
    "head_probes",
    "leace",
    "linear_transport",
    "logistic_probe",
    "mean_centring",
    "mean_difference",
    "measured",
    "negative_mean",
    "orthogonalised",
    "paired_differences",
    "paired_principal_component",
    "positive_mean",
    "principal_component",
    "require_contrast",
    "scaled_by_std",
    "select_heads",
    "whitened_mean_difference",
]
