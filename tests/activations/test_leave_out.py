from functools import cache
from typing import Any

import pytest
import torch
from models import WORDS, hf_gpt2, hf_llama, small_model, tokenizer

import tl_steer as ts
from tl_steer.activations._leave_out import norms_of
from tl_steer.directions import DominatedDirectionWarning
from tl_steer.errors import DataError, SteerError
from tl_steer.lens.loading import wrap
from tl_steer.lens.tokens import pad

cached_model = cache(small_model)
AT = "blocks.1.hook_resid_post"
SINK, DIMENSION = "actor", 5
TEXTS = ["the film was great", "a dull movie", "i saw it and you hated this long story so much"]


@cache
def model_with_sink(architecture: str) -> Any:
    """A model in which one word has 50 times the norm of the others, in one dimension."""
    made: Any = {"llama": hf_llama, "gpt2": hf_gpt2}[architecture]()
    weights = made.get_input_embeddings().weight
    with torch.no_grad():
        weights[WORDS.index(SINK) + 3] = 0
        weights[WORDS.index(SINK) + 3, DIMENSION] = 500.0
    return wrap(made, tokenizer(), name=f"sink-{architecture}", device="cpu")


def acts_alone(model: Any, text: str, at: str = AT, *, prepend_bos: bool = False) -> torch.Tensor:
    ids = model.tokenizer(text, add_special_tokens=False)["input_ids"]
    tokens = torch.tensor([[model.tokenizer.bos_token_id] * prepend_bos + ids])
    _, found = model.run_with_cache(tokens, names_filter=at)
    return found[at][0].detach()


def reasons(found: ts.Activations, at: str = AT) -> dict[str, int]:
    return {str(reason): int(count) for reason, count in found.left_out.loc[at].items()}


@pytest.mark.parametrize(
    ("leave_out", "prepend_bos", "kept_from", "counts"),
    [
        (ts.activations.LeaveOut(), False, 1, {"bos": 0, "first": 3, "massive": 0}),
        (ts.activations.LeaveOut(first=False), False, 0, {"bos": 0, "first": 0, "massive": 0}),
        # The beginning-of-text token is the first position then, and counts once.
        (ts.activations.LeaveOut(), True, 1, {"bos": 3, "first": 0, "massive": 0}),
        (ts.activations.LeaveOut(first=False), True, 1, {"bos": 3, "first": 0, "massive": 0}),
        (ts.activations.LeaveOut(bos=False), True, 0, {"bos": 0, "first": 0, "massive": 0}),
        (ts.activations.LeaveOut(bos=False, first=False, massive=None), True, 0,
         {"bos": 0, "first": 0, "massive": 0}),
    ],
)  # fmt: skip
def test_what_is_left_out_is_left_out_and_counted(
    leave_out: ts.activations.LeaveOut, prepend_bos: bool, kept_from: int, counts: dict[str, int]
) -> None:
    model = cached_model("bridge")
    found = ts.capture(
        model, TEXTS, at=AT, leave_out=leave_out, prepend_bos=prepend_bos, progress=False
    )
    assert reasons(found) == counts
    alone = [acts_alone(model, text, prepend_bos=prepend_bos)[kept_from:] for text in TEXTS]
    expected = torch.stack([acts.mean(0) for acts in alone])
    torch.testing.assert_close(found[AT], expected, rtol=1e-4, atol=1e-5)
    mean_norm = float(torch.cat(alone).norm(dim=-1).mean())
    assert found.norms[AT] == pytest.approx(mean_norm, rel=1e-4)


def test_a_bos_token_is_told_by_its_id_and_place() -> None:
    model = cached_model("bridge")
    bos = model.tokenizer.bos_token_id
    batch = pad([(bos, 9, 9), (9, bos)], side="right", pad_id=bos)
    found = ts.activations.LeaveOut().by_position(model, batch)
    assert found["bos"].tolist() == [[True, False, False], [False, False, False]]
    assert found["first"].tolist() == [[False, False, False], [True, False, False]]


def test_norms_over_the_ratio_are_massive() -> None:
    norms = torch.tensor([[1.0, 19.9, 20.0, 20.1, 1e6]])
    found = ts.activations.LeaveOut(massive=10.0).by_norm(norms, 2.0)
    assert found.tolist() == [[False, False, False, True, True]]
    assert not ts.activations.LeaveOut(massive=None).by_norm(norms, 2.0).any()


