"""python -m tl_steer: what can be done without writing Python."""

import argparse
import json
import logging
import shlex
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tl_steer.cli.options import FOLDER, how, require_subject, study_options, sweep_options
from tl_steer.errors import SteerError

_BENCH_PARTS = ("writing", "reading", "sweeping", "entering")
"""What ``bench`` measures."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns:
        The exit status: 0 done, 1 refused, 3 a fault of tl_steer's own, 130 interrupted.
    """
    parsed = _parser().parse_args(arguments)
    parsed.said = shlex.join(["tl-steer", *(sys.argv[1:] if arguments is None else arguments)])
    # What this library says, and of others only their warnings.
    logging.basicConfig(format="%(message)s")
    logging.getLogger("tl_steer").setLevel(logging.INFO)
    try:
        parsed.run(parsed)
    except Exception as error:
        if parsed.debug:
            traceback.print_exc()
        refused = isinstance(error, SteerError)
        own = f"{type(error).__name__}: {error} (unexpected; --debug shows where it came from)"
        print(f"tl_steer: {error if refused else own}", file=sys.stderr)
        return 1 if refused else 3
    except KeyboardInterrupt:
        print("tl_steer: interrupted.", file=sys.stderr)
        return 130
    return 0


def _show(parsed: argparse.Namespace, found: Any) -> None:
    print(json.dumps(found.values, indent=2) if parsed.json else found.words)


def _extract(parsed: argparse.Namespace) -> None:
    from tl_steer.cli.models import model_of
    from tl_steer.cli.own import extract, texts_of

    texts = texts_of(parsed.files, text=parsed.text, label=parsed.label, positive=parsed.positive)
    model = model_of(parsed.model, parsed.device)
    _show(parsed, extract(model, texts, parsed.output, layer=parsed.layer, seed=parsed.seed))


def _steer(parsed: argparse.Namespace) -> None:
    from tl_steer.cli.models import model_of
    from tl_steer.cli.own import direction_of, steer_prompts

    direction = direction_of(parsed.file, parsed.layer)
    model = model_of(parsed.model, parsed.device)
    found = steer_prompts(
        model,
        direction,
        parsed.prompts,
        dose=parsed.dose,
        chat=parsed.chat,
        max_new_tokens=parsed.tokens,
        temperature=parsed.temperature,
        seed=parsed.seed,
    )
    _show(parsed, found)


def _chat(parsed: argparse.Namespace) -> None:
    from tl_steer.cli.chat import Conversation, named_directions, talk
    from tl_steer.cli.models import model_of
    from tl_steer.generation import Sampling

    directions = named_directions(parsed.files, parsed.layer)
    sampling = Sampling(parsed.tokens, temperature=parsed.temperature, seed=parsed.seed)
    talk(Conversation(model_of(parsed.model, parsed.device), directions, sampling))


def _sets(parsed: argparse.Namespace) -> None:
    from tl_steer.cli.own import known_sets

    _show(parsed, known_sets())


def _inspect(parsed: argparse.Namespace) -> None:
    from tl_steer.cli.own import inspect_file

    _show(parsed, inspect_file(parsed.file))


def _doctor(parsed: argparse.Namespace) -> None:
    from tl_steer.cli.doctor import doctor

    _show(parsed, doctor(with_model=not parsed.without_model))


def _bench(parsed: argparse.Namespace) -> None:
    from tl_steer.cli.bench import QUICK, WHOLE, bench

    found = bench(
        parsed.model,
        parsed.device,
        QUICK if parsed.quick else WHOLE,
        parts=parsed.parts,
        rounds=parsed.rounds,
        threads=parsed.threads,
        into=parsed.into,
    )
    _show(parsed, found)


def _demo(parsed: argparse.Namespace) -> None:
    # Imported here: --help has no need of them.
    if parsed.full:
        from tl_steer.demo.case_study import report_case_study

        report_case_study(parsed.output, device=parsed.device)
    else:
        from tl_steer.demo.first_look import first_look

        first_look(parsed.output, parsed.device)


def _sweep(parsed: argparse.Namespace) -> None:
    from tl_steer.cli.measured import prompts_of, sweep_file
    from tl_steer.cli.models import model_of

    prompts = prompts_of(parsed.prompts, parsed.prompts_file)
    found = sweep_file(
        model_of(parsed.model, parsed.device),
        parsed.file,
        prompts,
        layer=parsed.layer,
        doses=parsed.doses,
        judges=parsed.judge,
        **how(parsed),
    )
    _show(parsed, found)


