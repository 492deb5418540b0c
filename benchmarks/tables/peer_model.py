"""A small random Llama in plain transformers, the same one every time."""

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

BOS, LAYER, WIDTH, WORDS = 1, 2, 32, 40


def small_llama() -> LlamaForCausalLM:
    """Four layers, width 32, random weights of one seed."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=WORDS,
        hidden_size=WIDTH,
        intermediate_size=64,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        pad_token_id=0,
        bos_token_id=BOS,
        eos_token_id=None,
        initializer_range=0.2,
        attn_implementation="eager",
    )
    return LlamaForCausalLM(config).eval()


@cache
def _folder() -> Path:
    words = {"<pad>": 0, "<bos>": BOS, "<unk>": 2, **{f"w{n}": n for n in range(3, WORDS)}}
    made = Tokenizer(WordLevel(words, unk_token="<unk>"))
    made.pre_tokenizer = Whitespace()
    folder = Path(mkdtemp(prefix="tl_steer-peers-"))
    PreTrainedTokenizerFast(
        tokenizer_object=made,
        unk_token="<unk>",
        bos_token="<bos>",
        eos_token="<pad>",
        pad_token="<pad>",
        padding_side="left",
    ).save_pretrained(folder)
    return folder


def word_tokenizer() -> PreTrainedTokenizerFast:
    """A word for each number; read from a folder, as TransformerLens reads it again."""
    return PreTrainedTokenizerFast.from_pretrained(_folder())
