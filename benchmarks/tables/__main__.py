"""What the pages of the documentation show as measured: ``python -m benchmarks.tables NAME``."""

import argparse
import logging
from pathlib import Path

from benchmarks.tables.causal_report import report_causal
from benchmarks.tables.composed_report import report_composed
from benchmarks.tables.estimator_report import report_estimators
from benchmarks.tables.peers import report_peers

REPORTS = {
    "estimators": report_estimators,
    "composed": report_composed,
    "causal": report_causal,
    "peers": report_peers,
}


def main(arguments: list[str] | None = None) -> None:
    """Measure one of them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tables", description=__doc__)
    parser.add_argument("name", choices=REPORTS)
    parser.add_argument("--quick", action="store_true", help="a small version, to see it work")
    parser.add_argument("--device", help="default: cuda where there is one")
    parser.add_argument("--output", type=Path, help="a folder; default: tl_steer_NAME")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    folder = given.output or Path(f"tl_steer_{given.name}")
    REPORTS[given.name](folder, device=given.device, quick=given.quick)


if __name__ == "__main__":
    main()
