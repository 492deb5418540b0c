"""A conversation of dials and texts: what is written as they stand, and the way back."""

from collections.abc import Callable, Mapping
from threading import Event, Thread

from tl_steer.directions import Direction
from tl_steer.errors import SteerError
from tl_steer.generation import Generations, compare, stream
from tl_steer.lens.protocol import SteerableModel
from tl_steer.notebook._settings import Settings

UNSTEERED, STEERED = "unsteered", "steered"


class Cancelled(Exception):  # noqa: N818, what the reader asked for is no error
    """Raised where the next token would be written."""


class Session:
    """What is behind the dials, without a notebook."""

    def __init__(
        self, model: SteerableModel, directions: Mapping[str, Direction], settings: Settings
    ) -> None:
        self.model = model
        self.directions = directions
        self.settings = settings
        """How the dials stand; assign another to turn them."""
        self.written: list[tuple[Settings, Generations]] = []
        """What was written so far, each with its settings; the last is what is shown."""
        self._thread: Thread | None = None
        self._cancelled = Event()

    @property
    def code(self) -> str:
        """Lines that write the same texts, given ``ts``, ``model`` and ``directions``."""
        return self.settings.code()

    @property
    def writing(self) -> bool:
        """Whether something is being written."""
        return self._thread is not None and self._thread.is_alive()

    def write(self, listen: Callable[[dict[str, list[str]]], None] | None = None) -> Generations:
        """Write with and without what the dials say, and keep it.

        Args:
            listen: Is given the texts after every token.

        Raises:
            SteerError: As :func:`~tl_steer.compare`.
        """
        now = self.settings
        steering = now.steering(self.directions)
        conditions = {UNSTEERED: None} if steering is None else {UNSTEERED: None, STEERED: steering}
        chat = now.template
        if listen is None:
            found = compare(
                self.model, now.prompt, conditions, now.sampling, chat=chat, progress=False
            )
        else:
            found = stream(self.model, now.prompt, conditions, listen, now.sampling, chat=chat)
        self.written.append((now, found))
        return found

    def undo(self) -> Generations | None:
        """Go back to the settings before, and to what they wrote; ``None`` at the beginning."""
        if len(self.written) > 1:
            self.written.pop()
            self.settings = self.written[-1][0]
        return self.written[-1][1] if self.written else None

    def begin(
        self,
        listen: Callable[[dict[str, list[str]]], None],
        done: Callable[[Generations | BaseException], None],
    ) -> None:
        """Write in a thread of its own, so that a notebook's buttons can be pressed meanwhile.

        Args:
            listen: Is given the texts after every token.
            done: Is given what was written, or why it was not.
        """
        if self.writing:
            return
        self._cancelled.clear()

        def unless_cancelled(texts: dict[str, list[str]]) -> None:
            if self._cancelled.is_set():
                raise Cancelled
            listen(texts)

        def work() -> None:
            try:
                done(self.write(unless_cancelled))
            except (Cancelled, SteerError) as ended:
                done(ended)

        self._thread = Thread(target=work, name="playground", daemon=True)
        self._thread.start()

    def cancel(self) -> None:
        """End what is being written, at the next token."""
        self._cancelled.set()

    def wait(self) -> None:
        """Until what is being written is there."""
        if self._thread is not None:
            self._thread.join()
