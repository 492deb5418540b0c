"""Good arguments by the name of the parameter, and values of the public classes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from any_argument.basics import AT, FEW, PROMPTS
from any_argument.world import World
from fronts import PUBLIC

import tl_steer as ts

Make = Callable[[World], Any]


def a(name: str) -> Make:
    """Something of the world."""
    return lambda world: getattr(world, name)


def of(value: Any) -> Make:
    """The same for every world."""
    return lambda world: value


BY_NAME: dict[str, Make] = {
    "acts_from": a("activations"),
    "acts_to": a("activations"),
    "ask": of(lambda texts: ["5"] * len(texts)),
    "answer": of("good"),
    "at": of(AT),
    "background": a("held_out"),
    "by": of(ts.interventions.AtLeast(0.2)),
    "condition": lambda world: ts.scopes.ProjectionAbove(world.direction, above=0.0),
    "conditions": a("steering"),
    "contrast": a("pairs"),
    "controlled": lambda world: {"joy": world.controlled},
    "controls": of(np.array([0.1, 0.2, 0.3])),
    "dose": of(0.1),
    "effect": of(0.5),
    "fractions": of({"a": 0.5, "b": 0.5}),
    "found": a("localized"),
    "function": of(lambda *_: 1.0),
    "heads": of([0]),
    "hook_name": of(AT),
    "index": of([0]),
    "intervention": a("add"),
    "interventions": lambda world: [world.add],
    "judges": lambda world: [world.judge],
    "keys": of(ts.prompt),
    "labels": of([1, 0]),
    "limit": of(0.1),
    "map": a("transport"),
    "mean": of(0.5),
    "n": of(2),
    "n_per_class": of(2),
    "name": of("kind"),
    "names": of([AT]),
    "negative": of(["a bad film"]),
    "other": of("bad"),
    "pairs": of([("good", "bad")]),
    "path": lambda world: world.folder / "out.safetensors",
    "positive": of(["a good film"]),
    "probe": a("direction"),
    "progress": of(False),
    "prompts": of(PROMPTS),
    "question": of("How kind is it?"),
    "sampling": of(FEW),
    "scopes": of([ts.prompt]),
    "seed": of(0),
    "source": of("here"),
    "strength": of(0.5),
    "strengths": of([0.5]),
    "test": of(["the end"]),
    "text": of("the film"),
    "texts": of(["the film", "a movie"]),
    "toward": a("direction"),
    "train": a("activations"),
    "until": of("blocks.2.hook_resid_post"),
    "validation": of(PROMPTS[:2]),
    "vector": of(torch.linspace(-1, 1, 32)),
    "words": of(["film"]),
}
"""What a parameter of that name is given, where it has no default and the world has nothing of its
name."""

ALWAYS = {"progress", "sampling"}
"""Given though they have a default."""


def rows_of(kind: str) -> Make:
    """An intervention with settings for two rows."""
    return lambda world: PUBLIC[kind](world.direction, strength=[0.5, 1.0])


SELF: dict[str, Make] = {
    "Add": rows_of("Add"),
    "Ablate": rows_of("Ablate"),
    "Dose": lambda world: ts.strengths.Dose([world.direction, world.other], 0.1),
    "Accuracy": a("accuracy"),
    "AcrossLayers": a("across"),
    "ActivationMap": a("map"),
    "Agreement": a("agreement"),
    "MelboResult": a("elicited"),
    "LeaceEraser": a("erasure"),
    "PathEffects": a("paths"),
    "SideEffects": a("side_effects"),
    "StrengthsWithinKL": a("within_kl"),
    "TrainedDirection": a("trained"),
    "Verification": a("verified"),
    "Activations": a("activations"),
    "AllOf": of(ts.scopes.AllOf(ts.prompt)),
    "AnyOf": of(ts.scopes.AnyOf(ts.prompt)),
    "Calibration": a("calibration"),
    "Conceptor": a("conceptor"),
    "Constraints": of(ts.Constraints()),
    "ContrastSet": a("pairs"),
    "ControlsResult": a("controlled"),
    "Denoising": of(ts.causal.Denoising()),
    "Noising": of(ts.causal.Noising()),
    "ZeroAblation": of(ts.causal.ZeroAblation()),
    "MeanAblation": lambda world: ts.causal.MeanAblation(world.activations),
    "Diagnosis": a("diagnosis"),
    "Direction": a("direction"),
    "Directions": a("directions"),
    "DosesToFlip": a("flips"),
    "Drift": a("drift"),
    "Ellipsoid": a("ellipsoid"),
    "Generalization": a("elsewhere"),
    "Generations": a("generations"),
    "Interference": a("interference"),
    "Localization": a("localized"),
    "LogitDifference": a("metric"),
    "Perturbations": a("perturbed"),
    "RatingSheet": a("sheet"),
    "Ratings": a("ratings"),
    "SaeFeatures": a("features"),
    "Steerability": a("steerability"),
    "Steered": lambda world: ts.steer(world.model, ts.Steering(world.add, joy=world.add)),
    "Steering": lambda world: ts.Steering(ts.Add(world.other, [0.5, 1.0]), joy=world.add),
    "StudyResults": a("results"),
    "SweepResult": a("swept"),
    "Trace": a("traced"),
    "TransportMap": a("transport"),
}
"""Whose methods are called, and whose fields are good arguments of the constructor; others are made
by good arguments of that."""
