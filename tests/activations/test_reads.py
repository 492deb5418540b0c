from collections.abc import Sequence
from functools import cache
from typing import Any

import pytest
import torch
from models import small_model

import tl_steer as ts
from tl_steer.activations._reads import Read, TextTokens
from tl_steer.errors import DataError, SteerError

cached_model = cache(small_model)
EVERYTHING = ts.activations.LeaveOut(bos=False, first=False, massive=None)
AT = "blocks.1.hook_resid_post"


def mask(*rows: str) -> torch.Tensor:
    return torch.tensor([[letter == "x" for letter in row] for row in rows])


def text_tokens(
    real: torch.Tensor,
    eligible: torch.Tensor | None = None,
    texts: Sequence[str] = (),
    spans: Sequence[Sequence[tuple[int, int]]] = (),
) -> TextTokens:
    return TextTokens(
        real=real,
        eligible=real if eligible is None else eligible,
        texts=texts or ["…"] * len(real),
        spans=lambda: [list(row) for row in spans],
    )


def acts_alone(text: str, *, prepend_bos: bool = False) -> torch.Tensor:
    """The activations of one text by TransformerLens' own cache, `pos d_model`."""
    model: Any = cached_model("bridge")
    ids = model.tokenizer(text, add_special_tokens=False)["input_ids"]
    tokens = torch.tensor([[model.tokenizer.bos_token_id] * prepend_bos + ids])
    _, found = model.run_with_cache(tokens, names_filter=AT)
    return found[AT][0].detach()


def read(texts: Sequence[str], how: Read, **options: Any) -> torch.Tensor:
    options = {"leave_out": EVERYTHING, **options}
    found = ts.capture(cached_model("bridge"), texts, at=AT, read=how, progress=False, **options)
    return found[AT]


def test_the_last_token_is_the_last_that_is_not_left_out() -> None:
    real, eligible = mask("xxxx", "xxx."), mask(".xx.", "..x.")
    found = ts.LastToken()(text_tokens(real, eligible))
    assert torch.equal(found, mask("..x.", "..x."))


def test_the_mean_and_every_token_take_what_is_not_left_out() -> None:
    tokens = text_tokens(mask("xxx", "xx."), mask(".xx", ".x."))
    assert torch.equal(ts.MeanOfTokens()(tokens), tokens.eligible)
    assert torch.equal(ts.activations.EveryToken()(tokens), tokens.eligible)


@pytest.mark.parametrize(
    ("index", "expected"),
    [(0, ("x...", "x...")), (1, (".x..", ".x..")), (-1, ("...x", ".x..")), (-2, ("..x.", "x..."))],
)
def test_an_index_counts_real_tokens_from_either_end(index: int, expected: Any) -> None:
    tokens = text_tokens(mask("xxxx", "xx.."), mask("....", "...."))
    assert torch.equal(ts.activations.TokenAt(index)(tokens), mask(*expected))


@pytest.mark.parametrize("index", [2, 3, 4, 100, -3, -4, -5, -100])
def test_an_index_that_a_text_lacks_is_named(index: int) -> None:
    tokens = text_tokens(mask("xxxx", "xx.."), texts=["longer", "short"])
    first = "'longer' has 4" if index >= 4 or index < -4 else "'short' has 2"
    with pytest.raises(DataError, match=rf"{first} tokens, so none at index {index}\."):
        ts.activations.TokenAt(index)(tokens)


def test_the_answer_is_the_letter_of_the_last_parenthesis() -> None:
    text = "(A) yes (B) no. Answer: (B)"
    # Tokens: "(A)", " yes", " (", "B", ") no.", " Answer:", " (B", ")".
    spans = [(0, 3), (3, 7), (7, 9), (9, 10), (10, 15), (15, 23), (23, 26), (26, 27)]
    found = ts.activations.AnswerToken()(text_tokens(mask("x" * 8), texts=[text], spans=[spans]))
    assert torch.equal(found, mask("......x."))


def test_an_answer_of_several_tokens_is_read_at_its_end() -> None:
    spans = [(0, 0), (0, 7), (7, 11), (11, 14), (14, 15)]  # a prepended token covers nothing
    tokens = text_tokens(mask("xxxxx"), texts=["answer: yes/no."], spans=[spans])
    assert torch.equal(ts.activations.AnswerToken(r"answer: (\S+)\.")(tokens), mask("...x."))
    # Without a group, the whole match counts.
    assert torch.equal(ts.activations.AnswerToken(r"yes")(tokens), mask("..x.."))


