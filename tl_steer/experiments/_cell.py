"""Cell: one setting of an experiment, and its key."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tl_steer.directions import AnyDirection, LayerRun
from tl_steer.experiments._content import digest
from tl_steer.files.stored_names import stored_as
from tl_steer.generation import Sampling
from tl_steer.lens.protocol import SteerableModel
from tl_steer.lens.tokens import Chat, TokenIds, tokenize
from tl_steer.scopes import Scope
from tl_steer.steering import Steering, along

NONE = "none"
"""The direction of the cells in which nothing is done."""


@stored_as("PromptSet")
@dataclass(frozen=True, eq=False)
class PromptSet:
    """Prompts under a name, and how they are turned into tokens."""

    name: str
    prompts: tuple[str, ...]
    chat: Chat | None = None
    prepend_bos: bool | None = None
    before: str = ""
    """Text that is read before each prompt, such as an instruction in place of a vector."""

    @property
    def read(self) -> tuple[str, ...]:
        """What the model reads."""
        return tuple(self.before + prompt for prompt in self.prompts)

    def tokens(self, model: SteerableModel) -> list[TokenIds]:
        """Tokens of the prompts alone."""
        return tokenize(model, self.prompts, prepend_bos=self.prepend_bos, chat=self.chat)

    def read_tokens(self, model: SteerableModel) -> list[TokenIds]:
        """Tokens of what the model reads."""
        return tokenize(model, self.read, prepend_bos=self.prepend_bos, chat=self.chat)


@dataclass(frozen=True, eq=False)
class Cell:
    """One setting: a direction at a strength in a scope, on some prompts, with one seed."""

    name: str
    """What the direction is called."""

    direction: AnyDirection | None
    """``None`` where nothing is added."""

    strength: float
    scope_name: str
    scope: Scope
    prompts: PromptSet
    sampling: Sampling
    """With the seed of this cell."""

    @property
    def settings(self) -> dict[str, Any]:
        """The columns that say which cell a row belongs to."""
        direction = self.direction
        dose = 0.0 if direction is None or direction.scale == 0 else direction.dose(self.strength)
        return {
            "direction": self.name,
            "hook_name": "" if direction is None else direction.hook_name,
            "layer": -1 if direction is None else direction.layer,
            "strength": self.strength,
            "dose": -dose if self.strength < 0 else dose,
            "scope": self.scope_name,
            "prompts": self.prompts.name,
            "seed": self.sampling.seed,
        }

    @property
    def label(self) -> str:
        """The setting in one line."""
        if self.direction is None:
            return self.name
        place = f"{self.direction.hook_name}, {self.scope_name}"
        return f"{self.name} × {self.strength:.4g} ({place})"

    @cached_property
    def steering(self) -> Steering | None:
        """What is done."""
        if self.direction is None:
            return None
        return along(self.direction, self.strength, scope=self.scope)

    def key(self, shared: str) -> str:
        """Name this cell by its content: the same settings have the same key, and only they.

        Args:
            shared: What stands for all that the cells of a sweep have in common.

        Raises:
            SteerError: For a scope without a content of its own, such as a lambda.
        """
        direction = self.direction
        if direction is None:
            return digest((shared, self.prompts, self.sampling))
        # What things are called does nothing, but it is kept in the cell's file.
        names = (self.name, self.scope_name)
        vectors = (
            [each.vector for each in direction.parts]
            if isinstance(direction, LayerRun)
            else direction.vector
        )
        does = (vectors, direction.hook_name, float(self.strength), self.scope)
        return digest((shared, self.prompts, self.sampling, names, does))
