"""What the room has for users, in `__all__`, and for other rooms; loaded when first used."""

from ._calibrate import calibrate
from ._calibration import Calibration
from ._constraints import Constraints
from ._control_conditions import Controls
from ._controls import against_controls, each_against_controls
from ._measures import Measures
from ._operating_point import OperatingPoint
from ._optuna_search import Optuna
from ._run import Run
from ._search import Search
from ._store import CellStore as CellStore, StoredCellWarning
from ._study import study
from ._sweep import sweep
from ._sweep_result import SweepResult

__all__ = [
    "Calibration",
    "Constraints",
    "Controls",
    "Measures",
    "OperatingPoint",
    "Optuna",
    "Run",
    "Search",
    "StoredCellWarning",
    "SweepResult",
    "against_controls",
    "calibrate",
    "each_against_controls",
    "study",
    "sweep",
]
