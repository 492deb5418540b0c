"""How the dials of a playground stand, as a value."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tl_steer.directions import Direction
from tl_steer.generation import Sampling
from tl_steer.interventions import Add
from tl_steer.lens.tokens import Chat
from tl_steer.scopes import Scope, everywhere, generated, last_prompt_token, prompt
from tl_steer.steering import Steering

SCOPES: Mapping[str, Scope] = {
    "everywhere": everywhere,
    "prompt": prompt,
    "generated": generated,
    "last_prompt_token": last_prompt_token,
}


@dataclass(frozen=True)
class Settings:
    """Everything that decides what is written."""

    prompt: str = ""

    doses: Mapping[str, float] = field(default_factory=dict)
    """By the direction's name, as a share of the norm of the activations."""

    off: frozenset[str] = frozenset()
    """Directions that are switched off, whatever their dose."""

    scope: str = "everywhere"
    """``everywhere``, ``prompt``, ``generated`` or ``last_prompt_token``."""

    chat: bool = False
    """Whether the prompt is the user's turn in the tokenizer's chat template."""

    sampling: Sampling = field(default_factory=lambda: Sampling(temperature=0.8))

    @property
    def acting(self) -> dict[str, float]:
        """The doses that do something."""
        return {name: dose for name, dose in self.doses.items() if dose and name not in self.off}

    @property
    def template(self) -> Chat | None:
        """The chat template, where the prompt goes into it."""
        return Chat() if self.chat else None

    def steering(self, directions: Mapping[str, Direction]) -> Steering | None:
        """What the dials say; ``None`` where all of them are off."""
        scope = SCOPES[self.scope]
        named = {
            name: Add(directions[name], dose=dose, scope=scope)
            for name, dose in self.acting.items()
        }
        return Steering(**named) if named else None

    def code(self) -> str:
        """Lines that write the same texts, given ``ts``, ``model`` and ``directions``."""
        scope = "" if self.scope == "everywhere" else f", scope=ts.{self.scope}"
        added = [
            f"    {name!r}: ts.Add(directions[{name!r}], dose={dose:g}{scope}),\n"
            for name, dose in self.acting.items()
        ]
        settings = {
            "max_new_tokens": self.sampling.max_new_tokens,
            "temperature": self.sampling.temperature,
            "seed": self.sampling.seed,
        }
        said = ", ".join(f"{name}={value!r}" for name, value in settings.items())
        chat = ", chat=ts.Chat()" if self.chat else ""
        if not added:
            return f"print(ts.generate(model, {self.prompt!r}, {said}{chat}))"
        return (
            f"steering = ts.Steering(**{{\n{''.join(added)}}})\n"
            f"print(ts.compare(model, {self.prompt!r}, steering, {said}{chat}))"
        )
