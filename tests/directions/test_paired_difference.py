from dataclasses import replace

import numpy as np
import pytest
import torch
from activations_of import AT, activations_of, moments_of, two_classes
from models import small_model

import tl_steer as ts
from tl_steer.directions._paired_difference import paired_differences
from tl_steer.errors import DataError, HookNameError

PAIRS = ts.ContrastSet.pairs(
    [("the film was great", "the film was awful"), ("i loved it so much", "i hated it so much"),
     ("good music", "bad music")],
    name="small pairs",
)  # fmt: skip


@pytest.mark.parametrize("shape", [(8,), (2, 4)])
def test_it_is_the_mean_of_the_differences(shape: tuple[int, ...]) -> None:
    positive, negative = two_classes(*shape, n=9, m=9)
    acts = activations_of(positive, negative, paired=True)
    by_pair = [p.double().numpy() - n.double().numpy() for p, n in zip(positive, negative,
                                                                       strict=True)]  # fmt: skip
    found = ts.mean_difference(acts, paired=True)[AT].vector.numpy()
    np.testing.assert_allclose(found, np.mean(by_pair, axis=0), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(paired_differences(acts, AT).numpy(), by_pair, rtol=1e-4, atol=1e-5)


def test_of_pairs_it_is_the_mean_difference() -> None:
    model = small_model("bridge")
    acts = ts.capture(model, PAIRS, at="blocks.*.hook_mlp_out", read=ts.LastToken(), progress=False)
    paired, plain = ts.mean_difference(acts, paired=True), ts.mean_difference(acts)
    for name, each in paired.items():
        assert torch.equal(each.vector, plain[name].vector)
        assert each.provenance.method == "paired mean difference"
        # The differences are those of the texts read one by one.
        alone = [
            [ts.capture(model, [text], at=name, read=ts.LastToken(), progress=False)[name][0]
             for text in texts]
            for texts in (PAIRS.positive, PAIRS.negative)
        ]  # fmt: skip
        expected = torch.stack(alone[0]) - torch.stack(alone[1])
        torch.testing.assert_close(paired_differences(acts, name), expected, rtol=1e-3, atol=1e-4)


def test_pairs_are_found_in_whatever_order_the_vectors_are() -> None:
    positive, negative = two_classes(8, n=5, m=5)
    acts = activations_of(positive, negative, paired=True)
    order = torch.randperm(10, generator=torch.Generator().manual_seed(0))
    shuffled = replace(acts, vectors={AT: acts[AT][order]}, text_index={AT: order})
    assert torch.equal(paired_differences(shuffled, AT), paired_differences(acts, AT))
    assert torch.equal(paired_differences(acts, AT), positive - negative)


@pytest.mark.parametrize("moments", [False, True])
def test_texts_that_are_not_paired_are_refused(moments: bool) -> None:
    acts = activations_of(*two_classes(8, n=5, m=5))
    with pytest.raises(DataError, match=r"not paired\. Capture a ContrastSet\.pairs"):
        ts.mean_difference(moments_of(acts) if moments else acts, paired=True)
    with pytest.raises(DataError, match="Only moments" if moments else "not paired"):
        paired_differences(moments_of(acts) if moments else acts, AT)


@pytest.mark.parametrize("moments_only", [False, True])
def test_several_vectors_of_a_text_are_no_pairs(moments_only: bool) -> None:
    acts = ts.capture(
        small_model("bridge"), PAIRS, at=AT, read=ts.activations.EveryToken(),
        moments_only=moments_only, progress=False,
    )  # fmt: skip
    with pytest.raises(
        DataError, match=rf"{AT}: .* got \d+ positive and \d+ negative vectors of 3 and 3"
    ):
        ts.mean_difference(acts, paired=True)


def test_differences_need_vectors_that_were_captured() -> None:
    acts = activations_of(*two_classes(8, n=5, m=5), paired=True)
    with pytest.raises(DataError, match="Only moments were kept"):
        paired_differences(moments_of(acts), AT)
    with pytest.raises(HookNameError, match="was not captured"):
        paired_differences(acts, "blocks.0.hook_mlp_out")
