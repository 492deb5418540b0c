"""The options of the commands that measure, and what they come to."""

import argparse
from pathlib import Path
from typing import Any

JUDGES = ["sentiment", "vader", "formality"]
FOLDER = "folder for what is found (default: %(default)s)"


def sweep_options(sweep: argparse.ArgumentParser) -> None:
    """A file, prompts, and the doses."""
    sweep.add_argument("file", type=Path, help="what extract or Direction.save wrote")
    sweep.add_argument("prompts", nargs="*")
    sweep.add_argument("--layer", type=int, help="of a file with several (default: each by itself)")
    sweep.add_argument("--doses", nargs="+", type=float, default=[-0.2, -0.1, 0.1, 0.2])
    sweep.add_argument(
        "--judge", action="append", default=[], choices=JUDGES, help="who reads the texts; or more"
    )
    sweep.add_argument("--output", type=Path, help="folder for all texts; the same call goes on")
    _texts_written(sweep)


def study_options(study: argparse.ArgumentParser) -> None:
    """Texts of one's own, or a subject that there is."""
    study.add_argument(
        "subject",
        nargs="?",
        choices=["sentiment"],
        help="instead of texts of your own: four estimators, from film reviews",
    )
    study.add_argument("--positive", type=Path, help="texts that have the property, one a line")
    study.add_argument("--negative", type=Path, help="texts that lack it, one a line")
    study.add_argument(
        "--layers", nargs="+", type=int, help="to choose among (default: the middle)"
    )
    study.add_argument(
        "--judge",
        default="texts",
        choices=["texts", *JUDGES],
        help="who reads what is written; texts: a judge trained on a part of yours (default)",
    )
    study.add_argument("--both-ways", action="store_true", help="steer away from it, too")
    study.add_argument("--instruction", help="put before each prompt, to compare with")
    study.add_argument(
        "--kl", type=float, default=0.2, help="nats that it and its controls are compared at"
    )
    study.add_argument("--quick", action="store_true", help="a small version, to see it work")
    study.add_argument("--output", type=Path, default=Path("tl_steer_study"), help=FOLDER)
    study.set_defaults(refuse=study.error)
    _texts_written(study)


def require_subject(parsed: argparse.Namespace) -> None:
    """End with a sentence where it is not clear what is to be studied."""
    own = [parsed.positive, parsed.negative, parsed.prompts_file]
    if parsed.subject is not None and (any(own) or parsed.model != "packaged"):
        parsed.refuse(
            "sentiment has its own model and texts; leave --model, --positive, --negative and "
            "--prompts out"
        )
    if parsed.subject is None and not all(own):
        parsed.refuse("give --positive, --negative and --prompts, or sentiment")


def how(parsed: argparse.Namespace) -> dict[str, Any]:
    """How texts are drawn, and how the experiment is run."""
    from tl_steer.experiments import Run
    from tl_steer.generation import Sampling
    from tl_steer.lens.tokens import Chat

    sampling = Sampling(
        parsed.tokens,
        samples=parsed.samples,
        temperature=parsed.temperature,
        top_p=parsed.top_p,
        seed=parsed.seed,
    )
    chat = Chat() if parsed.chat else None
    return {"sampling": sampling, "run": Run(parsed.output, chat=chat, progress=not parsed.json)}


def _texts_written(command: argparse.ArgumentParser) -> None:
    command.add_argument("--prompts", dest="prompts_file", type=Path, help="file, one a line")
    command.add_argument("--chat", action="store_true", help="prompts are what a user says")
    command.add_argument("--tokens", type=int, default=20, help="of a text (%(default)s)")
    command.add_argument("--samples", type=int, default=2, help="of a prompt (%(default)s)")
    command.add_argument("--temperature", type=float, default=0.9, help="(%(default)s)")
    command.add_argument("--top-p", type=float, default=0.95, help="(%(default)s)")
    command.add_argument("--seed", type=int, default=0)
