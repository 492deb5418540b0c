"""Preferences: prompts, each with a preferred answer and a rejected one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tl_steer.arguments import checked
from tl_steer.data._contrast import ContrastSet
from tl_steer.data._texts import plain_texts, short
from tl_steer.errors import DataError


@checked
@dataclass(frozen=True, init=False)
class Preferences:
    """Prompts with two answers each: the data of methods that learn from a preference.

    A prompt and an answer are joined as they are. If a space belongs between them, begin the answer
    with it, as tokenizers do.

    Args:
        prompts: What to answer; one for each pair, and they may repeat.
        chosen: The preferred answers.
        rejected: The rejected answers, in the order of `chosen`.
        name: Their name in reports.
        source: Where the texts come from, in words.

    Raises:
        DataError: The three are not equally long, hold something that is no text or an empty
            text; the two answers of a prompt are the same; or a triple comes twice, so that it
            could be trained on and held out at once.
    """

    prompts: tuple[str, ...]
    chosen: tuple[str, ...]
    rejected: tuple[str, ...]
    name: str
    source: str

    def __init__(
        self,
        prompts: Iterable[str],
        chosen: Iterable[str],
        rejected: Iterable[str],
        *,
        name: str = "",
        source: str = "",
    ) -> None:
        columns = {
            "prompts": plain_texts(prompts, "prompts"),
            "chosen": plain_texts(chosen, "chosen"),
            "rejected": plain_texts(rejected, "rejected"),
        }
        counts = {column: len(texts) for column, texts in columns.items()}
        if len(set(counts.values())) > 1:
            came = ", ".join(f"{count} {column}" for column, count in counts.items())
            raise DataError(f"Got {came}. Give one chosen and one rejected answer for each prompt.")
        if not columns["prompts"]:
            raise DataError("Expected at least one prompt with two answers, got none.")
        _refuse_repetition(list(zip(*columns.values(), strict=True)))
        for field, value in {**columns, "name": name, "source": source}.items():
            object.__setattr__(self, field, value)  # frozen, and this is its constructor

    @classmethod
    def from_pairs(cls, contrast: ContrastSet, prompt: str | Sequence[str]) -> "Preferences":
        """Take the pairs of a contrast set as answers: the positive text is chosen.

        Args:
            contrast: Paired.
            prompt: One for all pairs, or one for each.

        Raises:
            DataError: The set is not paired, or there is a prompt too many or too few.
        """
        if not contrast.paired:
            raise DataError(
                f"{contrast.name or 'this contrast set'} has no pairs, and preferences are made of "
                "pairs. Use ContrastSet.pairs([(positive, negative), …])."
            )
        prompts = [prompt] * len(contrast.positive) if isinstance(prompt, str) else prompt
        return cls(
            prompts,
            contrast.positive,
            contrast.negative,
            name=contrast.name,
            source=contrast.source,
        )

    def __len__(self) -> int:
        """How many pairs of answers."""
        return len(self.prompts)

    def __repr__(self) -> str:
        """Their number, and the beginning of the first."""
        name = f"{self.name!r}, " if self.name else ""
        return (
            f"Preferences({name}{len(self):,} pairs: {short(self.prompts[0])} "
            f"→ {short(self.chosen[0])} rather than {short(self.rejected[0])})"
        )


def _refuse_repetition(triples: Sequence[tuple[str, ...]]) -> None:
    seen: dict[tuple[str, ...], int] = {}
    for index, triple in enumerate(triples):
        _, chosen, rejected = triple
        if chosen == rejected:
            raise DataError(
                f"chosen[{index}] and rejected[{index}] are both {short(chosen)}. Leave this pair "
                "out."
            )
        if triple in seen:
            raise DataError(
                f"Preferences {seen[triple]} and {index} are the same ({short(triple[0])}). Give "
                "each once."
            )
        seen[triple] = index