def test_norms_are_taken_over_all_axes_in_float32() -> None:
    acts = torch.full((1, 2, 4, 8), 200.0, dtype=torch.float16)  # squares overflow in float16
    torch.testing.assert_close(norms_of(acts), torch.full((1, 2), 200 * 32**0.5))


@pytest.mark.parametrize("massive", [1.0, 0.0, -3.0, float("nan")])
def test_a_ratio_that_would_take_ordinary_tokens_is_refused(massive: float) -> None:
    with pytest.raises(SteerError, match="a number over 1 \\(in median norms\\) or None"):
        ts.activations.LeaveOut(massive=massive)


SINK_SET = ts.ContrastSet(
    positive=[f"the film was {SINK} great", "i loved this bright movie", "good music and plot"],
    negative=["the film was too awful", "you hated this dull movie", "bad music and plot"],
    name="with a sink",
)


@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_a_massive_token_is_left_out_counted_and_reported(architecture: str) -> None:
    model = model_with_sink(architecture)
    found = ts.capture(model, SINK_SET, at="blocks.*.hook_resid_post", progress=False)
    assert found.left_out["massive"].tolist() == [1] * model.cfg.n_layers
    acts = acts_alone(model, SINK_SET.texts[0])
    kept = acts[[1, 2, 4]]
    torch.testing.assert_close(found[AT][0], kept.mean(0), rtol=1e-4, atol=1e-4)
    assert "6 first, 1 massive" in repr(found)
    joy = ts.mean_difference(found)[AT]
    assert joy.provenance.left_out == "6 first, 1 massive"
    shares = joy.vector**2 / joy.norm**2
    assert float(shares.max()) < 0.5


def test_a_massive_token_that_is_kept_dominates_and_a_warning_says_so() -> None:
    found = ts.capture(
        model_with_sink("llama"), SINK_SET, at="blocks.*.hook_resid_post",
        leave_out=ts.activations.LeaveOut(massive=None), progress=False,
    )  # fmt: skip
    assert found.left_out["massive"].sum() == 0
    with pytest.warns(DominatedDirectionWarning, match=rf"{AT} \(dimension {DIMENSION}: \d+%\)"):
        joy = ts.mean_difference(found)
    assert int(joy[AT].vector.abs().argmax()) == DIMENSION


def test_the_last_token_is_one_before_a_massive_one() -> None:
    model = model_with_sink("llama")
    text = f"the film was great {SINK}"
    found = ts.capture(model, [text, *TEXTS], at=AT, read=ts.LastToken(), progress=False)
    torch.testing.assert_close(found[AT][0], acts_alone(model, text)[3], rtol=1e-4, atol=1e-4)


def test_a_massive_token_at_the_first_position_counts_once() -> None:
    texts = [f"{SINK} was great", *TEXTS]
    found = ts.capture(model_with_sink("llama"), texts, at=AT, progress=False)
    assert reasons(found) == {"bos": 0, "first": 4, "massive": 0}


def test_a_massive_token_is_read_where_it_is_asked_for() -> None:
    model = model_with_sink("llama")
    text = f"the {SINK} was great"
    found = ts.capture(model, [text, *TEXTS], at=AT, read=ts.activations.TokenAt(1), progress=False)
    torch.testing.assert_close(found[AT][0], acts_alone(model, text)[1], rtol=1e-4, atol=1e-2)


def test_a_text_of_nothing_else_is_named_with_the_hook_point() -> None:
    texts = [*TEXTS, f"the {SINK}"]
    with pytest.raises(DataError, match=rf"text 3 has no token left to read at {AT}: 'the actor'"):
        ts.capture(model_with_sink("llama"), texts, at=AT, progress=False)


@pytest.mark.parametrize("massive", [None, 10.0])
def test_an_infinite_activation_is_no_sink(massive: float | None) -> None:
    """It is an overflow, and must be heard of."""
    made = hf_llama()
    with torch.no_grad():
        made.get_input_embeddings().weight[WORDS.index(SINK) + 3, DIMENSION] = float("inf")
    model = wrap(made, tokenizer(), name="overflowing", device="cpu")
    with pytest.raises(SteerError, match=r"blocks.0.hook_resid_pre: .*NaN or infinity"):
        ts.capture(
            model, [f"the film was {SINK} great", *TEXTS], at="blocks.0.hook_resid_pre",
            leave_out=ts.activations.LeaveOut(massive=massive), progress=False,
        )  # fmt: skip
