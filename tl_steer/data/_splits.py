"""Random, seeded choices of indices on the two sides of a contrast."""

import math
from collections.abc import Mapping

import torch

from tl_steer.errors import DataError

Sides = tuple[list[int], list[int]]
"""Indices into the positive and into the negative texts."""


def random_orders(n_positive: int, n_negative: int, *, paired: bool, seed: int) -> Sides:
    """A random order of either side; the same one for both if they are paired."""
    generator = torch.Generator().manual_seed(seed)
    positive: list[int] = torch.randperm(n_positive, generator=generator).tolist()
    if paired:
        return positive, positive
    return positive, torch.randperm(n_negative, generator=generator).tolist()


def stratified(orders: Sides, fractions: Mapping[str, float]) -> dict[str, Sides]:
    """Cut both orders into consecutive parts of the same proportions.

    Part k ends at round(n · (f_1 + … + f_k)): every index is in exactly one part, and each size
    is within one of n · f_k.

    Raises:
        DataError: The fractions are not positive or do not add up to 1, or a part would have
            nothing on one side.
    """
    shares = list(fractions.values())
    if not shares or not all(share > 0 for share in shares) or abs(math.fsum(shares) - 1) > 1e-9:
        raise DataError(
            f"The fractions that came are {dict(fractions)}. They should be positive and add up "
            'to 1, such as {"train": 0.5, "validation": 0.25, "test": 0.25}.'
        )
    positive, negative = orders
    parts, start = {}, (0, 0)
    for last, part in enumerate(fractions, start=1):
        share = math.fsum(shares[:last])
        stop = (round(len(positive) * share), round(len(negative) * share))
        sides = positive[start[0] : stop[0]], negative[start[1] : stop[1]]
        if not all(sides):
            raise DataError(
                f"{part!r} would get {len(sides[0])} of {len(positive)} positive and "
                f"{len(sides[1])} of {len(negative)} negative texts, but needs one of each. Give "
                "more texts, or ask for fewer or larger parts."
            )
        parts[part] = sides
        start = stop
    return parts


def permuted_labels(n_positive: int, n_negative: int, *, paired: bool, seed: int) -> Sides:
    """Indices into all texts (the positive first) for sides that were dealt at random.

    Unpaired, all texts are shuffled and dealt anew; paired, each pair is turned round with
    probability one half.
    """
    generator = torch.Generator().manual_seed(seed)
    if paired:
        turns = torch.randint(2, (n_positive,), generator=generator).tolist()
        first = [index + n_positive * turn for index, turn in enumerate(turns)]
        second = [index + n_positive * (1 - turn) for index, turn in enumerate(turns)]
        return first, second
    order: list[int] = torch.randperm(n_positive + n_negative, generator=generator).tolist()
    return order[:n_positive], order[n_positive:]
