"""Generations: what a model wrote, as a tidy frame."""

import textwrap
from dataclasses import dataclass

import pandas as pd

from tl_steer.arguments import checked
from tl_steer.errors import DataError
from tl_steer.generation._sampling import Sampling
from tl_steer.page.html import table_html

_WIDTH = 96


@checked
@dataclass(frozen=True, eq=False)
class Generations:
    """What a model wrote: one row for each condition, prompt and sample."""

    frame: pd.DataFrame
    """Columns ``condition``, ``prompt_index``, ``sample``, ``prompt`` (as given), ``text`` (the
    continuation), ``tokens`` (its ids), ``log_probs`` (natural logarithms under the model as it was
    steered, at temperature 1), ``prompt_tokens`` (the ids that were read) and ``finished`` (whether
    it ended by itself)."""

    sampling: Sampling

    path: str = ""
    """What the passes ran through: ``twin``, ``bridge`` or ``hooked``; see
    :func:`~tl_steer.use_path`. Empty where that is not known."""

    @property
    def texts(self) -> list[str]:
        """All continuations, in the order of the frame."""
        return list(self.frame["text"])

    @property
    def conditions(self) -> list[str]:
        """Names of the conditions, in order."""
        return list(dict.fromkeys(self.frame["condition"]))

    def of(self, condition: str) -> "Generations":
        """Keep one condition.

        Raises:
            DataError: When there is none of that name.
        """
        if condition not in self.conditions:
            raise DataError(f"{condition!r}: there are {', '.join(self.conditions)}.")
        kept = self.frame[self.frame["condition"] == condition].reset_index(drop=True)
        return Generations(kept, self.sampling, self.path)

    def side_by_side(self) -> pd.DataFrame:
        """One row for each prompt and sample; the prompt, then a column for each condition."""
        keys = ["prompt_index", "sample"]
        wide = self.frame.pivot(index=keys, columns="condition", values="text")[self.conditions]
        prompts = self.frame.drop_duplicates(keys).set_index(keys)["prompt"]
        wide.insert(0, "prompt", prompts)
        wide.columns.name = None
        return wide.reset_index(drop=True)

    def __len__(self) -> int:
        """How many continuations."""
        return len(self.frame)

    def __repr__(self) -> str:
        """Say what there is."""
        return f"Generations({len(self)} texts; {', '.join(self.conditions)}; {self.sampling})"

    def __str__(self) -> str:
        """Every prompt with what was written, one condition below the other, wrapped."""
        width = max(map(len, self.conditions))
        lines = []
        for (_, sample), part in self.frame.groupby(["prompt_index", "sample"], sort=False):
            lines.append(_wrapped(part["prompt"].iloc[0], "") if not sample else "")
            for condition, text in zip(part["condition"], part["text"], strict=True):
                lines.append(_wrapped(text, f"  {condition:<{width}} │ "))
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        wide = self.side_by_side()
        columns = {str(name): [str(text) for text in wide[name]] for name in wide}
        return table_html(columns, caption=repr(self))


def _wrapped(text: str, before: str) -> str:
    """A text on lines of one length, behind a name that stands before the first of them."""
    after = " " * max(len(before) - 2, 0) + "│ " * bool(before)
    found = textwrap.wrap(" ".join(text.split()), _WIDTH - len(before)) or [""]
    return "\n".join((after if number else before) + line for number, line in enumerate(found))
