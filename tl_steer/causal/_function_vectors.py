"""Function vectors: what the heads that carry a task write, as one direction."""

from importlib.metadata import version

import torch
from jaxtyping import Float
from torch import Tensor

from tl_steer.activations import Activations, TokenAt, capture
from tl_steer.arguments import Count, Seed, checked
from tl_steer.causal._localization import Localization
from tl_steer.causal._localize import localize
from tl_steer.causal._metrics import LogitMetric, Metric
from tl_steer.causal._modes import Denoising
from tl_steer.causal._positions import AtPosition
from tl_steer.causal._sites import Site
from tl_steer.data import ContrastSet
from tl_steer.directions import Direction, Directions, Provenance
from tl_steer.errors import DataError, HookNameError, MismatchError, SteerError
from tl_steer.lens.hook_names import site_shape
from tl_steer.lens.places import Places, hook_names
from tl_steer.lens.protocol import SteerableModel, model_info, require_steerable

_HEADS = "blocks.*.attn.hook_z"
_LAST = AtPosition(-1)


@checked
def head_effects(
    model: SteerableModel,
    prompts: ContrastSet,
    metric: Metric | LogitMetric,
    *,
    at: Places = _HEADS,
    prepend_bos: bool | None = None,
    seed: Seed = 0,
    max_tokens: Count | None = None,
    progress: bool = True,
) -> Localization:
    """Measure the average indirect effect of every head.

    With ``ā`` a head's mean output at the last token of the positive prompts::

        effect = mean over negative prompts of  metric(head := ā at the last token) − metric

    Todd et al. (2024), "Function vectors in large language models"
    (https://arxiv.org/abs/2310.15213), whose metric is the probability of the right answer.

    Args:
        model: Any TransformerLens model; it is left as it was.
        prompts: Prompts that do the task, and prompts that do not: of
            :func:`~tl_steer.causal.few_shot`, or any contrast. Lengths do not matter.
        metric: One number a negative prompt, higher where the task is done.
        at: Hook names of ``attn.hook_z``, or numbers of layers.
        prepend_bos: Whether prompts begin with a beginning-of-text token; ``None`` does what
            TransformerLens does with this model.
        seed: Of the bootstrap.
        max_tokens: Padded tokens in a batch; by default from memory.
        progress: Whether to show a progress bar.

    Raises:
        HookNameError: For hook points that the model lacks, or without heads.
        DataError: For answers that do not fit the prompts, or texts beyond the context.
        NonFiniteError: For NaN or infinity.
    """
    require_steerable(model)
    names = hook_names(model, at, site="attn.hook_z")
    for name in names:
        if not name.endswith("attn.hook_z"):
            raise HookNameError(
                f"{name}: heads are read at attn.hook_z; {_HEADS!r} means all of them."
            )
    acts = capture(
        model,
        prompts,
        at=names,
        read=TokenAt(-1),
        max_tokens=max_tokens,
        prepend_bos=prepend_bos,
        progress=progress,
    )
    return localize(
        model,
        prompts,
        metric,
        at=names,
        mode=Denoising(means=acts),
        positions=_LAST,
        prepend_bos=prepend_bos,
        seed=seed,
        max_tokens=max_tokens,
        progress=progress,
    )


