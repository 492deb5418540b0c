"""What is saved where all prompts are brought to flip together; printed, never judged."""

from typing import Any

import pytest
import torch
from ratios import ratios

import tl_steer as ts
from tl_steer.dosing import DosesToFlip, dose_to_flip

pytestmark = pytest.mark.packaged
AT = "blocks.17.hook_resid_post"
PRAISED = [
    "The story moved me, and I laughed a lot. I think this film is very",
    "We all loved it and want to see it again. This film is really",
    "The actors shine, the music is lovely. In short, the film is",
    "My favourite film of the year so far. It is so",
    "A warm and clever film that I will not forget. The acting is",
    "The audience stood up and clapped. They found the film",
    "Every scene is a delight. My verdict: this movie is",
    "I smiled all the way home. The movie was",
]


def test_all_prompts_together(benchmark: Any, capsys: pytest.CaptureFixture[str]) -> None:
    model = ts.packaged_model(progress=False)
    model.run_with_cache("a film")
    acts = ts.capture(model, ts.rotten_tomatoes().sample(24, seed=0), at=AT, progress=False)
    away = -ts.mean_difference(acts)[AT]

    def flip(prompts: list[str]) -> DosesToFlip:
        return dose_to_flip(model, prompts, " good", " bad", away)

    others = {"one prompt at a time": lambda: [flip([prompt]) for prompt in PRAISED]}
    found = benchmark.pedantic(
        lambda: ratios(lambda: flip(PRAISED), others, rounds=3), rounds=1, iterations=1
    )
    benchmark.extra_info.update(found)
    together = flip(PRAISED).frame["dose"].tolist()
    alone = [flip([prompt]).frame["dose"][0] for prompt in PRAISED]
    assert alone == pytest.approx(together, rel=0.02)
    with capsys.disabled():
        threads, device = torch.get_num_threads(), "cuda" if torch.cuda.is_available() else "cpu"
        print(f"\ndose_to_flip, over 8 prompts together ({device}, {threads} threads)")
        for name, ratio in found.items():
            print(f"  {name:<24} {ratio:.2f}")
