"""Contrast texts, their checks, and the packaged model and reviews."""

from tl_steer.data.checks import CheckReport, Finding, check
from tl_steer.data.contrast import ContrastSet
from tl_steer.data.packaged_model import packaged_model_dir
from tl_steer.data.reviews import imdb, rotten_tomatoes

__all__ = [
    "CheckReport",
    "ContrastSet",
    "Finding",
    "check",
    "imdb",
    "packaged_model_dir",
    "rotten_tomatoes",
]
