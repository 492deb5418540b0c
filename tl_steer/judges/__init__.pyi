"""What the room has for users, in `__all__`, and for other rooms; loaded when first used."""

from ._classifier_judge import FunctionJudge, classifier_judge, function_judge
from ._formality_judge import formality_judge
from ._judge_columns import require_judges as require_judges
from ._judges import Judge, scores_of as scores_of
from ._llm_judge import LlmJudge, llm_judge
from ._sentiment_judge import (
    SentimentRecipe as SentimentRecipe,
    load_judge as load_judge,
    save_judge as save_judge,
    sentiment_judge,
    train_sentiment_judge as train_sentiment_judge,
)
from ._trained_judge import TrainedJudge as TrainedJudge, train_judge
from ._vader import vader_judge

__all__ = [
    "FunctionJudge",
    "Judge",
    "LlmJudge",
    "classifier_judge",
    "formality_judge",
    "function_judge",
    "llm_judge",
    "sentiment_judge",
    "train_judge",
    "vader_judge",
]
