"""Is it the direction? What it does, against what others do that change the model as much."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from tl_steer.arguments import Words, checked
from tl_steer.controls import DIRECTION, ControlsResult
from tl_steer.directions import AnyDirection, are_directions, instead_of_direction
from tl_steer.errors import DataError, MismatchError
from tl_steer.experiments._beside_controls import beside_controls
from tl_steer.experiments._control_conditions import Controls
from tl_steer.experiments._grid import prompt_sets, seeded
from tl_steer.experiments._measures import Measures, ModelFactory
from tl_steer.experiments._run import Run
from tl_steer.experiments._running import Runner
from tl_steer.experiments._store import CellStore
from tl_steer.experiments._workers import Job
from tl_steer.generation import Sampling
from tl_steer.judges import Judge
from tl_steer.lens.protocol import SteerableModel
from tl_steer.scopes import Scope, as_scope, everywhere


def _instead_of_one(came: Any) -> str:
    if isinstance(came, list | tuple) or are_directions(came):
        return "Give several by name to each_against_controls()."
    return instead_of_direction(came)


OneDirection = Annotated[
    AnyDirection, Words("one Direction", "Directions", _instead_of_one, MismatchError)
]


@checked
def against_controls(
    model: SteerableModel | ModelFactory,
    prompts: Sequence[str],
    direction: OneDirection,
    judge: Judge,
    sampling: Sampling = Sampling(samples=4),  # noqa: B008, frozen
    controls: Controls = Controls(),  # noqa: B008, frozen
    *,
    scope: Scope | slice = everywhere,
    run: Run = Run(),  # noqa: B008, frozen
) -> ControlsResult:
    """Steer along a direction and along its controls, and compare what a judge says.

    The controls are random directions; mean differences of shuffled labels, as many, where
    activations came; the parts of random directions at right angles to the direction; an
    instruction before the prompt in place of a vector, where one came; and no steering. All
    vectors have one norm and one hook point, and each gets the strength at which
    ``mean KL(steered ‖ unsteered)`` of the token after the prompts is the same: much steering is
    no better than a random change of the same size. An instruction has the KL that it has.

    All are written from the same random numbers, in batches whose rows have directions and
    strengths of their own. For several directions see :func:`each_against_controls`.

    Args:
        model: Any TransformerLens model, or a function that loads one; see ``sweep``.
        prompts: To be continued; two or more, for an interval.
        direction: The one in question, turned so that more of it should score higher. For the
            other way, give ``-direction`` and a judge of the opposite.
        judge: Gives a text a number; it reads continuations without their prompt.
        sampling: How texts are drawn.
        controls: What the direction is compared with, and at which KL.
        scope: Which tokens are steered; some of the prompt, where a KL is to be reached.
        run: Folder, seeds, chat template and progress.

    Returns:
        A tidy frame, effects with intervals, σ and p-values, a figure, and all texts.

    Raises:
        DataError: For no prompts, activations that cannot be shuffled, a judge that does not give
            one number for each text, or fewer than two random directions.
        SteerError: For a KL or dose that cannot be, or a KL that the direction does not reach.
        MismatchError: For a direction or activations of another model.
        NonFiniteError: For a zero direction, or when logits or scores are not finite.
    """
    one = {DIRECTION: direction}
    found = each_against_controls(
        model, prompts, one, judge, sampling, controls, scope=scope, run=run
    )
    return found[DIRECTION]


@checked
def each_against_controls(
    model: SteerableModel | ModelFactory,
    prompts: Sequence[str],
    directions: Mapping[str, AnyDirection],
    judge: Judge,
    sampling: Sampling = Sampling(samples=4),  # noqa: B008, frozen
    controls: Controls = Controls(),  # noqa: B008, frozen
    *,
    scope: Scope | slice = everywhere,
    run: Run = Run(),  # noqa: B008, frozen
) -> dict[str, ControlsResult]:
    """Set several directions beside their controls, each as :func:`against_controls` does.

    Directions of one hook point share random directions, shuffled labels, the instruction and no
    steering, which are written once.

    Args:
        model: Any TransformerLens model, or a function that loads one, which each worker process of
            ``joblib.parallel_config`` calls once.
        prompts: To be continued; two or more, for an interval.
        directions: By name, each turned so that more of it should score higher.
        judge: Gives a text a number; it reads continuations without their prompt.
        sampling: How texts are drawn.
        controls: What the directions are compared with, and at which KL.
        scope: Which tokens are steered; some of the prompt, where a KL is to be reached.
        run: Folder, seeds, chat template and progress.

    Returns:
        What each does beside its controls, by name.

    Raises:
        DataError: For no prompts or directions, activations that cannot be shuffled, or a judge
            that does not give one number for each text.
        SteerError: For a KL that a direction does not reach, or a folder that cannot be written to.
        MismatchError: For a direction or activations of another model.
        NonFiniteError: For a zero direction, or when logits or scores are not finite.
    """
    if not prompts:
        raise DataError("give a list of prompts, two or more: intervals are over prompts.")
    if not directions:
        raise DataError("no direction came by name; give one or more: {'joy': joy}.")
    (asked,) = prompt_sets(prompts, run)
    return beside_controls(
        Runner(model, Job(Measures((judge,)), CellStore.at(run.folder)), run.rows),
        asked,
        directions,
        judge.name,
        seeded(sampling, run),
        controls,
        scope=as_scope(scope),
        progress=run.progress,
    )
