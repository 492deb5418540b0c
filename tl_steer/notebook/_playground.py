"""A dial for every direction, beside what the model writes with and without them."""

from collections.abc import Mapping
from typing import Any

from tl_steer.arguments import checked
from tl_steer.directions import Direction
from tl_steer.errors import SteerError
from tl_steer.frozen import FrozenDict
from tl_steer.generation import Generations, Sampling
from tl_steer.interventions import Add
from tl_steer.lens.protocol import SteerableModel, require_steerable
from tl_steer.notebook._session import Session
from tl_steer.notebook._settings import Settings
from tl_steer.notebook._view import View
from tl_steer.steering import Steering


@checked
def playground(
    model: SteerableModel,
    directions: Direction | Mapping[str, Direction],
    prompt: str = "",
    *,
    doses: Mapping[str, float] | None = None,
    sampling: Sampling = Sampling(temperature=0.8),  # noqa: B008, frozen
) -> "Playground":
    """Turn dials in a notebook, and see what the model writes with and without them.

    Both texts come token by token, from the same random numbers. Writing can be cancelled, the
    last turn of a dial taken back, and ``code`` has the lines that write the same texts.

    Args:
        model: Any TransformerLens model.
        directions: One, or several by the names that their dials are to have.
        prompt: What the model goes on from; it can be changed there.
        doses: How the dials stand to begin with; 0 where not said.
        sampling: How texts are drawn to begin with.

    Returns:
        Shown by the notebook where it is the last line of a cell; needs ``ipywidgets``
        (``pip install "tl_steer[notebook]"``), which JupyterLab, Jupyter Notebook and VS Code show.

    Raises:
        MismatchError: For a direction of another model.
        NonFiniteError: For a direction that does not know the norm of the activations, so that a
            share of it means nothing.
        SteerError: For no direction, for several samples a prompt, and without ``ipywidgets``.

    Example:
        >>> ts.notebook.playground(model, {"joy": joy[15], "formal": formal[12]}, "The movie was")
    """
    require_steerable(model)
    named = {"direction": directions} if isinstance(directions, Direction) else dict(directions)
    if not named:
        raise SteerError("there is no direction to put on a dial; give one, or several by name.")
    if sampling.samples != 1:
        raise SteerError(f"{sampling}: a playground writes one text a condition; samples=1.")
    settings = Settings(prompt=prompt, doses=FrozenDict(doses or {}), sampling=sampling)
    if unknown := [name for name in settings.doses if name not in named]:
        raise SteerError(f"doses of {unknown[0]!r}: the directions are {', '.join(named)}.")
    settings.steering(named)
    Steering(*(Add(each, dose=0.1) for each in named.values())).check_fits(model)
    session = Session(model, FrozenDict(named), settings)
    return Playground(session, View(session))


class Playground:
    """What :func:`playground` shows, and what can be asked of it."""

    def __init__(self, session: Session, view: View) -> None:
        """Keep both."""
        self._session, self._view = session, view

    @property
    def settings(self) -> Settings:
        """How the dials stand."""
        return self._session.settings

    @property
    def code(self) -> str:
        """Lines that write the same texts, given ``ts``, ``model`` and ``directions``."""
        return self._session.code

    @property
    def written(self) -> Generations | None:
        """What is shown; ``None`` before anything was written."""
        return self._session.written[-1][1] if self._session.written else None

    @property
    def widget(self) -> Any:
        """The ipywidgets box, to be put into others."""
        return self._view.box

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(self.widget)  # type: ignore[no-untyped-call]
