"""The loop that all trained directions share, and the picture of it."""

import math
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest
import torch
from making import direction, shared_model
from torch import Tensor

from tl_steer.batching import halving
from tl_steer.drawing.rendering import figure_png
from tl_steer.errors import DataError, NonFiniteError, SteerError
from tl_steer.trained._continuations import Batches
from tl_steer.trained._fit import Fit
from tl_steer.trained._sphere import sphere
from tl_steer.trained._training import Outcome, Task, TrainedDirection, split, train
from tl_steer.trained._training_curve import training_curve

TARGET = torch.tensor([3.0, -1.0, 0.5, 2.0])
GROUPED = Batches([1] * 12, 4)


def fit(**changes: Any) -> Fit:
    numbers = {"steps": 80, "learning_rate": 0.3, "batch_size": 12, "patience": 3, "every": 5}
    return Fit(**{**numbers, "seed": 0, **changes})


def trained(losses: Any = None, *, how: Fit | None = None, **changes: Any) -> Outcome:
    """From zero, of the examples `rows`, by default all twelve."""
    usual = {"start": torch.zeros(4), "rows": range(12), "batches": GROUPED, "unit": 1.0}
    task = Task(losses=losses or squares, learning_rate=1.0, **{**usual, **changes})
    return train(task, how or fit(), progress=False)


def squares(vector: Tensor, index: list[int], step: int) -> Tensor:
    """Least squares around a target, a little off for each example."""
    off = 0.1 * torch.tensor([math.sin(i) for i in index])[:, None]
    return (vector - TARGET - off).square().sum(-1)


@pytest.mark.parametrize("unit", [1.0, 50.0])
def test_a_minimum_is_found(unit: float) -> None:
    found = trained(
        lambda v, index, step: squares(v / unit, index, step), unit=unit, best_of_train=True
    )
    centre = TARGET + 0.1 * sum(math.sin(i) for i in range(12)) / 12
    torch.testing.assert_close(found.vector / unit, centre, atol=0.05, rtol=0)
    assert list(found.losses["step"]) == list(range(81))
    assert found.losses["train"].min() == found.losses["train"][found.best_step]
    expected = squares(torch.zeros(4), list(range(12)), 0).mean()
    assert found.losses["train"][0] == pytest.approx(float(expected), rel=1e-5)


def test_on_a_sphere_the_nearest_point_is_found() -> None:
    avoided = torch.tensor([1.0, 0.0, 0.0, 0.0])
    among = sphere(2.0, [avoided], torch.zeros(4))
    start = among.start(torch.Generator().manual_seed(0))
    found = trained(start=start, rows=[0], sphere=among, how=fit(steps=200)).vector
    nearest = torch.tensor([0.0, -1.0, 0.5, 2.0])
    torch.testing.assert_close(found, nearest * 2 / nearest.norm(), atol=1e-2, rtol=0)
    assert float(found.norm()) == pytest.approx(2.0, rel=1e-5)


def test_it_stops_when_held_out_loss_stands_still_and_keeps_the_best() -> None:
    # What is held out wants the vector only half way to where training goes.
    def score(vector: Tensor, index: list[int]) -> Tensor:
        return (vector - TARGET / 2).square().sum().expand(len(index))

    found = trained(
        lambda v, index, step: (v - TARGET).square().sum().expand(len(index)),
        rows=[0, 1],
        held_out=[2],
        score=score,
        how=fit(steps=200, learning_rate=0.05),
    )
    judged = found.losses.set_index("step")["held_out"].dropna()
    assert found.best_step == judged.idxmin()
    assert 0 < found.best_step < found.stopped_at < 200
    assert found.stopped_at == found.best_step + 3 * 5
    assert float(score(found.vector, [2])) == pytest.approx(judged.min(), rel=1e-5)
    with pytest.raises(DataError, match="never fell below"):
        trained(rows=[0], held_out=[1], score=lambda v, index: v.square().sum().expand(len(index)))


def test_without_a_rate_the_methods_own_is_taken() -> None:
    own = trained(how=fit(steps=2, learning_rate=None))
    given = trained(how=fit(steps=2, learning_rate=1.0))
    assert torch.equal(own.vector, given.vector)
    assert not torch.equal(own.vector, trained(how=fit(steps=2)).vector)


