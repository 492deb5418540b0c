"""Good arguments of single callables, where they differ from those of the same name elsewhere."""

import numpy as np
import pandas as pd
import torch
from any_argument.basics import AT, EARLY, PATTERN, PROMPTS, WORDS, Z
from any_argument.good import Make, a, of

import tl_steer as ts

_small = {"controls": of(ts.experiments.Controls(kl=0.05, n_random=2, n_orthogonal=0))}
_pairs = {"positive": of("good"), "negative": of("bad")}

OWN: dict[str, dict[str, Make]] = {
    "Accuracy.minus": {"other": a("accuracy")},
    "Activations.subset": {"texts": of([0, 1, 8])},
    "ProbeGated": {"strength": of(0.5), "full_at": of(0.0), "none_at": of(1.0)},
    "AtLeast": {"share": of(0.2)},
    "AtPosition": {"position": of(-1)},
    "AttendsTo": {"at": of(PATTERN), "above": of(0.3)},
    "AttentionShare": {"at": of(PATTERN)},
    "Calibration.row_of": {"point": lambda world: next(iter(world.calibration.best_of.values()))},
    "ClassConceptors": {"positive": a("conceptor"), "negative": a("conceptor")},
    "Constraints.excesses": {
        "row": of({"perplexity": 2.0, "repetition": 0.0, "kl": 0.1}),
        "unsteered": of({"perplexity": 2.0, "repetition": 0.0, "kl": 0.0}),
    },
    "Constraints.why_not": {
        "row": of({"perplexity": 2.0, "repetition": 0.0, "kl": 0.1}),
        "unsteered": of({"perplexity": 2.0, "repetition": 0.0, "kl": 0.0}),
    },
    "ContrastSet.labelled": {"positive": of(1)},
    "ContrastSet.from_csv": {"path": a("csv")},
    "ContrastSet.from_jsonl": {"path": a("jsonl")},
    "ContrastSet.from_frame": {
        "frame": of(pd.DataFrame({"text": ["good", "bad"], "label": [1, 0]}))
    },
    "Custom": {"function": of(lambda acts, context: acts)},
    "Denoising.exchange": {"contrast": a("same_length")},
    "Noising.exchange": {"contrast": a("same_length")},
    "Diagnosis.plot": {"hook_name": of(AT)},
    "Direction": {
        "scale": of(2.0), "provenance": lambda world: world.direction.provenance
    },
    "Direction.cosine": {"other": a("other")},
    "Direction.orthogonal_to": {"others": lambda world: [world.other]},
    "Directions.from_dict": {"vectors": of({AT: torch.linspace(-1, 1, 32)})},
    "Directions.at": {"site": of("hook_resid_post")},
    "Directions.load": {"path": a("saved")},
    "Ellipsoid.fit": {"components": of(4.0)},
    "Ellipsoid.squared_distance": {"vectors": of(torch.ones(2, 32))},
    "Emphasize": {"at": of("blocks.1.attn.hook_attn_scores")},
    "ExponentialDecay": {"half_life": of(2.0)},
    "FewShot": {"prompts": a("pairs"), "answers": of(tuple("a" * 14))},
    "FunctionJudge": {"function": of(lambda texts: [0.5] * len(texts))},
    "Generations": {"frame": lambda world: world.generations.frame},
    "Generations.of": {"condition": of("steered")},
    "require_contrast": {"at_least": of(1), "method": of("median")},
    "stream": {"listen": of(lambda texts: None)},
    "HoldProjection": {"target": of(2.0)},
    "InSpans": {"find": of("film")},
    "Interference.plot": {"judge": lambda world: world.judge.name},
    "LeaveOut.by_norm": {"norms": of(torch.ones(1, 3)), "median": of(1.0)},
    "LeaveOut.by_position": {"batch": a("batch")},
    "LlmJudge": {"scale": of((0.0, 10.0)), "question": of("How kind is {text}?")},
    "LogProbability": {"continuation": of("good")},
    "LogProbability.measure": {"n_prompts": of(3)},
    "LogitDifference": _pairs,
    "LogitDifference.measure": {"n_prompts": of(3)},
    "Divergence.measure": {"n_prompts": of(3)},
    "ProbeScore.measure": {"n_prompts": of(3)},
    "Regex": {"pattern": of("film")},
    "MultipleChoice": {
        "questions": of(["is it"]), "choices": of([["yes", "no"]]), "answers": of([0])
    },
    "MultipleChoice.from_csv": {"path": a("questions_csv")},
    "MultipleChoice.from_jsonl": {"path": a("questions_jsonl")},
    "Not": {"scope": of(ts.prompt)},
    "Latched": {"scope": of(ts.prompt)},
    "NthGenerated": {"which": of([0])},
    "OnHeads": {"intervention": lambda world: ts.Add(ts.Direction(
        torch.ones(4, 8), Z, 1.0, world.direction.provenance))},
    "OperatingPoint": {"name": of("joy")},
    "Optuna.run": {
        "places": of(["a"]), "most": of(1.0),
        "tried": of(lambda several: [(0.0, {}) for _ in several]),
    },
    "Preferences": {
        "prompts": of(["it is"]), "chosen": of(["good"]), "rejected": of(["bad"])
    },
    "Preferences.from_pairs": {"contrast": a("pairs"), "prompt": of("it is")},
    "Multiply": {"factors": of([1.0])},
    "ProjectionAbove": {"above": of(0.0)},
    "CosineAbove": {"above": of(0.0)},
    "ProjectionAbove.score": {"acts": of(torch.ones(1, 3, 32))},
    "CosineAbove.score": {"acts": of(torch.ones(1, 3, 32))},
    "Question.value": {"answer": of("3"), "side": of("")},
    "RatingSheet.save": {"folder": lambda world: world.folder / "sheet", "overwrite": of(True)},
    "Ratings.beside": {"judged": a("judged"), "judges": of(["kind"])},
    "Ratings.agreement": {"draws": of(20)},
    "Replace": {"stored": a("direction")},
    "Rescale": {"factor": of(2.0)},
    "Rotate": {"plane": a("other")},
    "SaeFeatures.direction": {"feature": lambda world: next(iter(world.features.directions))},
    "Sampling.draw": {"logits": of(torch.ones(2, 5)), "uniform": of(torch.tensor([0.2, 0.7]))},
    "Sampling.uniforms": {"n_prompts": of(2)},
    "SavedSheet": {
        name: (lambda world: world.folder / "sheet.html") for name in ("form", "sheet", "key")
    },
    "ScaleAlong": {"factor": of(2.0)},
    "Sentences": {"which": of([0])},
    "SetProjection": {"value": of(1.0)},
    "Steering": {"named": lambda world: {"joy": world.add}},
    "Steering.off": {"names": of(["1"])},
    "Steering.on": {"names": of(["1"])},
    "Steering.at_strength": {"strengths": of({"joy": 0.5})},
    "Steered.off": {"names": of(["1"])},
    "Steered.on": {"names": of(["1"])},
    "Steered.at_strength": {"strengths": of({"joy": 0.5})},
    "StudyResults.save": {"folder": lambda world: world.folder / "study"},
    "SweepResult.plot": {"judge": lambda world: world.swept.judges[0]},
    "SweepResult.of": {"settings": of({"seed": 0})},
    "SweepResult.save": {"folder": lambda world: world.folder / "swept"},
    "SweepResult.load": {"folder": a("saved_sweep")},
    "TokenAt": {"index": of(0)},
    "across_layers": {"measure": a("metric")},
    "activation_addition": {
        "positive_prompt": of("good"), "negative_prompt": of("bad"),
        "at": of("blocks.1.hook_resid_pre"),
    },
    "against_controls": _small,
    "each_against_controls": {"directions": lambda world: {"joy": world.direction}, **_small},
    "anti_steerable": {"effects": a("per_prompt")},
    "attribution_scatter": {"verified": a("verified")},
    "between_estimators": {
        "estimates": lambda world: {"one": world.directions, "two": world.directions}
    },
    "bipo": {"fit": of(ts.trained.Fit(2, every=1))},
    "calibrate": {"directions": a("direction"), "search": of(ts.experiments.Search(tries=1))},
    "capture": {"texts": a("pairs")},
    "chance_of_sigma": {"sigma": of(2.0), "n_controls": of(10)},
    "classifier_judge": {
        "classifier": of(lambda texts: [[{"label": "good", "score": 0.9}] for _ in texts]),
        "positive": of("good"),
    },
    "confounds": {"texts": a("pairs")},
    "conversations": {"responses": of(["good", "bad", "great"])},
    "diagnose": {"splits": of(2), "resamples": of(20)},
    "dose_at_kl": {"made": lambda world: lambda dose: ts.Steering(ts.Add(world.direction, dose))},
    "dose_effect_curves": {"judge": of("sentiment")},
    "dose_to_flip": {"scan": of(2), "precision": of(0.5)},
    "drift": {"tokens": of(4), "window": of(2)},
    "effects_per_prompt": {"texts": a("texts"), "judge": of("sentiment")},
    "examples": {"texts": a("texts"), "judge": of("sentiment")},
    "few_shot": {
        "examples": of(WORDS), "shots": of(2), "n": of(2),
    },
    "fit_map": {"from_at": of(EARLY), "to_at": of(AT)},
    "add_at_front": {"directions": lambda world: [world.direction, world.other]},
    "function_judge": {"function": of(lambda texts: [0.5] * len(texts))},
    "function_vector": {
        "prompts": lambda world: world.few_shot.prompts, "heads": of(2),
        "metric": of(ts.causal.LogProbability("good")),
    },
    "head_effects": {
        "prompts": lambda world: world.few_shot.prompts, "at": of(Z),
        "metric": of(ts.causal.LogProbability("good")),
    },
    "head_heatmap": {"found": a("heads_localized")},
    "head_probes": {"activations": a("heads"), "held_out": a("heads_held_out")},
    "generalization": {"prompt_sets": of({"here": PROMPTS})},
    "holm": {"p_values": of(np.array([0.1, 0.2]))},
    "incremental_transport": {"contrast": a("pairs")},
    "interference": {
        "steering": lambda world: ts.Steering(joy=world.add, film=ts.Add(world.other)),
    },
    "layer_strength_heatmap": {"judge": of("sentiment")},
    "likelihood_contrast": _pairs,
    "likelihood_contrasts": _pairs,
    "load_local": {"folder": a("checkpoint")},
    "localize": {"contrast": a("same_length")},
    "mean_centring": {"target": a("activations")},
    "measured": {"vectors": of({AT: torch.linspace(-1, 1, 32)}), "method": of("mine")},
    "melbo": {"at": of(EARLY), "n": of(1), "fit": of(ts.trained.Fit(2))},
    "transfer": {"through": a("map"), "direction": lambda world: world.directions[EARLY]},
    "of_setting": {"texts": a("texts"), "direction": of("mean difference")},
    "select_heads": {
        "direction": lambda world: ts.Direction(
            torch.ones(4, 8), Z, 1.0, world.direction.provenance
        )
    },
    "scaled_by_std": {
        "direction": lambda world: ts.Direction(
            torch.ones(4, 8), Z, 1.0, world.direction.provenance
        ),
        "activations": a("heads"),
    },
    "orthogonalised": {"directions": lambda world: [world.direction, world.other]},
    "paired_difference": {
        "steered": of(np.array([0.1, 0.2, 0.4])), "baseline": of(np.array([0.0, 0.1, 0.1])),
        "prompt": of(np.array([0, 1, 2])), "draws": of(20),
    },
    "separation": {"held_out": a("held_out"), "resamples": of(20)},
    "similarity_heatmap": {"frame": of(pd.DataFrame(np.eye(2)))},
    "DataCard": dict.fromkeys(
        ("name", "purpose", "positive", "negative", "how_written", "limits", "licence"), of("films")
    ),
    "pareto": {"judge": of("sentiment")},
    "pareto_front": {"judge": of("sentiment")},
    "path_figure": {"paths": a("paths")},
    "per_prompt_spread": {"texts": a("texts"), "judge": of("sentiment")},
    "position_heatmap": {"found": a("positions_localized")},
    "rating_sheet": {"texts": lambda world: world.judged, "n": of(4)},
    "read_ratings": {"folder_or_key": a("rated"), "files": of([])},
    "reft_r1": {"texts": a("pairs"), "fit": of(ts.trained.Fit(2, held_out=0))},
    "roc_figure": {"threshold": a("threshold")},
    "role": {"name": of("user")},
    "sae_features": {
        "sae": a("sae"), "texts": a("pairs"), "candidates": of(2), "prompts": of(["the film"]),
        "k": of(2),
    },
    "side_effects": {"texts": of(PROMPTS)},
    "neutral_kl": {"texts": of(PROMPTS)},
    "smallest_perturbation": {"steps": of(2), "n_random": of(1)},
    "steer": {"interventions": lambda world: [world.add]},
    "steerability": {"frame": a("steerable"), "draws": of(20)},
    "steering_at": {"found": a("certain")},
    "strength_within_kl": {"intervention": a("direction"), "tolerance": of(0.05)},
    "strengths_at_kl": {"measure": a("kl_of"), "directions": lambda world: [world.direction]},
    "study": {
        "directions": a("direction"), **_small,
        "search": of(ts.experiments.Search(tries=1, doses=[0.1])),
    },
    "sweep": {"directions": a("direction"), "strengths": of([1.0]), "judges": a("judge")},
    "train_judge": {"held_out": lambda world: ts.data.polite_rude("held_out"),
                    "contrast": lambda world: ts.data.polite_rude("train")},
    "training_curve": {"losses": lambda world: world.trained.losses},
    "use_path": {"path": of(None)},
    "verify": {"k": of(2)},
}  # fmt: skip
