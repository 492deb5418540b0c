"""VADER, a second opinion on sentiment that needs no training."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from tl_steer.judges._judges import checked_texts


@dataclass(frozen=True, eq=False)
class VaderJudge:
    """A rule-based judge: word valences from a lexicon, with negation, intensifiers, punctuation.

    Source: Hutto and Gilbert 2014, "VADER: A Parsimonious Rule-based Model for Sentiment Analysis
    of Social Media Text", https://ojs.aaai.org/index.php/ICWSM/article/view/14550
    """

    analyzer: SentimentIntensityAnalyzer
    """The analyser of the vaderSentiment package, with its lexicon."""
    name: str = "vader"

    def __call__(self, texts: Sequence[str]) -> list[float]:
        """Score texts: (compound + 1) / 2, where VADER's compound runs from -1 to 1.

        A text without any word of the lexicon, the empty one among them, gets exactly 0.5.

        Raises:
            DataError: One string came, or something that is no string.
        """
        return [
            (float(self.analyzer.polarity_scores(text)["compound"]) + 1) / 2
            for text in checked_texts(texts)
        ]


@cache
def vader_judge() -> VaderJudge:
    """VADER with its own English lexicon, read once in a process."""
    return VaderJudge(SentimentIntensityAnalyzer())
