"""One architecture, wrapped, beside a plain copy of it; and what a check of it finds."""

import re
import warnings
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import oracle
import torch
from making import rows_of
from models import tokenizer
from tiny import plain, shaken
from torch import Tensor

from tl_steer.errors import SteerError
from tl_steer.lens import tokens
from tl_steer.lens.forward import run_logits
from tl_steer.lens.hook_names import require_readable, require_writable
from tl_steer.lens.loading import wrap
from tl_steer.lens.reads_padding import reads_padding
from tl_steer.lens.sites import VECTOR_SITES


@dataclass(frozen=True)
class Verdict:
    """What stands in a cell."""

    right: bool
    """Whether something was there and right."""

    refused: tuple[str, ...] = ()
    """What is said where something is not."""

    without_cache: bool = False
    """Whether text is written, and a warning says that it takes longer."""


@dataclass(frozen=True, eq=False)
class Case:
    """One architecture: as it is, and wrapped."""

    name: str
    plain: Any
    model: Any
    rows: list[tuple[int, ...]]

    acts: dict[str, list[Tensor]] = field(default_factory=dict)
    """By hook name, one tensor a row."""

    logits: list[Tensor] = field(default_factory=list)

    @classmethod
    def of(cls, name: str) -> "Case":
        """Build it.

        Raises:
            SteerError: For one that is refused.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            original = shaken(plain(name))
            copied = deepcopy(original)
            model = wrap(original, tokenizer(), name="tiny", device="cpu")
        case = cls(name, copied, model, rows_of(model))
        require_readable(model, "blocks.0.hook_resid_pre")
        for row in case.rows:
            acts, logits = oracle.activations(name, copied, row)
            for hook_name, found in acts.items():
                case.acts.setdefault(hook_name, []).append(found)
            case.logits.append(logits)
        return case

    @property
    def names(self) -> list[str]:
        """Every name that could be asked for, from the first block to the last."""
        layers = range(int(self.model.cfg.n_layers))
        return [f"blocks.{n}.{site}" for n in layers for site in VECTOR_SITES]

    def refusal(self, name: str, *, writing: bool = False) -> str | None:
        """What is said when a hook point is asked for."""
        try:
            (require_writable if writing else require_readable)(self.model, name)
        except SteerError as error:
            return general(str(error))
        return None

    def usable(self) -> list[str]:
        """Names that are not refused."""
        return [name for name in self.names if self.refusal(name) is None]

    def oracle_logits(self, additions: Sequence[oracle.Addition]) -> list[Tensor]:
        """Of each row alone, by hand."""
        return [oracle.logits_of(self.name, self.plain, row, additions) for row in self.rows]

    @torch.no_grad()
    def own_logits(self) -> list[Tensor]:
        """Of all rows in one padded batch, through the library."""
        side = "right" if reads_padding(self.model) else "left"
        batch = tokens.pad(self.rows, side=side, pad_id=0)
        found = run_logits(self.model, batch)
        return [own[real] for own, real in zip(found, batch.real, strict=True)]


@lru_cache(maxsize=1)
def case_of(name: str) -> Case | str:
    """The architecture, or what is said where it is refused as a whole."""
    try:
        return Case.of(name)
    except SteerError as error:
        return general(str(error))


def general(sentence: str) -> str:
    """A refusal without what belongs to one block, one model or one version only."""
    sentence = re.sub(r"^'[^']*': ", "", sentence)
    sentence = re.sub(r"\b\w+(ForCausalLM|LMHeadModel)\b", "this model", sentence)
    sentence = re.sub(r"\b\w+(ForConditionalGeneration|ForMaskedLM)\b", "this model", sentence)
    sentence = re.sub(r"blocks\.(\d+|\{[\d,]+\})\.", "blocks.N.", sentence)
    sentence = re.sub(r"\bblock \d+\b", "block N", sentence)
    sentence = re.sub(r"(TransformerLens|transformers) \d[\w.]*", r"\1", sentence)
    sentence = re.sub(r"\d+( × \d+)+", "other", sentence)
    sentence = re.sub(r" over \d+ rows of \d+ tokens", "", sentence)
    sentence = re.sub(r'; others have it: ".*"', "; others have it", sentence)
    sentence = re.sub(
        r"\b(input|output) of all experts", "input or output of all experts", sentence
    )
    sentence = re.sub(r"^this model: ", "", sentence)
    return sentence[0].upper() + sentence[1:]
