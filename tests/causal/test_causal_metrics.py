"""What is measured, against the plain model; and what is refused before anything runs."""

from typing import Any

import pytest
import torch
from by_hand import plain_model
from exchange_by_hand import acts_of, at, logits, moved
from making import architecture_of, direction, rows_of, shared_model
from models import tokenizer

import tl_steer as ts
from tl_steer.causal._localization import Localization
from tl_steer.causal._localize import localize
from tl_steer.causal._metrics import Divergence, LogitDifference, LogProbability, ProbeScore
from tl_steer.causal._modes import Denoising, MeanAblation, Noising
from tl_steer.causal._positions import AtPosition, EachPosition
from tl_steer.errors import (
    ArgumentError,
    DataError,
    HookNameError,
    MismatchError,
    NonFiniteError,
    SteerError,
)

PAIRS = ts.ContrastSet(
    ["the film was very good", "a movie", "i loved it so much and the plot"],
    ["the film was very bad", "a plot", "i hated it too much but the story"],
    paired=True,
)
POST, LATER = "blocks.1.hook_resid_post", "blocks.2.hook_resid_post"


def localized(model: Any, metric: Any, contrast: Any = PAIRS, **changes: Any) -> Localization:
    settings = {"at": POST, "prepend_bos": False, "progress": False, **changes}
    return localize(model, contrast, metric, **settings)


def effects_by_hand(model: Any, value: Any) -> list[float]:
    """Of the last token's activation after block 1, exchanged with the partner's."""
    plain, architecture = plain_model(architecture_of(model)), architecture_of(model)
    found = []
    sides = (rows_of(model, PAIRS.negative), rows_of(model, PAIRS.positive))
    for prompt, (base, source) in enumerate(zip(*sides, strict=True)):
        last = len(base) - 1
        given = acts_of(plain, architecture, source, POST)[[last]]
        before = value(plain, architecture, base, prompt)
        with at(plain, architecture, POST, moved(given, [last])):
            found.append(value(plain, architecture, base, prompt) - before)
    return found


def word(text: str) -> int:
    return int(tokenizer()(text)["input_ids"][0])


def test_logit_differences_one_for_each_prompt(model: Any) -> None:
    up, down = ["good", "great", "loved"], ["bad", "awful", "hated"]

    def value(plain: Any, architecture: str, row: Any, prompt: int) -> float:
        last = logits(plain, row)[-1]
        return float(last[word(up[prompt])] - last[word(down[prompt])])

    found = localized(model, LogitDifference(up, down), positions=AtPosition(-1))
    assert found.per_prompt[0].tolist() == pytest.approx(effects_by_hand(model, value), abs=1e-5)

    one = localized(model, LogitDifference(up, "awful is more"), positions=AtPosition(-1))
    down = ["awful"] * 3
    assert one.per_prompt[0].tolist() == pytest.approx(effects_by_hand(model, value), abs=1e-5)


@pytest.mark.parametrize(
    "continuation", ["the end", ["the end", "so", "but the music was too long"]]
)
def test_log_probabilities_of_continuations(model: Any, continuation: Any) -> None:
    texts = [continuation] * 3 if isinstance(continuation, str) else continuation
    following = rows_of(model, texts)

    def value(plain: Any, architecture: str, row: Any, prompt: int) -> float:
        own = following[prompt]
        each = logits(plain, (*row, *own)).log_softmax(-1)[len(row) - 1 : -1]
        return sum(float(each[place, token]) for place, token in enumerate(own))

    found = localized(model, LogProbability(continuation), positions=AtPosition(-1))
    assert found.per_prompt[0].tolist() == pytest.approx(effects_by_hand(model, value), abs=1e-5)
    # What follows is not exchanged, whatever is.
    everything = localized(model, LogProbability(continuation), at="blocks.0.hook_resid_pre")
    assert everything.frame["share"][0] == pytest.approx(1, abs=1e-3)


def test_divergence_from_the_base_run(model: Any) -> None:
    plain, architecture = plain_model(architecture_of(model)), architecture_of(model)
    base = {row: logits(plain, row)[-1] for row in rows_of(model, PAIRS.negative)}

    def value(plain: Any, architecture: str, row: Any, prompt: int) -> float:
        before, now = (each.log_softmax(-1) for each in (base[row], logits(plain, row)[-1]))
        return float(torch.nn.functional.kl_div(now, before, reduction="sum", log_target=True))

    found = localized(model, Divergence(), positions=AtPosition(-1))
    expected = effects_by_hand(model, value)
    assert found.per_prompt[0].tolist() == pytest.approx(expected, rel=1e-4, abs=1e-6)
    assert found.baseline.tolist() == pytest.approx([0] * 3, abs=1e-6)
    assert min(expected) > 0
    whole = [
        float(
            torch.nn.functional.kl_div(
                logits(plain, source)[-1].log_softmax(-1),
                base[row].log_softmax(-1),
                reduction="sum",
                log_target=True,
            )
        )
        for row, source in zip(base, rows_of(model, PAIRS.positive), strict=True)
    ]
    assert found.whole == pytest.approx(sum(whole) / 3, rel=1e-4)
    assert architecture in ("llama", "gpt2")


def test_the_score_of_a_probe(model: Any) -> None:
    probe = direction(model, LATER)

    def value(plain: Any, architecture: str, row: Any, prompt: int) -> float:
        acts = acts_of(plain, architecture, row, LATER)[-1]
        return float(acts @ probe.vector / probe.norm)

    found = localized(model, ProbeScore(probe), positions=AtPosition(-1))
    assert found.per_prompt[0].tolist() == pytest.approx(effects_by_hand(model, value), abs=1e-5)


