"""KL of log-probabilities: as torch has it, and never zero for what is not a number."""

import math

import torch
from torch.distributions import Categorical
from torch.distributions.kl import kl_divergence as of_torch

from tl_steer.statistics import kl_divergence


def test_it_is_that_of_torch() -> None:
    p, q = torch.randn(2, 5, 9, generator=torch.Generator().manual_seed(0)).log_softmax(-1)
    expected = of_torch(Categorical(logits=p), Categorical(logits=q))
    torch.testing.assert_close(kl_divergence(p, q), expected)
    assert kl_divergence(p, p).tolist() == [0.0] * 5


def test_what_is_ruled_out_counts_nothing() -> None:
    p = torch.tensor([0.0, 1.0]).log()
    q = torch.tensor([0.5, 0.5]).log()
    assert float(kl_divergence(p, q)) == torch.tensor(2.0).log()
    assert float(kl_divergence(q, p)) == math.inf
    assert float(kl_divergence(p, p)) == 0


def test_what_is_no_number_is_never_no_change() -> None:
    right = torch.zeros(3).log_softmax(-1)
    wrong = torch.tensor([0.0, math.nan, 0.0]).log_softmax(-1)
    for p, q in ((wrong, right), (right, wrong), (wrong, wrong)):
        assert math.isnan(float(kl_divergence(p, q)))