@checked
def function_vector(
    model: SteerableModel,
    prompts: ContrastSet,
    metric: Metric | LogitMetric,
    *,
    heads: Count = 10,
    at: Places | None = None,
    effects: Localization | None = None,
    prepend_bos: bool | None = None,
    max_tokens: Count | None = None,
    progress: bool = True,
) -> Directions:
    """Add up what the heads with the largest indirect effects write: a direction that does a task.

    With ``ā`` a head's mean output at the last token of the positive prompts, and ``W_O`` its
    output weights::

        v = Σ āₕ W_Oₕ        over the heads with the largest indirect effect (not its size)

    Todd et al. (2024, https://arxiv.org/abs/2310.15213) add it, at strength 1, to the residual
    stream at the last token of a prompt, at about a third of the depth. Where an attention block's
    output is normalised before it is added (Gemma 2), ``v`` is what comes before that.

    Args:
        model: Any TransformerLens model; it is left as it was.
        prompts: Prompts that do the task, and prompts that do not.
        metric: One number a negative prompt, higher where the task is done.
        heads: How many; the paper takes 10 of 448 (GPT-J), and more in larger models.
        at: Where it is to be added: the same vector at each of these hook points of the residual
            stream. By default ``hook_resid_post`` of the layer at a third of the depth.
        effects: What :func:`head_effects` found already; nothing is patched then.
        prepend_bos: As of :func:`head_effects`.
        max_tokens: Padded tokens in a batch; by default from memory.
        progress: Whether to show a progress bar.

    Returns:
        One direction a hook point; its ``scale`` is the mean norm of the last tokens there.

    Raises:
        DataError: For a number of heads that there are not.
        HookNameError: For hook points that are not as wide as the residual stream.
        MismatchError: For effects that are not of heads at the last token.
        SteerError: For a model without ``W_O``.
        NonFiniteError: For NaN or infinity.
    """
    require_steerable(model)
    places = hook_names(model, int(model.cfg.n_layers) // 3 if at is None else at)
    for name in places:
        if site_shape(model, name) != (int(model.cfg.d_model),):
            raise HookNameError(
                f"{name} is not as wide as the residual stream. Take hook_resid_post, for example."
            )
    weights = _output_weights(model)
    if effects is None:
        effects = head_effects(
            model,
            prompts,
            metric,
            prepend_bos=prepend_bos,
            max_tokens=max_tokens,
            progress=progress,
        )
    chosen = _largest(effects, heads)
    names = tuple(dict.fromkeys(site.hook_name for site in chosen))
    acts = capture(
        model,
        prompts,
        at=(*names, *places),
        read=TokenAt(-1),
        max_tokens=max_tokens,
        prepend_bos=prepend_bos,
        progress=progress,
    )
    vector = torch.stack([_written(acts, site, weights) for site in chosen]).sum(0)
    listed = ", ".join(f"{site.layer}.{site.head}" for site in chosen)
    origin = Provenance(
        model=model_info(model),
        method=f"function vector of heads {listed}",
        data=prompts.name,
        n_positive=len(prompts.positive),
        n_negative=len(prompts.negative),
        read=repr(TokenAt(-1)),
        version=version("tl_steer"),
    )
    return Directions({name: Direction(vector, name, acts.norms[name], origin) for name in places})


def _largest(effects: Localization, heads: int) -> tuple[Site, ...]:
    for site in effects.sites:
        if site.kind != "attn.hook_z" or site.position != _LAST.position:
            raise MismatchError(
                "expected effects of heads at the last token, as from head_effects; got effects "
                f"of {site}."
            )
    if not 1 <= heads <= len(effects.sites):
        raise DataError(f"heads={heads}: expected 1 to {len(effects.sites)}.")
    order = effects.frame["effect"].sort_values(ascending=False, kind="stable").index
    return tuple(effects.sites[number] for number in order[:heads])


def _written(
    acts: Activations, site: Site, weights: Float[Tensor, "layer head d_head d_model"]
) -> Float[Tensor, " d_model"]:
    mean, _ = acts.means(site.hook_name)
    head = 0 if site.head is None else site.head
    output = mean.view(acts.site_shapes[site.hook_name])[head]
    return output @ weights[site.layer, head].to(output)


def _output_weights(model: SteerableModel) -> Float[Tensor, "layer head d_head d_model"]:
    weights = getattr(model, "W_O", None)
    if not isinstance(weights, Tensor):
        raise SteerError(
            "this model has no W_O, so its heads' outputs cannot be separated. Use "
            "mean_difference at hook_attn_out."
        )
    return weights.detach()