def test_a_function_of_ones_own(model: Any) -> None:
    weights = torch.tensor([1.0, -2.0, 0.5])

    def mine(given: torch.Tensor, prompts: torch.Tensor) -> torch.Tensor:
        assert given.dtype == torch.float32
        return weights[prompts] * given[:, 4]

    def value(plain: Any, architecture: str, row: Any, prompt: int) -> float:
        return float(weights[prompt] * logits(plain, row)[-1, 4])

    found = localized(model, mine, positions=AtPosition(-1), max_tokens=9)
    assert found.per_prompt[0].tolist() == pytest.approx(effects_by_hand(model, value), abs=1e-5)


UNPAIRED = ts.ContrastSet(PAIRS.positive, PAIRS.negative)
UNEQUAL = ts.ContrastSet(["the film was good", "a movie"], ["the film was bad", "the long movie"])
UNEQUAL_PAIRS = ts.ContrastSet(UNEQUAL.positive, UNEQUAL.negative, paired=True)
METRIC = LogitDifference("good", "bad")


@pytest.mark.parametrize(
    ("metric", "changes", "error", "says"),
    [
        (METRIC, {"at": "blocks.9.hook_mlp_out"}, HookNameError, "this model has blocks 0 to"),
        (METRIC, {"at": []}, HookNameError, "Expected a hook name"),
        (METRIC, {"contrast": UNPAIRED}, DataError, "no pairs, so no text has a partner"),
        (METRIC, {"contrast": UNEQUAL_PAIRS}, DataError, "pair 1: its texts have 2 and 3|3 and 2"),
        (
            METRIC,
            {"contrast": UNEQUAL_PAIRS, "positions": EachPosition()},
            DataError,
            "from_end=True",
        ),
        (METRIC, {"positions": AtPosition(30)}, DataError, "No prompt has a token"),
        (METRIC, {"positions": lambda n: {0: [n]}}, SteerError, "Expected some from 0 to 4"),
        (METRIC, {"max_tokens": 0}, SteerError, "max_tokens=0"),
        (LogitDifference("good", "good film"), {}, DataError, "begin with the same token"),
        (LogitDifference(["good"] * 2, "bad"), {}, DataError, "Got 2 answers and 3 prompts"),
        (LogitDifference("good", " "), {}, DataError, "1 of 1 texts are empty"),
        (LogProbability(["so", "so"]), {}, DataError, "Got 2 continuations and 3 prompts"),
        (LogProbability("film " * 60), {}, DataError, "context holds 64"),
        ("good", {}, ArgumentError, "expected a metric or a function .*, got 'good'"),
    ],
)
def test_wrong_input_is_refused_before_the_model_runs(
    metric: Any, changes: dict[str, Any], error: type[Exception], says: str
) -> None:
    model = shared_model("bridge", "llama")

    def runs(acts: Any, hook: Any) -> None:
        pytest.fail("the model ran")

    with (
        model.hooks(fwd_hooks=[("blocks.0.hook_resid_pre", runs)]),
        pytest.raises(error, match=says),
    ):
        localized(model, metric, **changes)


def test_directions_and_means_must_fit(model: Any) -> None:
    probe = direction(model, POST)
    for at_name in (POST, LATER):
        with pytest.raises(HookNameError, match="does not come after it"):
            localized(model, ProbeScore(probe), at=at_name)
    acts = ts.capture(model, PAIRS, at=POST, prepend_bos=False, progress=False)
    for mode in (Denoising(acts), Noising(acts), MeanAblation(acts)):
        with pytest.raises(HookNameError, match="were not captured there"):
            localized(model, METRIC, at=LATER, mode=mode)
    other = "gpt2" if architecture_of(model) == "llama" else "llama"
    foreign = shared_model("bridge", other)
    theirs = ts.capture(foreign, PAIRS, at=POST, prepend_bos=False, progress=False)
    with pytest.raises(MismatchError, match="of another model"):
        localized(model, METRIC, mode=Denoising(theirs))
    with pytest.raises(MismatchError, match="another model"):
        localized(model, METRIC, along=direction(foreign, POST))
    with pytest.raises(MismatchError, match="another model"):
        localized(model, ProbeScore(direction(foreign, LATER)))
    with pytest.raises(MismatchError, match="numbers a token"):
        localized(model, METRIC, at=[POST, "blocks.0.attn.hook_z"], along=probe)
    with pytest.raises(HookNameError, match="no direction was read there"):
        localized(model, METRIC, along=ts.Directions({LATER: direction(model, LATER)}))
    with pytest.raises(NonFiniteError, match="no component along it"):
        localized(model, METRIC, along=probe * 0)


def test_metrics_that_give_no_numbers_are_refused(model: Any) -> None:
    for wrong in (lambda given, _: given, lambda given, _: 1.0, lambda given, _: given.argmax(-1)):
        with pytest.raises(SteerError, match="one floating-point number for each of the 3 rows"):
            localized(model, wrong)

    def spoilt(given: torch.Tensor, prompts: torch.Tensor) -> torch.Tensor:
        return given[:, 0].where(prompts != 1, torch.nan)

    with pytest.raises(NonFiniteError, match="for prompt 1: 'a plot'"):
        localized(model, spoilt)
