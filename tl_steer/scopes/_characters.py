"""Characters of the prompt, from one to another."""

from dataclasses import dataclass

from tl_steer.arguments import checked
from tl_steer.files.stored_names import stored_as
from tl_steer.lens.context import Context
from tl_steer.scopes._given import bounds
from tl_steer.scopes._text import View, own_tokens
from tl_steer.shapes import TokenMask


@stored_as("Characters")
@checked
@dataclass(frozen=True)
class Characters:
    """Tokens of the prompt that hold characters from ``start`` to before ``stop``.

    As in a slice of the prompt's text, a negative bound counts from its end. A beginning-of-text
    token that stands first does not count; other special tokens do, as they are written.

    Raises:
        SteerError: For what are no whole numbers, and for bounds with nothing between.
    """

    start: int | None = 0
    """``None`` for the beginning, as in a slice."""

    stop: int | None = None

    def __post_init__(self) -> None:
        """Refuse bounds that enclose nothing."""
        start, stop = bounds(self.start, self.stop, "Characters")
        object.__setattr__(self, "start", start)
        object.__setattr__(self, "stop", stop)

    def __call__(self, context: Context) -> TokenMask:
        """Mark the tokens of this pass."""
        return own_tokens(context, self.columns)

    def columns(self, view: View) -> range:
        """Find the columns to be marked in what is known of a text."""
        length = view.prompt_end - view.bos
        start, stop, _ = slice(self.start, self.stop).indices(length)
        return view.overlapping((view.bos + start, view.bos + stop))
