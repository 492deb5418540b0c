"""A state-space model goes on from what it has read, in a padded batch and alone."""

from typing import Any

import pytest
import torch
from models import tokenizer
from transformers import AutoModelForCausalLM, MambaConfig

import tl_steer as ts
from tl_steer.lens.forward import Decoder, run_logits
from tl_steer.lens.kept_cache import keep_cache
from tl_steer.lens.loading import wrap
from tl_steer.lens.paths import host_for
from tl_steer.lens.tokens import pad

ROWS = ((3, 4, 5, 6, 7), (8, 9), (10, 11, 12))
WRITTEN = ((13, 16, 19, 22), (14, 17, 20, 23), (15, 18, 21, 24))


@pytest.fixture(scope="module")
def mamba() -> Any:
    torch.manual_seed(0)
    config = MambaConfig(
        vocab_size=40, hidden_size=32, state_size=8, num_hidden_layers=3, tie_word_embeddings=False
    )
    made = AutoModelForCausalLM.from_config(config).eval()
    return wrap(made, tokenizer(), name="mamba", device="cpu")


@pytest.mark.parametrize("path", ["bridge", "twin"])
@pytest.mark.parametrize("rows", [slice(0, 1), slice(0, 3)])
@torch.no_grad()
def test_each_token_follows_from_all_before_it(mamba: Any, path: Any, rows: slice) -> None:
    read, written = ROWS[rows], WRITTEN[rows]
    alone = [
        run_logits(mamba, pad([(*row, *new)], side="left", pad_id=0))[0, len(row) - 1 :]
        for row, new in zip(read, written, strict=True)
    ]
    with ts.use_path(path), keep_cache(mamba):
        decoder, logits = Decoder.begin(host_for(mamba), pad(list(read), side="left", pad_id=0))
        torch.testing.assert_close(logits, torch.stack([row[0] for row in alone]))
        for step, new in enumerate(zip(*written, strict=True)):
            logits = decoder.step(torch.tensor(new)[:, None])
            torch.testing.assert_close(
                logits, torch.stack([row[step + 1] for row in alone]), atol=1e-5, rtol=1e-5
            )
    assert decoder.cached
