"""Is it the direction? What it does, against what others do that change the model as much."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from tl_steer.activations import Activations
from tl_steer.arguments import Confidence, Count, Index, Seed, Words, checked
from tl_steer.controls import DIRECTION, ControlsResult
from tl_steer.directions import AnyDirection, are_directions, instead_of_direction
from tl_steer.errors import DataError, MismatchError
from tl_steer.experiments._beside_controls import beside_controls
from tl_steer.experiments._cell import PromptSet
from tl_steer.experiments._control_conditions import Controls
from tl_steer.experiments._grid import seeded
from tl_steer.experiments._measures import Measures, ModelFactory
from tl_steer.experiments._running import Runner
from tl_steer.experiments._store import CellStore
from tl_steer.experiments._workers import Job
from tl_steer.generation import Sampling
from tl_steer.judges import Judge, require_judges
from tl_steer.lens.protocol import SteerableModel
from tl_steer.lens.tokens import Chat
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
    *,
    kl: float = 0.2,
    dose: float | None = None,
    n_random: Index = 30,
    n_orthogonal: Index = 4,
    shuffled: Activations | None = None,
    instruction: str | None = None,
    scope: Scope | slice = everywhere,
    seeds: Sequence[Seed] | None = None,
    confidence: Confidence = 0.95,
    seed: Seed = 0,
    folder: str | Path | None = None,
    progress: bool = True,
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
        kl: See :class:`Controls`, as for all of the following but ``scope`` and ``seeds``.
        dose: One relative dose for all instead.
        n_random: Random directions.
        n_orthogonal: Random directions at right angles to the direction.
        shuffled: Activations whose labels are shuffled.
        instruction: Put before each prompt.
        scope: Which tokens are steered; some of the prompt, where ``kl`` is to be reached.
        seeds: Of the sampling; its own alone by default.
        confidence: Of the intervals.
        seed: Of the control directions and the bootstrap; the sampling has its own.
        folder: Where finished conditions are kept, so that the same call goes on where one ended.
        progress: Whether to show a progress bar.

    Returns:
        A tidy frame, effects with intervals, σ and p-values, a figure, and all texts.

    Raises:
        DataError: For no prompts, activations that cannot be shuffled, a judge that does not give
            one number for each text, or fewer than two random directions.
        SteerError: For a KL or dose that cannot be, or a KL that the direction does not reach.
        MismatchError: For a direction or activations of another model.
        NonFiniteError: For a zero direction, or when logits or scores are not finite.
    """
    controls = Controls(
        kl, dose, n_random, n_orthogonal, shuffled, instruction, confidence=confidence, seed=seed
    )
    found = each_against_controls(
        model,
        prompts,
        {DIRECTION: direction},
        judge,
        sampling,
        controls,
        scope=scope,
        seeds=seeds,
        folder=folder,
        progress=progress,
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
    seeds: Sequence[Seed] | None = None,
    chat: Chat | None = None,
    prepend_bos: bool | None = None,
    folder: str | Path | None = None,
    rows: Count | None = None,
    progress: bool = True,
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
        seeds: Of the sampling; its own alone by default. Texts of all seeds are taken together,
            as further ones of their prompts.
        chat: Put prompts into the tokenizer's chat template.
        prepend_bos: Whether prompts begin with a beginning-of-text token.
        folder: Where finished conditions are kept, so that the same call goes on where one ended.
        rows: Texts that are written together; see ``sweep``.
        progress: Whether to show a progress bar.

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
    require_judges((judge,))
    store = CellStore.at(folder)
    return beside_controls(
        Runner(model, Job(Measures((judge,)), store), rows),
        PromptSet("prompts", tuple(prompts), chat, prepend_bos),
        directions,
        judge.name,
        seeded(sampling, seeds),
        controls,
        scope=as_scope(scope),
        progress=progress,
    )