def test_a_text_without_an_answer_is_named() -> None:
    tokens = text_tokens(mask("xx"), texts=["no letter"], spans=[[(0, 2), (2, 9)]])
    with pytest.raises(DataError, match=r"nothing in 'no letter' matches"):
        ts.activations.AnswerToken()(tokens)


@pytest.mark.parametrize("prepend_bos", [False, True])
def test_the_answer_s_vector_is_that_of_its_token(prepend_bos: bool) -> None:
    texts = ["the film is (A) or (B)", "(A)", "it was a very long movie and much too dull (A)"]
    found = read(texts, ts.activations.AnswerToken(), prepend_bos=prepend_bos)
    for vector, text in zip(found, texts, strict=True):
        expected = acts_alone(text, prepend_bos=prepend_bos)[-2]  # before ")"
        torch.testing.assert_close(vector, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("how", "of"),
    [
        (ts.MeanOfTokens(), lambda acts: acts.mean(0)),
        (ts.LastToken(), lambda acts: acts[-1]),
        (ts.activations.TokenAt(0), lambda acts: acts[0]),
        (ts.activations.TokenAt(-2), lambda acts: acts[-2]),
    ],
    ids=["mean", "last", "first", "second last"],
)
def test_vectors_are_what_the_model_s_own_cache_holds(how: Read, of: Any) -> None:
    texts = ["the film was great", "a dull movie", "i saw it and you hated this long story so much"]
    found = read(texts, how)
    expected = torch.stack([of(acts_alone(text)) for text in texts])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_every_token_is_an_example_that_knows_its_text() -> None:
    texts = ["the film was great", "a dull movie", "i saw it"]
    found = ts.capture(
        cached_model("bridge"), texts, at=AT, read=ts.activations.EveryToken(),
        leave_out=EVERYTHING, progress=False, max_tokens=4,
    )  # fmt: skip
    assert found.text_index[AT].tolist() == [0] * 4 + [1] * 3 + [2] * 3
    expected = torch.cat([acts_alone(text) for text in texts])
    torch.testing.assert_close(found[AT], expected, rtol=1e-4, atol=1e-5)


def test_a_function_of_one_s_own_is_as_good() -> None:
    def second_and_third(tokens: TextTokens) -> torch.Tensor:
        positions = torch.arange(tokens.real.shape[1])
        return tokens.real & (positions >= 1) & (positions <= 2)

    texts = ["the film was great", "a dull movie"]
    found = read(texts, second_and_third)
    expected = torch.stack([acts_alone(text)[1:3].mean(0) for text in texts])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_padding_is_never_read() -> None:
    found = read(
        ["the film was great", "a dull movie"], lambda tokens: torch.ones_like(tokens.real)
    )
    torch.testing.assert_close(found[1], acts_alone("a dull movie").mean(0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("how", "came"),
    [
        (lambda tokens: tokens.real.float(), r"torch.float32 of shape \(2, 4\)"),
        (lambda tokens: tokens.real[:, 0], r"torch.bool of shape \(2,\)"),
    ],
)
def test_a_read_that_gives_no_mask_is_refused(how: Any, came: str) -> None:
    with pytest.raises(SteerError, match=rf"{came}. Return a bool mask of shape \(2, 4\)"):
        read(["the film was great", "a dull movie"], how)


def test_an_index_is_read_even_where_it_is_left_out() -> None:
    texts = ["the film was great", "a dull movie"]
    found = read(texts, ts.activations.TokenAt(0), leave_out=ts.activations.LeaveOut())
    expected = torch.stack([acts_alone(text)[0] for text in texts])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        (ts.activations.TokenAt(3), "'a dull movie' has 3 tokens"),
        (ts.activations.AnswerToken(), "nothing in .* matches"),
    ],
)
def test_a_read_that_cannot_be_is_refused_before_the_model_runs(
    how: Read, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "tl_steer.activations._reader.run_to_layer", lambda *args: pytest.fail("the model ran")
    )
    with pytest.raises(DataError, match=words):
        read(["the film was (A)", "a dull movie"], how)
