"""How fast steering is here, as ratios within one run: ``tl-steer bench``."""

from tl_steer.cli.bench.running import bench
from tl_steer.cli.bench.sizes import QUICK, WHOLE, Sizes

__all__ = ["QUICK", "WHOLE", "Sizes", "bench"]
