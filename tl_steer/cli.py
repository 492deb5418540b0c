"""python -m tl_steer: what can be done without writing Python."""

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tl_steer.errors import SteerError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status (0 done, 1 refused, 130 interrupted)."""
    parsed = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        parsed.run(parsed)
    except SteerError as error:
        print(f"tl_steer: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("tl_steer: interrupted; no report was written.", file=sys.stderr)
        return 130
    return 0


def _demo(parsed: argparse.Namespace) -> None:
    # Imported here: --help has no need of them.
    if parsed.full:
        from tl_steer.demo.run import run
        from tl_steer.demo.settings import Settings

        run(Settings(output=parsed.output, device=parsed.device))
    else:
        from tl_steer.demo.first_look import first_look

        first_look(parsed.output, parsed.device)


def _estimators(parsed: argparse.Namespace) -> None:
    from tl_steer.demo.estimator_report import report_estimators

    report_estimators(parsed.output, device=parsed.device, quick=parsed.quick)


def _composed(parsed: argparse.Namespace) -> None:
    from tl_steer.demo.composed_report import report_composed

    report_composed(parsed.output, device=parsed.device, quick=parsed.quick)


def _causal(parsed: argparse.Namespace) -> None:
    from tl_steer.demo.causal_report import report_causal

    report_causal(parsed.output, device=parsed.device, quick=parsed.quick)


def _study(parsed: argparse.Namespace) -> None:
    from tl_steer.demo.film_study import report_film_study

    report_film_study(parsed.output, device=parsed.device, quick=parsed.quick)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tl_steer", description="Activation steering for TransformerLens models."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    demo = _command(
        commands,
        "demo",
        _demo,
        "tl_steer_demo",
        brief="a first look: a small real model, steered both ways, in about a minute",
        long=(
            "Take a direction from film reviews, add and subtract it while the model writes, and "
            "show what it writes then. The first run fetches the model and the reviews (106 MB); "
            "later ones need no network."
        ),
        quick=False,
    )
    demo.add_argument(
        "--full",
        action="store_true",
        help="the whole case study: choose layers and strength, and measure beside random "
        "directions",
    )
    _command(
        commands,
        "estimators",
        _estimators,
        "tl_steer_estimators",
        brief="the ways to find a direction, beside each other",
        long=(
            "Measure how near each estimator comes to a direction that was planted in a small "
            "model, and what directions of many kinds separate and steer on film reviews."
        ),
    )
    _command(
        commands,
        "composed",
        _composed,
        "tl_steer_composed",
        brief="several directions at once, and steering that knows when and where",
        long=(
            "Measure what sentiment and style do together, strengths that are given as needed, a "
            "gate that fires on negative reviews, and steering by attention to a keyword."
        ),
    )
    _command(
        commands,
        "causal",
        _causal,
        "tl_steer_causal",
        brief="where a property is carried, and whether steering there is better",
        long=(
            "Exchange activations between prompts about films that differ in one word, draw which "
            "layers, tokens and heads carry the difference, and steer there and elsewhere at the "
            "same change of the next token."
        ),
    )
    study = _command(
        commands,
        "study",
        _study,
        "tl_steer_study",
        brief="is it the direction? four estimators beside their controls, as a report",
        long=(
            "Choose where and how strongly on validation prompts, measure on neutral, negative and "
            "positive ones, and compare at equal KL with random directions, shuffled labels and an "
            "instruction. Run it again to go on where it was interrupted."
        ),
    )
    study.add_argument("subject", choices=["sentiment"], help="what is steered")
    return parser


def _command(
    commands: Any,
    name: str,
    run: Callable[[argparse.Namespace], None],
    folder: str,
    *,
    brief: str,
    long: str,
    quick: bool = True,
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=brief, description=long)
    if quick:
        command.add_argument("--quick", action="store_true", help="a small version, to see it work")
    command.add_argument("--device", help="cpu, cuda, cuda:1 … (default: cuda where there is one)")
    command.add_argument(
        "--output",
        type=Path,
        default=Path(folder),
        help="folder for what is found (default: %(default)s)",
    )
    command.set_defaults(run=run)
    return command
