"""What is measured on the texts of a cell."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import pandas as pd
import torch

from tl_steer.arguments import checked, means
from tl_steer.dosing import NextTokenKL
from tl_steer.errors import NonFiniteError
from tl_steer.experiments._cell import PromptSet
from tl_steer.generation import Generations
from tl_steer.judges import Judge, require_judges, scores_of
from tl_steer.lens.fingerprint import fingerprint
from tl_steer.lens.protocol import SteerableModel
from tl_steer.lens.tokens import TokenIds, tokenize
from tl_steer.metrics import log_probs, neutral_kl, relevance
from tl_steer.steering import Steering, merged

ModelFactory = Callable[[], SteerableModel]
"""Loads a model."""


@checked
@means("Measures", "Measures", instead="For example Measures([judge], neutral=texts).")
@dataclass(frozen=True, eq=False)
class Measures:
    """What is measured on every text, beside how likely the unsteered model finds it.

    Raises:
        DataError: For judges of one name, or of one that another column has.
    """

    judges: Sequence[Judge] = ()
    """Each gives a text a number; in a study, the first is the headline."""

    neutral: Sequence[str] = ()
    """Texts that have nothing to do with it, on which the KL of the next token is measured."""

    relevance: bool = False
    """Whether to measure how much a text has to do with its prompt."""

    second: SteerableModel | ModelFactory | None = None
    """Another model, whose perplexity is measured too, or a function that loads it; it reads texts,
    so any tokenizer will do."""

    def __post_init__(self) -> None:
        """Refuse judges that cannot be told apart."""
        require_judges(self.judges)

    @classmethod
    def _of(cls, judges: "Judge | Sequence[Judge] | Measures") -> "Measures":
        """What is measured, where judges alone were given."""
        return judges if isinstance(judges, Measures) else cls(require_judges(judges))

    @property
    def _loaded_second(self) -> SteerableModel:
        return cast(SteerableModel, self.second)

    def _loaded(self) -> "Measures":
        """The same, with the second model loaded where a function was given for it."""
        return self if self.second is None else replace(self, second=loaded(self.second))

    @property
    def _names(self) -> tuple[str, ...]:
        """What sets of measures are told apart by; a second model has to be loaded."""
        second = [] if self.second is None else [f"second {fingerprint(self._loaded_second)}"]
        relevance = ["relevance"] if self.relevance else []
        return (*(judge.name for judge in self.judges), *self.neutral, *relevance, *second)

    def _measured(
        self,
        model: SteerableModel,
        generations: Generations,
        steerings: Mapping[str, Steering | None],
        prompts: PromptSet,
    ) -> pd.DataFrame:
        """Add what is measured to a frame of texts.

        Whatever was read before the prompts, texts are taken as continuations of the prompts.

        Args:
            model: The one that wrote, as it is.
            generations: Of conditions of these prompts.
            steerings: By condition, in the order of the generations.
            prompts: What was continued.

        Raises:
            DataError: When a judge does not give one number for each text.
            NonFiniteError: When it gives one that is not finite.
        """
        alone = prompts.tokens(model)
        frame = generations.frame.assign(
            prompt=[prompts.prompts[i] for i in generations.frame["prompt_index"]],
            prompt_tokens=[list(alone[i]) for i in generations.frame["prompt_index"]],
        )
        generations = replace(generations, frame=frame)
        frame = frame.copy()
        for judge in self.judges:
            frame[judge.name] = finite_scores(judge, generations.texts)
        rows = [
            (tuple(prompt), tuple(text))
            for prompt, text in zip(frame["prompt_tokens"], frame["tokens"], strict=True)
        ]
        frame["nll"] = [-float(sum(each)) for each in log_probs(model, rows)]
        frame["n_tokens"] = [len(text) for _, text in rows]
        frame["kl"] = _next_token_kl(model, frame, steerings, alone, prompts.read_tokens(model))
        if self.relevance:
            frame["relevance"] = np.asarray(relevance(model, generations), dtype=float)
        if self.neutral:
            # What was read before a prompt has no place before other texts.
            frame["kl_neutral"] = (
                np.nan if prompts.before else self._on_neutral(model, frame, steerings)
            )
        if self.second is not None:
            frame["nll_second"], frame["n_tokens_second"] = _under(self._loaded_second, frame)
        return frame

    def _on_neutral(
        self,
        model: SteerableModel,
        frame: pd.DataFrame,
        steerings: Mapping[str, Steering | None],
    ) -> list[float]:
        n = len(self.neutral)
        # All but the first token count as generated, so that every scope has something to act on.
        found = neutral_kl(
            model,
            list(self.neutral),
            merged(list(steerings.values()), times=n),
            prompt_tokens=1,
        )
        means = dict(zip(steerings, found.view(-1, n).mean(1).tolist(), strict=True))
        return [means[name] for name in frame["condition"]]


def is_model(model: object) -> bool:
    """Tell a model from a function that loads one."""
    return hasattr(model, "cfg")


def loaded(model: SteerableModel | ModelFactory) -> SteerableModel:
    """The model itself, loaded where a function was given for it."""
    return model if is_model(model) else model()  # type: ignore[operator, return-value]


def finite_scores(judge: Judge, texts: Sequence[str]) -> list[float]:
    """Ask a judge, and check that it gives a finite number for each text.

    Raises:
        DataError: When there are more or fewer.
        NonFiniteError: With the text whose score is NaN or infinite.
    """
    scores = [float(each) for each in scores_of(judge, texts)]
    wrong = next((i for i, score in enumerate(scores) if not np.isfinite(score)), None)
    if wrong is not None:
        raise NonFiniteError(f"{judge.name} gave {scores[wrong]} for {texts[wrong]!r}.")
    return scores


def _next_token_kl(
    model: SteerableModel,
    frame: pd.DataFrame,
    steerings: Mapping[str, Steering | None],
    alone: Sequence[TokenIds],
    read: Sequence[TokenIds],
) -> list[float]:
    """Of each text: steered after what was read, against unsteered after the prompt alone."""
    together = merged(list(steerings.values()), times=len(alone))
    measure = NextTokenKL.on_rows(model, alone)
    found = measure.of_rows(together, [*read] * len(steerings)).view(len(steerings), -1)
    by_name = dict(zip(steerings, found.clamp(min=0).tolist(), strict=True))
    return [
        by_name[name][prompt]
        for name, prompt in zip(frame["condition"], frame["prompt_index"], strict=True)
    ]


def _under(second: SteerableModel, frame: pd.DataFrame) -> tuple[list[float], list[int]]:
    """How likely another model finds the texts; it has its own tokens of prompt and text."""
    prompts = tokenize(second, list(frame["prompt"]))
    whole = tokenize(second, [p + t for p, t in zip(frame["prompt"], frame["text"], strict=True)])
    # The last token of a prompt may swallow the first letters of the text.
    rows = []
    for prompt, both in zip(prompts, whole, strict=True):
        shared = next((i for i, (a, b) in enumerate(zip(prompt, both)) if a != b), len(prompt))  # noqa: B905
        shared = max(1, min(shared, len(both) - 1))
        rows.append((both[:shared], both[shared:]))
    with torch.inference_mode():
        found = log_probs(second, rows)
    return [-float(sum(each)) for each in found], [len(text) for _, text in rows]
