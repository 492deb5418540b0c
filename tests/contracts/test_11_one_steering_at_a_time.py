"""Contract 11: two threads or tasks that steer one model at once are refused, never mixed."""

import asyncio
import gc
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from making import SITES, direction, generated_by_us, hooks_of, logits_of, own_model

import tl_steer as ts
from tl_steer.errors import SteerError
from tl_steer.lens import holding
from tl_steer.lens.hook_points import attached

REFUSED = "is being steered or read by another thread"


@pytest.fixture
def elsewhere() -> Iterator[Callable[..., Any]]:
    """Runs something in another thread, always the same one."""
    with ThreadPoolExecutor(1) as pool:
        yield lambda function, *args: pool.submit(function, *args).result()


def steering(model: Any, scope: Any = ts.everywhere, strength: float = 2.0) -> ts.Steering:
    return ts.Steering(ts.Add(direction(model, SITES[2]), strength, scope=scope))


def calls(model: Any) -> dict[str, Callable[[], Any]]:
    """Whatever runs the model."""
    texts = ts.ContrastSet(["a film", "the movie"], ["a plot", "the end"], paired=True)
    metric = ts.causal.LogitDifference("good", "bad")
    return {
        "steer": ts.steer(model, steering(model)).start,
        "generate": lambda: generated_by_us(model),
        "steered generate": lambda: generated_by_us(model, steering=steering(model)),
        "capture": lambda: ts.capture(model, texts, at=SITES[2], progress=False),
        "logits": lambda: logits_of(model),
        "patching": lambda: ts.localize(model, texts, metric, at=SITES[2], progress=False),
    }


@pytest.mark.parametrize("scope", [ts.everywhere, ts.generated], ids=lambda scope: scope.__name__)
def test_a_block_refuses_other_threads(model: Any, scope: Any, elsewhere: Any) -> None:
    before = hooks_of(model)
    with ts.steer(model, steering(model, scope)):
        for name, call in calls(model).items():
            with pytest.raises(SteerError, match=REFUSED):
                elsewhere(call)
            assert name
        # The model's own calls are noticed where they come to a hook.
        with pytest.raises(SteerError, match=REFUSED), torch.no_grad():
            elsewhere(model, "the film was")
        expected = generated_by_us(model)
    assert hooks_of(model) == before
    assert elsewhere(lambda: generated_by_us(model, steering=steering(model, scope))) == expected


def test_two_threads_that_steer(model: Any) -> None:
    """The one gets its text, and the other a sentence; together they begin at a barrier."""
    before, barrier = hooks_of(model), threading.Barrier(2)
    alone = {strength: texts_of(model, strength) for strength in (3.0, -3.0)}

    def run(strength: float) -> Any:
        barrier.wait()
        try:
            return strength, texts_of(model, strength)
        except SteerError as error:
            return strength, str(error)

    with ThreadPoolExecutor(2) as pool:
        found = [each for _ in range(8) for each in pool.map(run, (3.0, -3.0))]
    for strength, text in found:
        assert text == alone[strength] or REFUSED in text
    assert hooks_of(model) == before


def texts_of(model: Any, strength: float) -> Any:
    return generated_by_us(model, steering=steering(model, strength=strength))


def test_a_pass_that_is_on_its_way_is_not_mixed(model: Any, elsewhere: Any) -> None:
    """While the first thread is in a pass, another one begins and ends a block."""
    refused = []

    def meanwhile(acts: torch.Tensor, hook: Any) -> None:
        with pytest.raises(SteerError, match=REFUSED) as error:
            elsewhere(ts.steer(model, steering(model)).start)
        refused.append(error)

    expected = logits_of(model)
    with attached(model, {SITES[1]: meanwhile}):
        assert torch.equal(logits_of(model), expected)
    assert refused


def test_hooks_by_hand_belong_to_a_thread(model: Any, elsewhere: Any) -> None:
    hooks = steering(model, ts.prompt).fwd_hooks(model)
    with torch.no_grad():
        expected = model.run_with_hooks("the film was", fwd_hooks=hooks)
        with pytest.raises(SteerError, match=REFUSED):
            elsewhere(lambda: model.run_with_hooks("the film was", fwd_hooks=hooks))
        # Where they do not act, nothing is in the way, and nobody's text is mixed up.
        elsewhere(lambda: model("a movie"))
        assert torch.equal(model.run_with_hooks("the film was", fwd_hooks=hooks), expected)


