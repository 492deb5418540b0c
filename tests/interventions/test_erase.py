import math
from functools import cache
from importlib.util import find_spec
from typing import Any

import pytest
import torch
from activations_of import few_dimensions
from making import SCOPES, generated_by_model, generated_by_us, logits_of, shared_model
from models import KINDS

import tl_steer as ts
from tl_steer.directions import LeaceEraser, Provenance, leace
from tl_steer.errors import MismatchError, NonFiniteError, SteerError
from tl_steer.interventions import check_fits, n_rows, rows
from tl_steer.interventions._erase import Erase
from tl_steer.interventions._protocol import Intervention
from tl_steer.lens.hook_names import site_shape
from tl_steer.lens.protocol import model_info

pytestmark = few_dimensions

AT, Z = "blocks.1.hook_resid_post", "blocks.2.attn.hook_z"
TEXTS = ts.ContrastSet(
    ["the film was great", "i loved this bright and good movie", "good music", "a great plot"],
    ["the film was awful", "you hated the dull movie very much", "bad acting", "a bad scene"],
)


def erasure(model: Any, name: str, seed: int = 0) -> LeaceEraser:
    """Of random parts; made without `concept-erasure`."""
    shape = site_shape(model, name)
    vector, reads, mean = torch.randn(3, *shape, generator=torch.Generator().manual_seed(seed))
    direction = ts.Direction(vector, name, 3.0, Provenance(model_info(model), "random"))
    return LeaceEraser(direction, reads / (reads * vector).sum(), mean)


@cache
def both_places(kind: str) -> tuple[Any, ts.Steering]:
    model = shared_model(kind, "llama")
    return model, ts.Steering(*(Erase(erasure(model, name)) for name in (AT, Z)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("name", [AT, Z])
def test_it_is_the_affine_map(name: str, dtype: torch.dtype) -> None:
    given = erasure(shared_model("bridge", "llama"), name)
    acts = torch.randn(2, 3, *given.mean.shape, dtype=dtype)
    found = Erase(given).edit()(acts, torch.tensor([[0.7]]), None)
    assert found.dtype == dtype
    assert found.shape == acts.shape
    v, r, mu = (each.flatten().double() for each in (given.direction.vector, given.reads,
                                                     given.mean))  # fmt: skip
    h = acts.flatten(2).double()
    expected = h - 0.7 * torch.einsum("bpd,d,e->bpe", h - mu, r, v)
    tolerance = 0.05 if dtype == torch.bfloat16 else 1e-4
    torch.testing.assert_close(found.flatten(2).double(), expected, rtol=tolerance, atol=tolerance)


def test_erased_twice_is_erased_once() -> None:
    edit, whole = Erase(erasure(shared_model("bridge", "llama"), AT)).edit(), torch.ones(1, 1)
    once = edit(torch.randn(2, 3, 32), whole, None)
    torch.testing.assert_close(edit(once, whole, None), once, rtol=1e-3, atol=1e-3)


@pytest.mark.skipif(find_spec("concept_erasure") is None, reason="needs concept-erasure")
@pytest.mark.parametrize("kind", KINDS)
def test_the_classes_have_one_mean_in_the_steered_model(kind: str) -> None:
    model = shared_model(kind, "llama")
    acts = ts.capture(model, TEXTS, at=[AT, Z], progress=False)
    # Each of a model that nothing else is erased from.
    for name, fitted in leace(acts).items():
        with ts.steer(model, Erase(fitted)):
            after = ts.capture(model, TEXTS, at=name, progress=False)
        torch.testing.assert_close(*after.means(name), rtol=1e-3, atol=1e-4)
        assert (acts.means(name)[0] - acts.means(name)[1]).norm() > 0.1


def test_it_is_an_intervention_for_any_rows() -> None:
    erase = Erase(erasure(shared_model("bridge", "llama"), AT))
    assert isinstance(erase, Intervention)
    assert n_rows(erase) is None
    of_rows = Erase(erase.erasure, [1.0, 2.0])
    assert n_rows(of_rows) == 2
    assert torch.as_tensor(rows(of_rows, [1]).strength).tolist() == [2.0]
    assert erase.hook_name == AT


@pytest.mark.parametrize("kind", KINDS)
def test_strength_zero_is_nothing(kind: str) -> None:
    model = shared_model(kind, "llama")
    before = logits_of(model)
    none = Erase(erasure(model, AT), 0.0)
    with ts.steer(model, none):
        assert torch.equal(logits_of(model), before)
    with ts.steer(model, Erase(erasure(model, AT), 1.0)):
        assert not torch.equal(logits_of(model), before)
    assert torch.equal(logits_of(model), before)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scope", SCOPES)
def test_neither_cache_nor_batch_matter(kind: str, scope: str) -> None:
    model = shared_model(kind, "llama")
    steering = ts.Steering(
        *(Erase(erasure(model, name), scope=SCOPES[scope][0]) for name in (AT, Z))
    )
    texts = ("the film was very good", "a movie")
    together = generated_by_us(model, texts, steering)
    for text, expected in zip(texts, together, strict=True):
        assert generated_by_us(model, [text], steering) == [expected]
        with ts.steer(model, steering):
            for cache in (True, False):
                found = generated_by_model(model, text, prepend_bos=False, use_past_kv_cache=cache)
                assert found == [expected]


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_does_not_depend_on_the_rows_beside(kind: str) -> None:
    model, steering = both_places(kind)
    with ts.steer(model, steering):
        together = logits_of(model)
        alone = logits_of(
            model, [" ".join(["i", "loved", "it", "so", "much", "and", "the", "plot"])]
        )
    torch.testing.assert_close(together[2], alone[0], rtol=1e-4, atol=1e-4)


def test_what_it_was_not_fitted_to_is_refused() -> None:
    model, other = shared_model("bridge", "llama"), shared_model("bridge", "gpt2")
    erase = Erase(erasure(model, AT))
    check_fits(erase, model)
    with pytest.raises(MismatchError, match="read from another model"):
        ts.steer(other, erase)


@pytest.mark.parametrize("strength", [math.nan, math.inf, -math.inf])
def test_a_strength_that_is_not_finite_is_refused(strength: float) -> None:
    with pytest.raises(NonFiniteError, match=r"expected a strength, got .* is not finite"):
        Erase(erasure(shared_model("bridge", "llama"), AT), strength)


def test_a_scope_that_is_none_is_refused() -> None:
    given = erasure(shared_model("bridge", "llama"), AT)
    with pytest.raises(SteerError, match="step"):
        Erase(given, scope=slice(0, 4, 2))
    assert Erase(given, scope=slice(0, 4)).scope == ts.Positions(0, 4)