def test_every_example_is_drawn_before_any_comes_again() -> None:
    drawn: list[int] = []

    def loss(vector: Tensor, index: list[int], step: int) -> Tensor:
        drawn.extend(index)
        return vector.sum().expand(len(index))

    trained(loss, how=fit(steps=5, batch_size=2))
    assert len(drawn) == 12
    assert sorted(drawn) == list(range(12))


def test_memory_that_runs_out_changes_nothing() -> None:
    def narrow(vector: Tensor, index: list[int], step: int) -> Tensor:
        if len(index) > 1:
            raise torch.OutOfMemoryError
        return squares(vector, index, step)

    both = [trained(loss, how=fit(steps=5)).vector for loss in (squares, narrow)]
    torch.testing.assert_close(*both)
    assert list(halving(len, [1])) == [([1], 1)]


def test_a_loss_that_is_not_finite_names_its_step() -> None:
    def loss(vector: Tensor, index: list[int], step: int) -> Tensor:
        return vector.sum().expand(len(index)) * (math.nan if step == 3 else 1)

    with pytest.raises(NonFiniteError, match=r"step 3: the loss .* Lower learning_rate"):
        trained(loss, rows=[0])
    with pytest.raises(NonFiniteError, match="step 0: the gradient"):
        trained(lambda v, i, s: v.abs().sqrt().sum()[None], rows=[0])
    with pytest.raises(NonFiniteError, match="step 0: the held-out loss"):
        trained(rows=[0], held_out=[1], score=lambda v, index: v.sum()[None] * math.nan)
    with pytest.raises(SteerError, match="does not depend on the vector"):
        trained(lambda v, i, s: torch.ones(1), rows=[0])


@pytest.mark.parametrize("name", ["steps", "batch_size", "patience", "every", "learning_rate"])
@pytest.mark.parametrize("value", [0, -1])
def test_numbers_out_of_range_are_refused(name: str, value: int) -> None:
    with pytest.raises(SteerError, match=f"{name}={value}"):
        fit(**{name: value})
    with pytest.raises(SteerError, match="learning_rate=nan"):
        fit(learning_rate=math.nan)


def test_examples_are_split_by_the_seed() -> None:
    quarter = fit(held_out=0.25)
    kept, apart = split(10, quarter)
    assert len(apart) == 2
    assert sorted(kept + apart) == list(range(10))
    assert split(10, quarter) == (kept, apart) != split(10, fit(held_out=0.25, seed=1))
    assert split(3, fit(held_out=0.01))[1] != []
    assert split(3, fit(held_out=0)) == ([0, 1, 2], [])
    with pytest.raises(DataError, match="leaves none to train on"):
        split(1, fit(held_out=0.2))
    for share in (-0.1, 1.0, math.nan):
        with pytest.raises(SteerError, match="held_out="):
            fit(held_out=share)


def test_the_callers_random_numbers_are_left_alone() -> None:
    torch.manual_seed(5)
    state = torch.get_rng_state()
    sphere(1.0, [], torch.zeros(4)).start(torch.Generator().manual_seed(0))
    split(10, fit())
    trained(how=fit(steps=2, batch_size=5))
    assert torch.equal(torch.get_rng_state(), state)


def test_a_trained_direction_draws_its_training() -> None:
    losses = pd.DataFrame({"step": [0, 1], "train": [2.0, 1.0], "held_out": [2.0, math.nan]})
    made = direction(shared_model("bridge", "llama"), "blocks.1.hook_resid_post")
    drawn = TrainedDirection(made, losses, best_step=0, stopped_at=1).plot()
    assert figure_png(drawn) == figure_png(training_curve(losses))


def test_a_curve_has_a_line_for_each_vector() -> None:
    def lines(frame: pd.DataFrame) -> Iterator[str]:
        (axes,) = training_curve(frame).axes
        return (str(line.get_label()) for line in axes.get_lines())

    one = pd.DataFrame({"step": [0, 1], "train": [2.0, 1.0], "held_out": [2.0, math.nan]})
    assert list(lines(one)) == ["trained on", "held out"]
    two = pd.concat([one.assign(vector=1, held_out=math.nan), one.assign(vector=2)])
    assert list(lines(two)) == ["vector 1", "vector 2", "vector 2, held out"]
    for wrong in (one[:0], one.drop(columns="train")):
        with pytest.raises(DataError, match="the frame lacks"):
            training_curve(wrong)
