"""How much of a direction is the length of the texts, or how they begin."""

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from tl_steer.activations import Activations
from tl_steer.arguments import checked
from tl_steer.data import ContrastSet
from tl_steer.diagnostics._projected import Projected, projected
from tl_steer.diagnostics._separation import auroc
from tl_steer.directions import Directions
from tl_steer.errors import DataError
from tl_steer.lens.protocol import SteerableModel, require_steerable
from tl_steer.lens.tokens import tokenize


@checked
def confounds(
    model: SteerableModel,
    texts: ContrastSet,
    directions: Directions,
    activations: Activations,
    *,
    prepend_bos: bool | None = None,
) -> pd.DataFrame:
    """What text length and first token account for in the projections ``p = h·v̂``.

    ``length_auroc``
        How well the number of tokens alone tells the classes apart; one half is not at all.
    ``length_correlation``
        Pearson's correlation of ``p`` with the number of tokens, within the classes.
    ``length_share``
        ``b (n̄₊ − n̄₋) / (p̄₊ − p̄₋)``: of the gap between the classes, the part that their lengths
        predict, with ``b`` the slope of ``p`` on length within the classes; 0 to 1.
    ``first_token_share``
        ``1 − gap within texts of the same first token / gap``: the part that goes away when only
        texts that begin alike are compared (weights ``n₊n₋ / (n₊ + n₋)`` for each first token);
        0 to 1. NaN where no first token occurs in both classes. Noisy where few do; see
        ``comparable``.
    ``comparable``
        The share of texts whose first token occurs in both classes.

    Args:
        model: Whose tokens are counted.
        texts: What the activations were captured from.
        directions: At hook points that were captured.
        activations: Of these texts, best those that the directions have not seen.
        prepend_bos: As it was given to ``capture``. Adds one to each length, which changes nothing;
            the first token is always the first of the text itself.

    Returns:
        A row for each direction: ``hook_name`` and the above.

    Raises:
        HookNameError: When a hook point was not captured.
        MismatchError: For activations of another model.
        DataError: For other texts than those captured, or fewer than two of a class.
    """
    require_steerable(model)
    labels = None if activations.is_positive is None else activations.is_positive.tolist()
    if labels != list(texts.labels):
        raise DataError(
            f"The {len(texts.positive)} + {len(texts.negative)} texts are not those of the "
            "activations. Give the ContrastSet that was captured."
        )
    rows = tokenize(model, texts.texts, prepend_bos=prepend_bos)
    starts = tokenize(model, texts.texts, prepend_bos=False)
    lengths = np.array([len(row) for row in rows], dtype=float)
    first = np.array([row[0] for row in starts])
    found = []
    for name, direction in directions.items():
        own = activations.text_index[name].numpy() if name in activations.text_index else None
        along = projected(direction, activations)
        found.append({"hook_name": name, **_measured(along, lengths[own], first[own])})
    return pd.DataFrame(found)


def _measured(
    along: Projected, lengths: Float[ndarray, " example"], first: Int[ndarray, " example"]
) -> dict[str, float]:
    positive = along.is_positive
    p, n = (_within(values, positive) for values in (along.values, lengths))
    varies = bool(n.any()) and bool(p.any())
    slope = float(n @ p / (n @ n)) if n.any() else 0.0
    gap = _gap(along.values, positive)
    once = np.ones((1, len(lengths)))
    same, comparable = _same_start(along.values, positive, first)
    return {
        "length_auroc": float(auroc(lengths, positive, once)[0]),
        "length_correlation": float(np.corrcoef(p, n)[0, 1]) if varies else 0.0,
        "length_share": _share(slope * _gap(lengths, positive), gap),
        "first_token_share": _share(gap - same, gap),
        "comparable": comparable,
    }


def _within(
    values: Float[ndarray, " example"], is_positive: Bool[ndarray, " example"]
) -> Float[ndarray, " example"]:
    means = np.where(is_positive, values[is_positive].mean(), values[~is_positive].mean())
    centred: Float[ndarray, " example"] = values - means
    return centred


def _gap(values: Float[ndarray, " example"], is_positive: Bool[ndarray, " example"]) -> float:
    return float(values[is_positive].mean() - values[~is_positive].mean())


def _share(part: float, whole: float) -> float:
    return float(np.clip(part / whole, 0, 1)) if whole else float("nan")


def _same_start(
    values: Float[ndarray, " example"],
    is_positive: Bool[ndarray, " example"],
    first: Int[ndarray, " example"],
) -> tuple[float, float]:
    """The gap between texts that begin alike, and the share of texts that this compares."""
    gaps, weights, compared = [], [], 0
    for token in np.unique(first):
        own = first == token
        n_positive, n_negative = int((own & is_positive).sum()), int((own & ~is_positive).sum())
        if n_positive and n_negative:
            gaps.append(_gap(values[own], is_positive[own]))
            weights.append(n_positive * n_negative / (n_positive + n_negative))
            compared += n_positive + n_negative
    if not gaps:
        return float("nan"), 0.0
    return float(np.average(gaps, weights=weights)), compared / len(values)
