"""Activation steering for TransformerLens models."""

from tl_steer.activations.activations import Activations
from tl_steer.activations.leave_out import LeaveOut
from tl_steer.activations.reads import AnswerToken, EveryToken, LastToken, MeanOfTokens, TokenAt
from tl_steer.capture import capture
from tl_steer.data.checks import check
from tl_steer.data.contrast import ContrastSet
from tl_steer.data.packaged_model import packaged_model
from tl_steer.data.reviews import imdb, rotten_tomatoes
from tl_steer.directions.direction import Direction, Directions
from tl_steer.directions.mean_difference import mean_difference
from tl_steer.errors import SteerError
from tl_steer.evaluation.diversity import distinct_n, repetition
from tl_steer.evaluation.measure import measure
from tl_steer.evaluation.perplexity import perplexity
from tl_steer.evaluation.sentiment_judge import sentiment_judge
from tl_steer.evaluation.vader import vader_judge
from tl_steer.generation.generate import compare, generate
from tl_steer.generation.generations import Generations
from tl_steer.generation.sampling import Sampling
from tl_steer.interventions.add import Add
from tl_steer.lens.loading import load_local
from tl_steer.lens.tokens import Chat
from tl_steer.scopes.positions import (
    Positions,
    everywhere,
    generated,
    last_prompt_token,
    prompt,
)
from tl_steer.steering import Steering, steer

__all__ = [
    "Activations",
    "Add",
    "AnswerToken",
    "Chat",
    "ContrastSet",
    "Direction",
    "Directions",
    "EveryToken",
    "Generations",
    "LastToken",
    "LeaveOut",
    "MeanOfTokens",
    "Positions",
    "Sampling",
    "SteerError",
    "Steering",
    "TokenAt",
    "capture",
    "check",
    "compare",
    "distinct_n",
    "everywhere",
    "generate",
    "generated",
    "imdb",
    "last_prompt_token",
    "load_local",
    "mean_difference",
    "measure",
    "packaged_model",
    "perplexity",
    "prompt",
    "repetition",
    "rotten_tomatoes",
    "sentiment_judge",
    "steer",
    "vader_judge",
]
