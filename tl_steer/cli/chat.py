"""A conversation with a model, beside the same one steered, and a dial for every direction."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tl_steer.cli.own import direction_of
from tl_steer.directions import Direction
from tl_steer.errors import SteerError
from tl_steer.generation import Sampling, compare
from tl_steer.interventions import Add
from tl_steer.lens.chat_template import Turn, as_chat
from tl_steer.lens.protocol import SteerableModel
from tl_steer.steering import Steering

COMMANDS = ("help", "off", "undo", "quit")
UNSTEERED, STEERED = "unsteered", "steered"
HELP = """\
Say something, and both answers are shown; the conversation goes on from the steered one.
  {dial}   add so much of a direction, as a share of the activations' norm; 0 takes it off
  {off}   take all of them off
  {undo}   forget the last turn
  {quit}   end (Ctrl-D does, too)"""


def help_for(directions: Mapping[str, Direction]) -> str:
    """What can be said, with the first direction as an example."""
    dial = f"/{next(iter(directions))} 0.3"
    width = max(len(dial), len("/undo"))
    words = {"dial": dial, "off": "/off", "undo": "/undo", "quit": "/quit"}
    return HELP.format(**{name: word.ljust(width) for name, word in words.items()})


def named_directions(files: list[Path], layer: int | None) -> dict[str, Direction]:
    """Read directions, each under its file's name.

    Raises:
        SteerError: For files that are none of ours, for two of one name, and for a name that cannot
            be said as a command.
    """
    for file in files:
        if file.stem in COMMANDS or len(file.stem.split()) != 1:
            raise SteerError(f"{file}: its name is its dial, and /{file.stem} is none; rename it.")
    found = {file.stem: direction_of(file, layer) for file in files}
    if len(found) < len(files):
        raise SteerError("two files have one name, and each is a dial by its name; rename one.")
    return found


@dataclass
class Conversation:
    """What was said, and how the dials stand."""

    model: SteerableModel
    directions: Mapping[str, Direction]
    sampling: Sampling
    doses: dict[str, float] = field(default_factory=dict)
    turns: list[Turn] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Refuse directions of another model, and one that cannot be talked with."""
        Steering(*map(Add, self.directions.values())).check_fits(self.model)
        as_chat(self.model, [("user", "Hello")], begin_answer=True)

    @property
    def dials(self) -> str:
        """How the dials stand, in a line."""
        return "  ".join(f"{name} {self.doses.get(name, 0.0):+g}" for name in self.directions)

    @property
    def steering(self) -> Steering | None:
        """What the dials say; ``None`` where all of them are off."""
        acting: dict[str, Any] = {
            name: Add(self.directions[name], dose=dose) for name, dose in self.doses.items() if dose
        }
        return Steering(**acting) if acting else None

    def answer(self, said: str) -> str:
        """Do what a command says, or answer; what is to be shown comes back.

        Raises:
            SteerError: For a command that there is not, and what cannot be written.
        """
        if said.startswith("/"):
            return self._command(*said[1:].split())
        turns = [*self.turns, ("user", said)]
        steering = self.steering
        conditions = {UNSTEERED: None} if steering is None else {UNSTEERED: None, STEERED: steering}
        found = compare(
            self.model,
            as_chat(self.model, turns, begin_answer=True),
            conditions,
            self.sampling,
            prepend_bos=False,
            progress=False,
        )
        texts = dict(zip(found.frame["condition"], found.frame["text"], strict=True))
        self.turns = [*turns, ("assistant", texts[UNSTEERED if steering is None else STEERED])]
        return "\n".join(f"{name:>9} │ {text.strip()}" for name, text in texts.items())

    def _command(self, name: str = "help", dose: str = "", *more: str) -> str:
        if name == "help":
            return help_for(self.directions)
        if name == "off":
            self.doses = {}
            return self.dials
        if name == "undo":
            self.turns = self.turns[:-2]
            left = len(self.turns) // 2
            return f"{left} turn{'s' * (left != 1)} left"
        if name not in self.directions or more:
            there = ", ".join(f"/{each} DOSE" for each in self.directions)
            raise SteerError(f"/{name}: there are {there}, /off, /undo, /help and /quit.")
        try:
            Add(self.directions[name], dose=float(dose))
        except ValueError as error:
            raise SteerError(f"/{name} {dose}: a number is wanted, such as 0.3.") from error
        self.doses = {**self.doses, name: float(dose)}
        return self.dials


def talk(conversation: Conversation) -> None:
    """Ask and answer in the terminal until the end is asked for."""
    print(help_for(conversation.directions))
    while True:
        try:
            said = input("> ").strip()
        except EOFError:
            return
        if said == "/quit":
            return
        if said:
            try:
                print(conversation.answer(said))
            except SteerError as error:
                print(error)
