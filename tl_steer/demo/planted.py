"""A model with a planted truth: one known direction carries one known property from one layer on.

A small random Llama whose weights are edited, so that an answer to "what carries the property?" is
there to be compared with. Words are marked by two features of their embeddings, each of which says
nothing about the property; an MLP multiplies the two and writes the product along the truth; a head
of the next layer moves it to later tokens, and two words of the vocabulary read it out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log10
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from tl_steer.data import ContrastSet
from tl_steer.demo.planted_words import ALL, BAD, BLAME, GOOD, PRAISE, SPECIAL, TOPICS
from tl_steer.errors import DataError
from tl_steer.lens.loading import Kind, wrap
from tl_steer.lens.protocol import SteerableModel

WIDTH, LAYERS, HEADS, NEURONS = 64, 6, 4, 128
LAYER = 3

# Sizes in units of the residual stream, whose entries have a root mean square of about 1. A topic
# is the largest thing that texts differ in, and says nothing about their class.
_COMMON, _TOPIC, _MARK, _PLANTED = 3.0, 5.0, 3.0, 4.0
_LARGEST, _SMALLEST = 1.0, 0.1
_WRITES = 0.05
_READOUT = 6.0


@dataclass(frozen=True, eq=False)
class Planted:
    """A model, and what is true of it."""

    model: SteerableModel

    truth: Float[Tensor, " d_model"]
    """The direction along which the property is written, of norm 1; from the negative class to the
    positive one."""

    hook_name: str
    """Where the property is read out first: the residual stream after the planted layer."""

    layer: int
    """The layer whose MLP writes it. Before it, no token has a part along the truth."""

    def texts(self, n: int, seed: int = 0, *, paired: bool = False) -> ContrastSet:
        """Write texts with the property and without it.

        Each is made of 8 to 16 ordinary words, most of them of one of two topics, and of 1 to 4
        words of its class. Topic, length and places are drawn alike for both classes.

        Args:
            n: Texts of each class.
            seed: The same seed gives the same texts.
            paired: Whether the i-th texts of the classes share everything but the words of the
                class.

        Raises:
            DataError: For fewer than one text.
        """
        _require_some(n)
        random = np.random.default_rng(seed)
        positive = [_Plan.drawn(random) for _ in range(n)]
        negative = positive if paired else [_Plan.drawn(random) for _ in range(n)]
        return ContrastSet(
            [plan.text(GOOD, random) for plan in positive],
            [plan.text(BAD, random) for plan in negative],
            paired=paired,
            name="planted",
            source="made up",
        )

    def neutral(self, n: int, seed: int = 0) -> list[str]:
        """Write ``n`` texts of ordinary words only, otherwise the same.

        Raises:
            DataError: For fewer than one text.
        """
        _require_some(n)
        random = np.random.default_rng(seed)
        words = (*TOPICS[0], *TOPICS[1])
        return [_Plan.drawn(random).text(words, random) for _ in range(n)]

    def readout(self, logits: Float[Tensor, "*batch d_vocab"]) -> Float[Tensor, "*batch"]:
        """How far the model's next word praises: the logit of ``praise`` minus that of ``blame``.

        The property is the only thing that it depends on, and it reaches it through the truth.
        """
        praise, blame = _rows([PRAISE, BLAME])
        gap: Tensor = logits[..., praise] - logits[..., blame]
        return gap


def planted(seed: int = 0, *, kind: Kind = "bridge") -> Planted:
    """Build a model that has a property planted in it.

    With unit vectors ``t`` (the truth), ``a``, ``b``, ``z`` and ``w``, all at right angles::

        embedding of a word   common part + noise of its own (unequal sizes, none along the five)
                              ± 5 z by topic, for ordinary words
                              ± 3 a ± 3 b for words of a class: equal signs in the positive one,
                              unequal ones in the negative one
        MLP of layer 3        adds (a·x)(b·x) t, with x its input; about ± 4 t on words of a class
        head 0 of layer 4     attends evenly, adds its mean of t·x along w to later tokens
        unembedding           ``praise`` reads w, ``blame`` reads −w

    Everything else is random, but that no other neuron reads ``a``. Layers before the planted one
    write nothing along ``t``; it and those after do, as noise. The mean embedding of the words of
    both classes is the same, so that no linear function of embeddings differs between the classes
    on average, and a direction found before the planted layer is chance. From layer 4 on the
    classes also differ along ``w``, and more so.

    Args:
        seed: Of weights and directions; the same seed gives the same model.
        kind: ``bridge``, or ``hooked`` on TransformerLens 3.

    Returns:
        The model, on the CPU in float32, its tokenizer made of about 200 words, and the truth.

    Raises:
        SteerError: For ``hooked`` where it cannot be had.
    """
    generator = torch.Generator().manual_seed(seed)
    frame = torch.linalg.qr(_normal(generator, WIDTH, WIDTH)).Q.T
    llama = _llama()
    with torch.no_grad():
        for parameter in llama.parameters():
            if parameter.ndim == 2:
                parameter.copy_(_normal(generator, *parameter.shape) / WIDTH**0.5)
        _embed(llama, frame, generator)
        _plant(llama, frame)
    # TransformerLens reads the tokenizer again from where it came, while the model is wrapped.
    with TemporaryDirectory(prefix="tl_steer-planted-") as folder:
        model = wrap(llama, _tokenizer(folder), name=f"planted-{seed}", kind=kind, device="cpu")
    return Planted(model, frame[0].clone(), f"blocks.{LAYER}.hook_resid_post", LAYER)


@dataclass(frozen=True, eq=False)
class _Plan:
    """A text without the words of its class."""

    ordinary: tuple[str, ...]
    places: tuple[int, ...]

    @classmethod
    def drawn(cls, random: np.random.Generator) -> "_Plan":
        length, main = int(random.integers(8, 17)), int(random.integers(2))
        topics = np.where(random.random(length) < 0.8, main, 1 - main)
        words = tuple(str(random.choice(TOPICS[topic])) for topic in topics)
        # Never at the first place, which is left out of what is read.
        places = random.integers(1, length + 1, size=int(random.integers(1, 5)))
        return cls(words, tuple(sorted(places.tolist(), reverse=True)))

    def text(self, words: Sequence[str], random: np.random.Generator) -> str:
        text = list(self.ordinary)
        for place in self.places:
            text.insert(place, str(random.choice(words)))
        return " ".join(text)


def _require_some(n: int) -> None:
    if n < 1:
        raise DataError(f"n={n}: texts of each class, at least 1.")


def _normal(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator)


def _llama() -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(  # type: ignore[call-arg]  # the last one is its base's
        vocab_size=len(SPECIAL) + len(ALL),
        hidden_size=WIDTH,
        intermediate_size=NEURONS,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS,
        max_position_embeddings=64,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=0,
        attn_implementation="eager",
    )
    # Weights are drawn by torch's global generator before ours replace them.
    with torch.random.fork_rng(devices=[]):
        return LlamaForCausalLM(config).eval()


def _embed(llama: Any, frame: Tensor, generator: torch.Generator) -> None:
    """Give every word its embedding."""
    topic, first, second = frame[3], frame[1], frame[2]
    free = frame[5:]
    sizes = torch.logspace(log10(_LARGEST), log10(_SMALLEST), len(free))
    weight = llama.get_input_embeddings().weight
    weight.copy_(_normal(generator, len(weight), len(free)) * sizes @ free)
    for words in (GOOD, BAD):
        rows = _rows(words)
        weight[rows] -= weight[rows].mean(0)
    weight += _COMMON * frame[-1]
    for sign, words in zip((1, -1), TOPICS, strict=True):
        weight[_rows(words)] += sign * _TOPIC * topic
    for sign, words in ((1, GOOD), (-1, BAD)):
        rows = _rows(words)
        marks = torch.tensor([1.0, -1.0]).repeat(len(rows) // 2)[:, None]
        weight[rows] += _MARK * marks * (first + sign * second)


def _plant(llama: Any, frame: Tensor) -> None:
    """Write the property along the truth at its layer, and read it out after."""
    truth, first, second, _, verdict = frame[:5]
    for number, layer in enumerate(llama.model.layers):
        forbidden = frame[[0, 4]] if number < LAYER else frame[[4]]
        for write in (layer.self_attn.o_proj.weight, layer.mlp.down_proj.weight):
            write *= _WRITES * WIDTH**0.5
            write -= forbidden.T @ (forbidden @ write)
        # Blind to one of the marks, no other neuron can take the two together.
        for read in (layer.mlp.gate_proj.weight, layer.mlp.up_proj.weight):
            read -= torch.outer(read @ first, first)
    mlp = llama.model.layers[LAYER].mlp
    # With silu(x) − silu(−x) = x, a pair of gated neurons multiplies what they read.
    mlp.gate_proj.weight[:2] = torch.stack([first, -first])
    mlp.up_proj.weight[:2] = torch.stack([second, -second])
    mlp.down_proj.weight[:, :2] = _PLANTED / _MARK**2 * truth[:, None]
    attention, size = llama.model.layers[LAYER + 1].self_attn, WIDTH // HEADS
    for part in (attention.q_proj, attention.k_proj, attention.v_proj):
        part.weight[:size] = 0
    attention.v_proj.weight[0] = truth
    attention.o_proj.weight[:, :size] = 0
    attention.o_proj.weight[:, 0] = _READOUT * verdict
    unembed = llama.get_output_embeddings().weight
    unembed[_rows([PRAISE])], unembed[_rows([BLAME])] = verdict, -verdict


def _rows(words: Sequence[str]) -> list[int]:
    return [len(SPECIAL) + ALL.index(word) for word in words]


def _tokenizer(folder: str) -> Any:
    """A tokenizer that knows whole words, as it is read back from a folder."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import PreTrainedTokenizerFast

    pad, bos, unknown = SPECIAL
    numbered = {word: number for number, word in enumerate([*SPECIAL, *ALL])}
    words = Tokenizer(WordLevel(numbered, unk_token=unknown))
    words.pre_tokenizer = Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=words,
        unk_token=unknown,
        bos_token=bos,
        eos_token=pad,
        pad_token=pad,
        padding_side="left",
    ).save_pretrained(folder)
    return PreTrainedTokenizerFast.from_pretrained(folder)
