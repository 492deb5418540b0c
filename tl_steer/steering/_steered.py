"""A model that is steered for the length of a block."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from tl_steer.arguments import checked
from tl_steer.errors import SteerError
from tl_steer.lens.holding import hold
from tl_steer.lens.hook_points import Attached, attach, points
from tl_steer.lens.kept_cache import keep_cache
from tl_steer.lens.paths import model_of
from tl_steer.lens.protocol import Host
from tl_steer.lens.reads_padding import refuse_padding
from tl_steer.lens.timeline import Timeline
from tl_steer.steering._given import SteeringLike, as_steering
from tl_steer.steering._hooks import Board, what_is_read
from tl_steer.steering._steering import PromptLengths, Steering
from tl_steer.steering._unmarked import Marked
from tl_steer.steering._watched import Watch
from tl_steer.strengths import Strength


@checked
class Steered:
    """A model that is steered between entering and leaving a block; made by :func:`steer`.

    Without a block, in a notebook for example, call :meth:`start`, and :meth:`remove` at the end.
    Switches and strengths may change at any time, also in the middle of a text.
    """

    def __init__(
        self,
        model: Host,
        steering: Steering,
        prompt_lengths: PromptLengths = None,
        *,
        marked: Marked | None = None,
        watch: Watch | None = None,
    ) -> None:
        """Check everything; touch nothing yet.

        Args:
            model: Any TransformerLens model, or what runs in its place.
            steering: What to do.
            prompt_lengths: Tokens of each row that count as the prompt.
            marked: Takes down whether scopes mark anything, for somebody who will ask; by default
                the block itself does, and warns at its end.
            watch: Who is shown what is done.
        """
        steering.check_fits(model_of(model))
        self.model = model_of(model)
        self._host = model
        self.steering = steering
        self._prompt_lengths = prompt_lengths
        self._attached: list[Attached] = []
        self._cache = ExitStack()
        self._timeline: Timeline | None = None
        self._board: Board | None = None
        self._reads: tuple[str, ...] = ()
        self._let_go: Callable[[], None] | None = None
        self._marked = Marked() if marked is None else marked
        self._warns = marked is None
        self._watch = watch

    def start(self) -> "Steered":
        """Attach the hooks; they stay until :meth:`remove`.

        Raises:
            SteerError: When this block is entered already, or another thread or task has the model.
        """
        if self._board is not None:
            raise SteerError("This block is already entered. Make another with steer(…).")
        let_go = hold(self.model)
        try:
            self._start()
        except BaseException:
            self._take_off()
            let_go()
            raise
        self._let_go = let_go
        return self

    def _start(self) -> None:
        # Switched-off interventions have their hooks too, so that they can be switched on.
        everything = self.steering.on(*self.steering.interventions)
        board = Board(self._host, self.steering.interventions, self._marked, self._watch)
        board.show(self.steering.acting)
        self._board = board
        self._cache = keep_cache(self._host)
        guard = refuse_padding(self.model, self._host)
        if guard is not None:
            self._cache.callback(guard.remove)
        self._timeline = everything.timeline(self._prompt_lengths, around=self._warns)
        if self._timeline is not None:
            self._timeline.attach(self._host)
        self._reads = what_is_read(everything.active)
        hooks = board.hooks(self._timeline, reads=self._reads, only_acting=False)
        found = points(self._host, [name for name, _ in hooks])
        for name, function in hooks:
            self._attached.append(attach(found[name], function))

    def off(self, *names: str) -> None:
        """Switch some interventions off, from the next forward pass on."""
        self._change(self.steering.off(*names))

    def on(self, *names: str) -> None:
        """Switch some on again."""
        self._change(self.steering.on(*names))

    def at_strength(self, **strengths: Strength) -> None:
        """Set strengths by name, from the next forward pass on: ``live.at_strength(joy=2.0)``.

        Raises:
            SteerError: For an unknown name, or a strength that does not fit; what was, stays.
        """
        self._change(self.steering.at_strength(**strengths))

    def select(self, index: Sequence[int], steering: Steering) -> None:
        """Go on with some rows of the last pass, over a cache of which the same were selected.

        Args:
            index: For each row of the next pass, the row of the last one that it continues.
            steering: The same interventions, with the settings of the rows that go on.
        """
        if self._board is None:
            raise SteerError("This block is not entered, so there is no pass to go on from.")
        if self._timeline is not None:
            self._timeline.select(index, n_rows=steering.n_rows)
        self._board.show(steering.acting)
        self.steering = steering

    def remove(self) -> None:
        """Take off what this block attached, and nothing else; blocks may end in any order.

        Warns of scopes that marked no token in all that ran meanwhile.
        """
        self._take_off()
        if self._warns:
            marked, self._marked = self._marked, Marked()
            marked.warn()

    def _take_off(self) -> None:
        while self._attached:
            self._attached.pop().remove()
        if self._timeline is not None:
            self._timeline.detach()
        self._cache.close()
        self._timeline = self._board = None
        if self._let_go is not None:
            self._let_go()
            self._let_go = None

    def _change(self, steering: Steering) -> None:
        steering.check_fits(self.model)
        if self._board is not None:
            follows = self._timeline is not None or steering.timeline() is None
            if not follows or not set(what_is_read(steering.active)) <= set(self._reads):
                raise SteerError(
                    "This block was not prepared for a strength that depends on the text or the "
                    "activations. End it, and begin a new one with that strength."
                )
            self._board.show(steering.acting)
        self.steering = steering

    def __enter__(self) -> "Steered":
        """Attach the hooks."""
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the model as it was found."""
        if kind is None:
            self.remove()
        else:
            self._take_off()

    def __repr__(self) -> str:
        """What is done, and whether it is being done."""
        return f"{'Steered' if self._board is not None else 'Not steered'}: {self.steering!r}"


@checked
def steer(
    model: Host,
    *interventions: SteeringLike,
    prompt_lengths: PromptLengths = None,
) -> Steered:
    """Steer a model within a block.

    Everything that runs there is steered: ``model(...)``, ``run_with_cache``, and ``generate`` with
    and without a cache. Blocks nest and may end in any order; your own hooks stay.

    Args:
        model: Any TransformerLens model.
        interventions: Interventions in order, a list of them, or one :class:`Steering`.
        prompt_lengths: Tokens of each row that count as the prompt; by default all of the first
            pass of a sequence.

    Returns:
        A context manager; :meth:`Steered.remove` ends it early. At the end it warns of scopes that
        marked no token.

    Raises:
        SteerError: If something does not fit the model; then nothing is attached.

    Example:
        >>> with ts.steer(model, ts.Add(joy, 4.0)):
        ...     model.generate("This movie is")
    """
    if len(interventions) == 1:
        return Steered(model, as_steering(interventions[0]), prompt_lengths)
    several: list[Any] = list(interventions)
    return Steered(model, Steering(*several), prompt_lengths)


def in_part(model: Host, steering: Steering, *, prompt_lengths: PromptLengths = None) -> Steered:
    """Steer for a part of some work: it says nothing at its end, for a scope may mark elsewhere."""
    return Steered(model, steering, prompt_lengths, marked=Marked())