def _study(parsed: argparse.Namespace) -> None:
    require_subject(parsed)
    if parsed.subject is not None:
        from tl_steer.demo.film_study import report_film_study

        report_film_study(parsed.output, device=parsed.device, quick=parsed.quick)
        return
    from tl_steer.cli.measured import Asked, prompts_of, study_texts
    from tl_steer.cli.models import model_of
    from tl_steer.cli.own import texts_of

    texts = texts_of([parsed.positive, parsed.negative], text="", label="", positive="")
    prompts = prompts_of((), parsed.prompts_file)
    asked = Asked(**{each.name: getattr(parsed, each.name) for each in fields(Asked)})
    model = model_of(parsed.model, parsed.device)
    _show(parsed, study_texts(model, texts, prompts, asked, **how(parsed)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tl_steer", description="Activation steering for TransformerLens models."
    )
    parser.add_argument("--version", action="version", version=f"tl_steer {version('tl_steer')}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _own_commands(commands)
    brief = "a first look: a small real model, steered both ways, in about a minute"
    long = (
        "Take a direction from film reviews, add and subtract it while the model writes, and show "
        "what it writes then. The first run fetches the model and the reviews (106 MB); later ones "
        "need no network."
    )
    demo: argparse.ArgumentParser = commands.add_parser("demo", help=brief, description=long)
    demo.set_defaults(run=_demo)
    demo.add_argument("--device", help="cpu, cuda, cuda:1 … (default: cuda where there is one)")
    demo.add_argument("--output", type=Path, default=Path("tl_steer_demo"), help=FOLDER)
    demo.add_argument("--debug", action="store_true", help="show where an error came from")
    demo.add_argument(
        "--full",
        action="store_true",
        help="the whole case study: choose layers and strength, and measure beside random "
        "directions",
    )
    return parser


def _own_commands(commands: Any) -> None:
    extract = _own(commands, "extract", _extract, "a direction from texts of your own")
    extract.add_argument(
        "files",
        nargs="+",
        type=Path,
        help="two text files with a text a line, those that have the property first; or one .csv "
        "or .jsonl file with labels",
    )
    extract.add_argument("-o", "--output", type=Path, default=Path("direction.safetensors"))
    extract.add_argument("--layer", type=int, help="default: chosen on a quarter of the texts")
    extract.add_argument("--text", default="text", help="the column of texts")
    extract.add_argument("--label", default="label", help="the column of labels")
    extract.add_argument("--positive", default="1", help="the label of texts with the property")
    extract.add_argument("--seed", type=int, default=0)
    steer = _own(commands, "steer", _steer, "what a model writes with a direction: -, 0 and +")
    steer.add_argument("file", type=Path, help="what extract or Direction.save wrote")
    steer.add_argument("prompts", nargs="+")
    steer.add_argument("--dose", type=float, default=0.25, help="share of the norm (%(default)s)")
    steer.add_argument("--layer", type=int, help="of a file with several directions")
    steer.add_argument("--chat", action="store_true", help="prompts are what a user says")
    steer.add_argument("--tokens", type=int, default=40, help="how many are written (%(default)s)")
    steer.add_argument("--temperature", type=float, default=0.0, help="0: the likeliest (default)")
    steer.add_argument("--seed", type=int, default=0)
    chat = _own(
        commands, "chat", _chat, "talk with a model, with a dial for every direction", json=False
    )
    chat.add_argument("files", nargs="+", type=Path, help="what extract or Direction.save wrote")
    chat.add_argument("--layer", type=int, help="of a file with several directions")
    chat.add_argument("--tokens", type=int, default=80, help="of an answer (%(default)s)")
    chat.add_argument("--temperature", type=float, default=0.0, help="0: the likeliest (default)")
    chat.add_argument("--seed", type=int, default=0)
    sweep_options(_own(commands, "sweep", _sweep, "what every dose of a direction does, and costs"))
    study = "does the direction of two files of texts steer? as a report"
    study_options(_own(commands, "study", _study, study))
    _own(commands, "sets", _sets, "the contrast sets that come with tl_steer", model=False)
    inspect = _own(
        commands, "inspect", _inspect, "what a file of directions has in it", model=False
    )
    inspect.add_argument("file", type=Path)
    doctor = _own(
        commands, "doctor", _doctor, "whether this installation does what it should", model=False
    )
    doctor.add_argument("--without-model", action="store_true", help="look at versions only")
    bench = _own(commands, "bench", _bench, "how fast it is here, beside plain transformers")
    bench.add_argument("--quick", action="store_true", help="less text: minutes, not an hour")
    bench.add_argument(
        "--parts",
        nargs="+",
        choices=_BENCH_PARTS,
        default=_BENCH_PARTS,
        help="what is measured (default: everything)",
    )
    bench.add_argument("--rounds", type=int, default=7, help="how often (default: %(default)s)")
    bench.add_argument("--threads", type=int, default=1, help="of the processor (%(default)s)")
    bench.add_argument("--into", type=Path, help="a Markdown file to write the table into")


def _own(
    commands: Any,
    name: str,
    run: Callable[[argparse.Namespace], None],
    brief: str,
    *,
    model: bool = True,
    json: bool = True,
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=brief, description=brief)
    if model:
        command.add_argument(
            "--model",
            default="packaged",
            help="a folder, or a name of the model hub (default: SmolLM2-135M-Instruct, packaged)",
        )
        command.add_argument("--device", help="cpu, cuda … (default: cuda where there is one)")
    if json:
        command.add_argument("--json", action="store_true", help="for programs to read")
    command.add_argument("--debug", action="store_true", help="show where an error came from")
    command.set_defaults(run=run)
    return command
