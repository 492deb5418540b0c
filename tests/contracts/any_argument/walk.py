"""Give every parameter of every public function everything, and write down what happens.

``python walk.py FILE [NAME ...]`` walks the whole public surface, or the callables and rooms that
are named, as somebody's program would: without the check of annotations that tests run with. With
``WHOLE=1`` the model runs; otherwise a call that comes that far ends there.
"""

import json
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any
from zlib import crc32

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2] / "reports"))
sys.path.insert(0, str(Path(__file__).parents[2] / "people"))

import matplotlib.pyplot as plt
from any_argument.fitting import fits
from any_argument.hostile import HOSTILE
from any_argument.surface import Call, calls
from any_argument.world import World

import tl_steer as ts

ODD_BUT_WANTED: dict[tuple[str, str], set[str]] = {}
"""What the annotation does not tell."""

PART = 6
"""Every so many-th value is given to a parameter."""

SECONDS = 20
"""Of the processor's time, after which a call is said to hang."""


class ModelRunsError(BaseException):
    """The model was about to run; no `Exception`, so that nobody takes it for an error."""


class HangsError(BaseException):
    """A call came to no end."""


@dataclass(frozen=True)
class Tried:
    """One call, and what came of it."""

    name: str
    """The callable."""

    parameter: str
    """Empty where all arguments were good."""

    given: str
    outcome: str
    """``accepted``; ``ran``: accepted, and the model was about to run; ``refused`` before it ran;
    ``late``: refused after it ran; ``raw``: any other error than a SteerError; ``odd``: accepted,
    though nobody would expect it."""

    said: str = ""


class Passes:
    """Counts the passes of a model, and ends a call at the first one."""

    def __init__(self, model: Any, *, run: bool) -> None:
        self.number = 0
        self.may_run = True
        self._run = run
        model.original_model.register_forward_pre_hook(self._count)

    def _count(self, *_: Any) -> None:
        self.number += 1
        if not self.may_run:
            raise ModelRunsError

    @contextmanager
    def counted(self) -> Iterator[None]:
        self.number, self.may_run = 0, self._run
        signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            self.may_run = True


def walked(world: World, passes: Passes, names: set[str]) -> Iterator[Tried]:
    for call in calls(world):
        if names and not names & {call.name, call.name.split(".")[0], call.room}:
            continue
        if call.parameters:
            yield good(call)
        for parameter in call.parameters:
            expected = fits(call.annotations[parameter], world) | ODD_BUT_WANTED.get(
                (call.name, parameter), set()
            )
            for given, make in HOSTILE.items():
                if not chosen(call.name, parameter, given):
                    continue
                value = make(world)
                with passes.counted():
                    outcome, said = tried(call, parameter, value, passes)
                if outcome in ("accepted", "ran") and given not in expected:
                    outcome = "odd"
                yield Tried(call.name, parameter, given, outcome, said)
        plt.close("all")


def chosen(*names: str) -> bool:
    """Whether this is in the part that is tried: the same one every time, and on every machine."""
    return "EVERY" in os.environ or not crc32(" ".join(names).encode()) % PART


def good(call: Call) -> Tried:
    try:
        call()
    except Exception as error:
        return Tried(call.name, "", "good arguments", "raw", f"{type(error).__name__}: {error}")
    return Tried(call.name, "", "good arguments", "accepted")


def tried(call: Call, parameter: str, value: Any, passes: Passes) -> tuple[str, str]:
    try:
        call(**call.with_hostile(parameter, value))
    except ts.SteerError as error:
        return "late" if passes.number else "refused", f"{type(error).__name__}: {error}"
    except ModelRunsError:
        return "ran", ""
    except (Exception, HangsError) as error:
        said = f"{type(error).__name__}: {error}"
        # What somebody's own function raises is theirs.
        return "accepted" if raised_in(error, value) else "raw", said
    return "accepted", ""


def raised_in(error: BaseException, value: Any) -> bool:
    """Whether an error comes out of a function that was given."""
    if not callable(value):
        return False
    own = {id(each.__code__) for each in functions_of(value) if hasattr(each, "__code__")}
    trace = error.__traceback__
    while trace is not None:
        if id(trace.tb_frame.f_code) in own:
            return True
        trace = trace.tb_next
    return False


def functions_of(value: Any) -> list[Any]:
    return [value, getattr(value, "__wrapped__", value), type(value).__call__]


def hang(number: int, frame: FrameType | None) -> None:
    raise HangsError(f"over {SECONDS} s")


def main(file: str, *names: str) -> None:
    signal.signal(signal.SIGVTALRM, hang)
    warnings.simplefilter("ignore")
    to = Path(file).resolve()
    with TemporaryDirectory() as folder:
        os.chdir(folder)  # a text that is taken for a path is written to
        world = World(Path(folder))
        # As small as the others: the real one takes seconds.
        sys.modules[ts.packaged_model.__module__].packaged_model_dir = lambda **_: world.checkpoint
        passes = Passes(world.model, run="WHOLE" in os.environ)
        found = [asdict(each) for each in walked(world, passes, set(names))]
        os.chdir("/")
    to.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
