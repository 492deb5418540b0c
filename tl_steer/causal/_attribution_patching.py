"""Attribution patching: all effects at once, to first order."""

from collections.abc import Mapping

import torch
from torch import Tensor
from tqdm.auto import tqdm

from tl_steer.arguments import Count, checked
from tl_steer.batching import halving
from tl_steer.causal._effects import Effects, batches_of, blank
from tl_steer.causal._experiment import Experiment
from tl_steer.causal._running import Edit, difference, run, source_acts, values
from tl_steer.errors import SteerError
from tl_steer.trained import frozen


@checked
def attribution_patching(
    experiment: Experiment, *, max_tokens: Count | None = None, progress: bool = True
) -> Effects:
    """Estimate every effect from the slope: two forward passes and one backward for all sites.

    With ``h`` the activation of the prompt and ``s`` what it would be given::

        effect ≈ Σ (s − h) · ∂metric/∂h        summed over the site's tokens and numbers

    Nanda (2023), "Attribution patching: activation patching at industrial scale"
    (https://www.neelnanda.io/mechanistic-interpretability/attribution-patching); Syed et al. (2023,
    https://arxiv.org/abs/2310.10348). It is the effect of an exchange that goes a small part of the
    way, scaled up. It misses what is saturated (the slope is small, the whole step is not) and what
    cancels, and it exaggerates where the slope changes along the way: normalisation of a residual
    stream that is replaced altogether, attention that jumps. ``verify`` tells how well it did.

    Gradients are taken for one number a token (and head) of each hook point, the one that scales
    ``s − h`` there, and for no parameter: ``requires_grad`` and ``grad`` are left as they were.

    Memory: a batch keeps what a backward pass through the model keeps, roughly 40 numbers for each
    unit of the residual stream and block, four for each word of the vocabulary, and three for each
    unit of the hook points asked for; all times its tokens. Batches are sized accordingly, each has
    its own backward pass, and one that does not fit is halved.

    Args:
        experiment: As :func:`~tl_steer.localize` prepares it.
        max_tokens: Padded tokens in a batch; by default from memory.
        progress: Whether to show a progress bar.

    Raises:
        NonFiniteError: Where the metric is NaN or infinite, with the prompt.
        SteerError: For a metric without a slope, or when one text alone does not fit into memory.
    """
    if experiment.measure.compares:
        raise SteerError(
            "A divergence from the base run is at its minimum there, so its slope is zero and "
            "attribution sees nothing. Use activation_patching, or another metric."
        )
    lengths = [experiment.length(prompt) for prompt in range(len(experiment.base))]
    cfg = experiment.model.cfg
    kept = 40 * int(cfg.d_model) * int(cfg.n_layers) + 4 * int(cfg.d_vocab) + 3 * experiment.width
    grouped = batches_of(experiment, lengths, max_tokens, numbers=kept)
    with (
        frozen(experiment.model),
        tqdm(total=len(lengths), desc="attribution", unit="prompt", disable=not progress) as bar,
    ):
        # Made in here, as the caller may be in inference mode.
        effects = blank(experiment)
        for prompts in grouped.of(range(len(lengths))):
            for done, slopes in halving(lambda some: _slopes(experiment, effects, some), prompts):
                _add(experiment, effects, done, slopes)
                bar.update(len(done))
    return effects


def _slopes(experiment: Experiment, effects: Effects, prompts: list[int]) -> dict[str, Tensor]:
    """``(s − h)·∂metric/∂h`` by hook name: ``batch pos``, or ``batch pos head``; float64."""
    with torch.no_grad():
        sources, whole = source_acts(experiment, prompts, None)
    steps: dict[str, Tensor] = {}

    def scaled(name: str) -> Edit:
        def edit(acts: Tensor) -> Tensor:
            now = acts.detach()
            apart = torch.zeros_like(now, dtype=torch.promote_types(now.dtype, torch.float32))
            source, unit = sources[name], experiment.units.get(name)
            if experiment.source is None:
                apart += difference(now, source, unit)
            else:
                width = min(source.shape[1], now.shape[1])
                apart[:, :width] = difference(now[:, :width], source[:, :width], unit)
            # The slope in one number a token is the product wanted: no gradient is kept whole.
            step = torch.zeros(
                apart.shape[:-1], device=acts.device, dtype=apart.dtype, requires_grad=True
            )
            steps[name] = step
            return acts + (step[..., None] * apart).to(acts)

        return edit

    rows = [experiment.base[prompt] for prompt in prompts]
    edits = {name: scaled(name) for name in experiment.names}
    outcome = run(experiment, rows, prompts, edits=edits)
    found = values(experiment, outcome)
    if not found.requires_grad:
        raise SteerError(
            "The metric is not a differentiable function of the activations (.detach(), .item(), "
            "argmax and comparisons prevent that). Use activation_patching, or a smooth metric."
        )
    slopes = torch.autograd.grad(found.sum(), list(steps.values()), materialize_grads=True)
    baseline = found.detach().double().cpu()
    effects.baseline[prompts] = baseline
    if effects.whole is not None and whole is not None:
        effects.whole[prompts] = whole.double().cpu() - baseline
    return {name: slope.double().cpu() for name, slope in zip(steps, slopes, strict=True)}


def _add(
    experiment: Experiment, effects: Effects, prompts: list[int], slopes: Mapping[str, Tensor]
) -> None:
    """Sum over the tokens of every site; of all heads of a hook point at once."""
    together: dict[tuple[str, int | None], list[int]] = {}
    for number, site in enumerate(experiment.sites):
        together.setdefault((site.hook_name, site.position), []).append(number)
    for (name, label), numbers in together.items():
        heads = [head for head in (experiment.sites[n].head for n in numbers) if head is not None]
        for place, prompt in enumerate(prompts):
            tokens = experiment.tokens_of(prompt, label)
            if tokens:
                each = slopes[name][place, tokens].sum(0)
                effects.of[numbers, prompt] = each[heads] if heads else each
