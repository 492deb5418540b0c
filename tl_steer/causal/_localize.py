"""Which hook points, heads and tokens carry a property, by experiment."""

from typing import Any

from tl_steer.arguments import Count, Seed, came, checked
from tl_steer.causal._activation_patching import activation_patching
from tl_steer.causal._effects import Effects, Method, whole_difference
from tl_steer.causal._experiment import experiment_of
from tl_steer.causal._localization import Localization, localization_of
from tl_steer.causal._metrics import LogitMetric, Metric
from tl_steer.causal._modes import Denoising, Mode
from tl_steer.causal._positions import AllPositions, PositionChoice
from tl_steer.data import ContrastSet
from tl_steer.directions import Direction, Directions
from tl_steer.errors import SteerError
from tl_steer.lens.places import Places
from tl_steer.lens.protocol import SteerableModel
from tl_steer.lens.tokens import Chat


@checked
def localize(
    model: SteerableModel,
    contrast: ContrastSet,
    metric: Metric | LogitMetric,
    *,
    at: Places,
    mode: Mode = Denoising(),  # noqa: B008, frozen
    positions: PositionChoice = AllPositions(),  # noqa: B008, frozen
    along: Direction | Directions | None = None,
    by: Method = activation_patching,
    prepend_bos: bool | None = None,
    chat: Chat | None = None,
    seed: Seed = 0,
    max_tokens: Count | None = None,
    progress: bool = True,
) -> Localization:
    """Exchange activations site by site, and see how far that moves a metric.

    ``effect = metric(a prompt with one site exchanged) − metric(the prompt)``, averaged over
    prompts. Hook names that have heads (``attn.hook_z``) are exchanged head by head::

        metric = ts.causal.LogitDifference(" good", " bad")
        found = ts.localize(model, pairs, metric, at="blocks.*.hook_resid_post")
        heads = ts.localize(model, pairs, metric, at="blocks.*.attn.hook_z",
                            by=ts.causal.attribution_patching)
        found.ranking, heads.best(10)

    Batches, their order and padding change nothing but rounding. Hooks that sit on the model act,
    so that a steered model can be examined inside a ``steer`` block.

    Args:
        model: Any TransformerLens model; it is left as it was.
        contrast: Pairs of equally many tokens, which differ in the property; or an unpaired set,
            with class means in the ``mode``.
        metric: One number a prompt, from what the model says at its end.
        at: Hook names, patterns, sites of every layer or numbers of layers, as for ``capture``.
        mode: Which texts run and what is put into them: ``Denoising()`` and ``Noising()``, between
            pairs or with class means; ``MeanAblation(acts)``, ``ZeroAblation()``.
        positions: Which tokens are exchanged, and which of them together: ``AllPositions()``,
            ``EachPosition()`` or ``AtPosition(-1)``.
        along: Exchange only the component along a direction, ``h + ((s − h)·v̂) v̂``: does this
            direction carry the effect there? One for all hook points of its width, or one for
            each; in each head by itself.
        by: ``activation_patching`` measures each effect; ``attribution_patching`` estimates all of
            them from one backward pass, to be confirmed with ``verify``.
        prepend_bos: Whether texts begin with a beginning-of-text token; ``None`` does what
            TransformerLens does with this model.
        chat: Puts each text into the chat template.
        seed: Of the bootstrap.
        max_tokens: Padded tokens in a batch; by default from the memory of the model's device.
        progress: Whether to show a progress bar.

    Returns:
        Effects with bootstrap intervals over prompts. In denoising the share of the whole
        difference is 1 where the exchange brings all of it; it is so in noising, too, whose
        effects have the opposite sign.

    Raises:
        HookNameError: For hook points that the model lacks, or that come after a probe.
        DataError: For pairs of unequal length, an unpaired set without means, answers that do not
            fit the prompts, or texts beyond the context.
        MismatchError: For activations or directions of another model.
        NonFiniteError: For NaN or infinity.
        SteerError: For a metric that does not give a number a row, or has no slope.
    """
    experiment = experiment_of(
        model,
        contrast,
        metric,
        at=at,
        mode=mode,
        positions=positions,
        along=along,
        prepend_bos=prepend_bos,
        chat=chat,
    )
    if max_tokens is not None and max_tokens < 1:
        raise SteerError(f"max_tokens={max_tokens}: expected at least 1 token in a batch.")
    effects: Any = by(experiment, max_tokens=max_tokens, progress=progress)
    if not isinstance(effects, Effects):  # a function of the user's may return anything
        raise SteerError(
            f"by: {by!r} returned {came(effects)}. Return Effects, as activation_patching does."
        )
    whole = whole_difference(experiment, effects, max_tokens=max_tokens)
    name = str(getattr(by, "__name__", by)).replace("_", " ")
    return localization_of(experiment, effects, whole, method=name, seed=seed)
