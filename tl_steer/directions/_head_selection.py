"""Attention heads: which encode a property, and directions that touch only those."""

from collections.abc import Iterable
from dataclasses import replace

import pandas as pd
import torch
from sklearn.metrics import accuracy_score, roc_auc_score

from tl_steer.activations import Activations
from tl_steer.arguments import checked
from tl_steer.directions._direction import Direction
from tl_steer.directions._logistic_probe import Inverse, fitted_probe
from tl_steer.directions._requirements import require_contrast
from tl_steer.errors import DataError, HookNameError, MismatchError, NonFiniteError
from tl_steer.lens.hook_names import site_of


@checked
def head_probes(
    activations: Activations, held_out: Activations, *, c: Inverse = 1.0
) -> pd.DataFrame:
    """Fit a logistic probe to each attention head and test it on held-out texts.

    The first step of inference-time intervention (Li et al. 2023,
    https://arxiv.org/abs/2306.03341); the heads with the highest accuracy are then steered::

        probes = ts.directions.head_probes(train, validation)
        for name, best in probes.head(48).groupby("hook_name")["head"]:
            few = ts.directions.select_heads(ts.mean_difference(train)[name], best)
            ts.Add(ts.directions.scaled_by_std(few, train), 15.0)

    Args:
        activations: Of a contrast set, at ``attn.hook_z`` or another site with heads; vectors.
            Probes are fitted to these.
        held_out: Of other texts, at the same hook points; vectors.
        c: As of :func:`~tl_steer.logistic_probe`.

    Returns:
        One row a head, the most accurate first: ``hook_name``, ``head``, ``accuracy`` and ``auroc``
        (area under the curve of the receiver operating characteristic), both on ``held_out``. With
        thousands of heads and few texts, the best are partly lucky: report their accuracy on a
        third set of texts.

    Raises:
        MismatchError: For activations of two models, or hook points without heads.
        HookNameError: For hook points at which ``held_out`` was not captured.
        DataError: For texts without classes, fewer than two of a class (one, held out), moments
            without vectors, or activations that are all the same.
        NonFiniteError: For NaN or infinity.
        SteerError: For a ``c`` that is not positive and finite.
    """
    differs = activations.model.difference(held_out.model)
    if differs:
        raise MismatchError(f"The held-out activations are of another model ({differs}).")
    missing = [name for name in activations.hook_names if name not in held_out.hook_names]
    if missing:
        raise HookNameError(f"The held-out texts were not captured at {', '.join(missing)}.")
    for name in activations.hook_names:
        _require_heads(name, activations.site_shapes[name])
    require_contrast(activations, at_least=2, method="a probe")
    require_contrast(held_out, at_least=1, method="a trial of probes")
    rows = [row for name in activations.hook_names for row in _rows(activations, held_out, name, c)]
    table = pd.DataFrame(rows, columns=["hook_name", "head", "accuracy", "auroc"])
    # Stable, so that ties keep the order of layers and heads.
    order = table.sort_values(["accuracy", "auroc"], ascending=False, kind="stable")
    return order.reset_index(drop=True)


@checked
def select_heads(direction: Direction, heads: Iterable[int]) -> Direction:
    """Keep some heads of a direction, and set the others to zero.

    Args:
        direction: At ``attn.hook_z`` or another site with heads, ``head d_head``.
        heads: At least one; numbered from 0.

    Raises:
        MismatchError: For a direction without heads, no heads, or heads that it lacks.
    """
    _require_heads(direction.hook_name, tuple(direction.vector.shape))
    n_heads = len(direction.vector)
    wanted = sorted({int(head) for head in heads})
    if not wanted or wanted[0] < 0 or wanted[-1] >= n_heads:
        raise MismatchError(
            f"{direction.hook_name}: expected heads from 0 to {n_heads - 1}, got "
            f"{wanted or 'none'}."
        )
    kept = torch.zeros(n_heads, 1)
    kept[wanted] = 1
    listed = ", ".join(map(str, wanted))
    method = f"heads {listed} of ({direction.provenance.method})"
    return replace(
        direction,
        vector=direction.vector * kept,
        provenance=direction.provenance.as_result_of(method),
    )


@checked
def scaled_by_std(direction: Direction, activations: Activations) -> Direction:
    """Give each head of a direction the length of one standard deviation: ``v = σ θ̂``.

    ``θ̂`` is a head's part of the direction at norm 1, and ``σ`` the standard deviation of
    ``θ̂ᵀh`` over all texts of both classes. Strengths then count standard deviations, as ``α`` of
    inference-time intervention does (Li et al. 2023, https://arxiv.org/abs/2306.03341). Heads that
    are zero stay zero; a site without heads counts as one head.

    Args:
        direction: Of any site.
        activations: At the same hook point of the same model; with classes or without; vectors.

    Raises:
        MismatchError: For activations of another model.
        HookNameError: For activations of other hook points.
        DataError: When only moments were kept.
        NonFiniteError: For the zero vector.
    """
    differs = direction.provenance.model.difference(activations.model)
    if differs:
        raise MismatchError(
            f"{direction.hook_name}: the direction and the activations are of different models "
            f"({differs})."
        )
    if direction.norm == 0:
        raise NonFiniteError(f"{direction.hook_name}: the zero vector has no direction.")
    examples = activations[direction.hook_name].double()
    units = torch.nn.functional.normalize(direction.vector.double(), dim=-1)
    spread = (examples * units).sum(-1).std(0, correction=0)
    if not bool((spread[units.any(-1)] > 0).all()):
        raise DataError(f"{direction.hook_name}: the activations do not vary along the direction.")
    method = f"({direction.provenance.method}) in standard deviations"
    return replace(
        direction,
        vector=units * spread[..., None],
        provenance=direction.provenance.as_result_of(method),
    )


def _rows(
    activations: Activations, held_out: Activations, name: str, c: float
) -> list[tuple[str, int, float, float]]:
    examples, unseen = (each[name].double().numpy() for each in (activations, held_out))
    positive, truth = (each.classes(name).numpy() for each in (activations, held_out))
    rows = []
    for head in range(examples.shape[1]):
        scores = fitted_probe(examples[:, head], positive, c=c).scores(unseen[:, head])
        accuracy = accuracy_score(truth, scores > 0)
        rows.append((name, head, float(accuracy), float(roc_auc_score(truth, scores))))
    return rows


def _require_heads(name: str, shape: tuple[int, ...]) -> None:
    if len(shape) != 2:
        raise MismatchError(
            f"{name}: {site_of(name)} has no heads. Use attn.hook_z, which has one vector for each."
        )
