"""Strengths multiplied."""

from typing import Any

import pytest
import torch
from passes import whole

from tl_steer.errors import MismatchError, NonFiniteError, SteerError
from tl_steer.lens.parts import reads_of
from tl_steer.scopes import check_part_fits
from tl_steer.strengths._multiply import Multiply
from tl_steer.strengths._strength import StrengthFunction

CONTEXT = whole([3, 2])
ACTS = torch.zeros(2, 3, 4)


class Counting:
    """A function that wants something of the model."""

    reads = ("blocks.0.hook_resid_pre",)

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, acts: Any, context: Any) -> Any:
        return context.positions.float()

    def check_fits(self, model: Any, hook_name: str) -> None:
        self.asked.append(hook_name)


def test_numbers_rows_and_functions() -> None:
    product = Multiply(2.0, [1.0, -3.0], Counting(), torch.tensor(0.5))
    found = product(ACTS, CONTEXT)
    assert found.tolist() == [[0.0, 1.0, 2.0], [0.0, 0.0, -3.0]]
    assert product.n_rows == 2
    assert reads_of(product) == Counting.reads


def test_rows_in_the_order_asked_for() -> None:
    product = Multiply([1.0, 2.0, 4.0], Counting()).rows([2, 0])
    assert product.n_rows == 2
    assert product(ACTS, CONTEXT).tolist() == [[0.0, 4.0, 8.0], [0.0, 0.0, 1.0]]


def test_a_product_of_products() -> None:
    product = Multiply(Multiply(3.0, Counting()), Multiply([1.0, 2.0]))
    assert product(ACTS, CONTEXT).tolist() == [[0.0, 3.0, 6.0], [0.0, 0.0, 6.0]]
    assert (product.n_rows, reads_of(product)) == (2, Counting.reads)
    assert product.rows([1]).n_rows == 1
    assert Multiply(1.0).n_rows is None


def test_each_factor_may_refuse(model: Any) -> None:
    one, other = Counting(), Counting()
    product = Multiply(one, 2.0, Multiply(other))
    check_part_fits(product, model, "blocks.1.hook_mlp_out")
    assert one.asked == other.asked == ["blocks.1.hook_mlp_out"]


def flat(acts: Any, context: Any) -> Any:
    return torch.ones(2)


@pytest.mark.parametrize(
    ("factors", "error", "says"),
    [
        ((), SteerError, "at least one strength"),
        (([1.0, 2.0], [1.0, 2.0, 3.0]), MismatchError, "rows cannot be multiplied"),
        ((float("nan"),), NonFiniteError, "not finite"),
        ((torch.ones(1, 1),), SteerError, "one for each row"),
    ],
)
def test_what_is_refused(factors: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        Multiply(*factors)


def test_a_factor_of_another_shape() -> None:
    wrong: StrengthFunction = flat
    with pytest.raises(SteerError, match=r"\(batch, position\)"):
        Multiply(2.0, wrong)(ACTS, CONTEXT)