def test_blocks_nest_in_one_thread(model: Any) -> None:
    both = ts.Steering(*(steering(model, strength=each).active[0] for each in (1.0, 2.0)))
    with ts.steer(model, both):
        expected = logits_of(model)
    with ts.steer(model, steering(model, strength=1.0)):
        with ts.steer(model, steering(model, strength=2.0)):
            assert torch.equal(logits_of(model), expected)
            assert ts.capture(model, ["a film"], at=SITES[2], progress=False)
        generated_by_us(model)


def test_the_same_block_is_not_started_twice(model: Any) -> None:
    block = ts.steer(model, steering(model))
    with block:
        with pytest.raises(SteerError, match=r"already entered\. Make another"):
            block.start()
        with pytest.raises(SteerError, match=r"already entered\. Make another"), block:
            pass
        logits_of(model)
    with block:
        logits_of(model)


def test_what_fails_to_begin_lets_go(model: Any, elsewhere: Any) -> None:
    refused = ts.Steering(ts.Add(direction(model, SITES[2])))
    block = ts.steer(model, refused)
    block.steering = ts.Steering(ts.Add(direction(model, SITES[2]), at="blocks.9.hook_resid_post"))
    with pytest.raises(KeyError):
        block.start()
    with pytest.raises(RuntimeError, match="on purpose"), ts.steer(model, refused):
        raise RuntimeError("on purpose")
    elsewhere(lambda: generated_by_us(model))


def test_what_an_ended_thread_left_open(model: Any) -> None:
    """It goes on to act, and whoever has the block may end it."""
    before = hooks_of(model)
    block = ts.steer(model, steering(model))
    thread = threading.Thread(target=block.start)
    thread.start()
    thread.join()
    with ts.steer(model, steering(model)):
        expected = logits_of(model)
        block.remove()
        assert not torch.equal(logits_of(model), expected)
    assert hooks_of(model) == before


def test_two_tasks(model: Any) -> None:
    async def open_for_a_while(opened: asyncio.Event, done: asyncio.Event) -> None:
        with ts.steer(model, steering(model)):
            opened.set()
            await done.wait()
            logits_of(model)

    async def main() -> None:
        opened, done = asyncio.Event(), asyncio.Event()
        other = asyncio.create_task(open_for_a_while(opened, done), name="the first")
        await opened.wait()
        for call in calls(model).values():
            with pytest.raises(SteerError, match="by another task 'the first'"):
                call()
        with pytest.raises(SteerError, match="by another task 'the first'"), torch.no_grad():
            model("the film was")
        done.set()
        await other
        generated_by_us(model, steering=steering(model))

    asyncio.run(main())


def test_cells_of_a_notebook(model: Any) -> None:
    """Each is a task of its own, and what one of them starts another may use and end."""
    live = ts.steer(model, steering(model))
    plain = logits_of(model)

    async def cell(run: Callable[[], Any]) -> Any:
        return run()

    async def notebook() -> None:
        await asyncio.create_task(cell(live.start))
        assert not torch.equal(await asyncio.create_task(cell(lambda: logits_of(model))), plain)
        await asyncio.create_task(cell(live.remove))
        assert torch.equal(await asyncio.create_task(cell(lambda: logits_of(model))), plain)

    asyncio.run(notebook())


def test_two_models_are_steered_at_once(elsewhere: Any) -> None:
    first, second = own_model("bridge", "gpt2"), own_model("bridge", "gpt2")
    expected = generated_by_us(second, steering=steering(second))
    with ts.steer(first, steering(first)):
        assert elsewhere(lambda: generated_by_us(second, steering=steering(second))) == expected


def test_nothing_is_kept_of_a_model() -> None:
    model = own_model("bridge", "gpt2")
    generated_by_us(model, steering=steering(model))
    gc.collect()
    known = len(holding._held)
    del model
    gc.collect()
    assert len(holding._held) == known - 1


def test_a_backward_pass_may_run_the_model_again(elsewhere: Any) -> None:
    """As a gradient checkpoint does on a GPU, in a thread of torch's own."""
    there = elsewhere(holding.Here.now)
    asked = []

    class Asks(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
            asked.append(there.is_here)
            return gradient

    x = torch.ones(1, requires_grad=True)
    Asks.apply(x).sum().backward()
    assert asked == [True]
    assert not there.is_here
