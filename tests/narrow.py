"""A model with the packaged one's shape, narrow and random, for pages that show no numbers.

A page of the docs begins with ``from narrow import …`` in a hidden block; what is made here is made
once for all pages.
"""

import sys
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from types import SimpleNamespace
from typing import Any

import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

import tl_steer as ts
from tl_steer.lens.loading import wrap

PROMPTS = ["The movie was", "I think that this film", "The plot of this", "We watched it and"]

LOVED = [
    "I loved every minute of it.",
    "What a wonderful, moving story.",
    "A joy to watch.",
    "The acting was superb.",
    "It made me laugh and warmed my heart.",
    "A warm, funny and wonderful film.",
    "The best picture of the year.",
    "We all left the cinema happy.",
]
HATED = [
    "I hated every minute of it.",
    "What a dreadful, tedious story.",
    "A bore to watch.",
    "The acting was wooden.",
    "It made me yawn and wasted my time.",
    "A cold, dull and terrible film.",
    "The worst picture of the year.",
    "We all left the cinema angry.",
]


@cache
def narrow_model(layers: int = 30, heads: int = 9) -> Any:
    """30 layers and nine heads, as SmolLM2-135M-Instruct has, and its chat template.

    Its tokenizer has a thousand tokens, so that a pass is not mostly unembedding.
    """
    texts = [*ts.data.neutral_background(), *ts.data.polite_rude().texts, *reviews().texts]
    whole = AutoTokenizer.from_pretrained(ts.data.packaged_model_dir())
    folder = Path(mkdtemp(prefix="tl_steer-narrow-"))
    whole.train_new_from_iterator(texts, vocab_size=1000).save_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=8 * heads,
        intermediate_size=96,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=3,
        max_position_embeddings=2048,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        initializer_range=0.1,
        attn_implementation="eager",
    )
    made = LlamaForCausalLM(config).eval()
    model: Any = wrap(made, tokenizer, name="narrow", kind="bridge", device="cpu")
    with torch.inference_mode():
        model.run_with_cache("a")
    return model


@cache
def reviews() -> ts.ContrastSet:
    """Eight short texts a side, in pairs."""
    return ts.ContrastSet(LOVED, HATED, paired=True)


@cache
def activations() -> ts.Activations:
    """Of those, after every layer."""
    return ts.capture(narrow_model(), reviews(), at="hook_resid_post", progress=False)


@cache
def directions() -> ts.Directions:
    """Mean differences of those, after every layer."""
    return ts.mean_difference(activations())


def study_frames() -> tuple[Any, ...]:
    """A sweep, a comparison with controls, a table and choices of a study that nobody ran."""
    sys.path.append(str(Path(__file__).parent / "reports"))
    from frames_of import cells_of, chosen, controlled_of, table, texts_of_cells

    swept = SimpleNamespace(cells=cells_of(controls=3, layers=(14, 17)), texts=texts_of_cells())
    return swept, controlled_of(), table(), chosen()
