"""Who has a model: one thread, and in it one asyncio task, at a time.

Hooks sit on the model, and so act in whatever runs it. Two threads, or two tasks, that steer or
read one model at once would get each other's directions; the second is refused. Within one thread
and task, blocks nest and compose.

What a thread that has ended, or a task that is done, has left open (``start()`` in a notebook's
cell, which is a task of its own) stays with its thread, and may be gone on with there.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar
from weakref import WeakKeyDictionary, ref

import torch

from tl_steer.errors import SteerError
from tl_steer.lens.twin import Twin

_P = ParamSpec("_P")
_R = TypeVar("_R")
_Task = asyncio.Task[Any]


@dataclass(frozen=True, eq=False)
class Here:
    """A thread, and the asyncio task that it was at."""

    thread: threading.Thread
    task: Callable[[], _Task | None] | None

    @classmethod
    def now(cls) -> "Here":
        """Where this is called."""
        task = _task()
        return cls(threading.current_thread(), None if task is None else ref(task))

    @property
    def is_here(self) -> bool:
        """Whether this is called from there, or there is nobody there any more."""
        if self.thread.ident != threading.get_ident():
            # Gradient checkpoints run the model again in a thread of torch's own.
            return _in_backward() or not self.thread.is_alive()
        task = None if self.task is None else self.task()
        return task is None or task.done() or task is _task()

    def require(self) -> None:
        """Refuse to run a model from elsewhere.

        Raises:
            SteerError: With the thread or task that has it.
        """
        if self.is_here:
            return
        other_thread = self.thread.ident != threading.get_ident()
        task = None if self.task is None else self.task()
        who = f"task {task.get_name()!r}" if task and not other_thread else repr(self.thread.name)
        raise SteerError(
            "this model is being steered or read by another "
            f"{'thread, ' if other_thread else ''}{who}, which would act here too. Wait until that "
            "ends, give each thread its own model, or steer and run the model in one thread and "
            "task."
        )


_held: WeakKeyDictionary[Any, list[Here]] = WeakKeyDictionary()
_lock = threading.Lock()


def hold(model: Any) -> Callable[[], None]:
    """Have a model to oneself until the returned function is called; holds nest.

    Raises:
        SteerError: When another thread or task has it.
    """
    here = Here.now()
    # A twin stands for its bridge.
    mine = model.model if isinstance(model, Twin) else model
    with _lock:
        holders = _held.setdefault(mine, [])
        for each in holders:
            each.require()
        holders.append(here)
    # The list, and not the model, which may go before it is let go of.
    return lambda: _release(holders, here)


@contextmanager
def held(model: Any) -> Iterator[None]:
    """Have a model to oneself for the length of a block.

    Raises:
        SteerError: When another thread or task has it.
    """
    release = hold(model)
    try:
        yield
    finally:
        release()


def alone(
    function: Callable[Concatenate[Any, _P], _R],
) -> Callable[Concatenate[Any, _P], _R]:
    """Make a function have its first argument, a model, to itself while it runs."""

    @wraps(function)
    def with_model(model: Any, /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        with held(model):
            return function(model, *args, **kwargs)

    return with_model


def only_here(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a hook refuse to act in another thread or task than this one."""
    here = Here.now()

    def guarded(acts: torch.Tensor, hook: Any) -> Any:
        here.require()
        return function(acts, hook=hook)

    return guarded


def _release(holders: list[Here], here: Here) -> None:
    with _lock:
        holders[:] = [each for each in holders if each is not here]


def _task() -> _Task | None:
    return None if asyncio._get_running_loop() is None else asyncio.current_task()


def _in_backward() -> bool:
    return bool(torch._C._current_graph_task_id() != -1)
