"""What a reader needs to repeat a study, and what can be told of its limits."""

from collections.abc import Mapping, Sequence

import pandas as pd

from tl_steer.controls import NONE, ControlsResult
from tl_steer.experiments._calibration import Calibration
from tl_steer.experiments._cell import PromptSet
from tl_steer.experiments._control_conditions import Controls
from tl_steer.experiments._measures import ModelFactory, is_model
from tl_steer.generation import Sampling
from tl_steer.judges import Judge
from tl_steer.lens.protocol import SteerableModel, device_of
from tl_steer.lens.versions import versions

AWAY = "away from "
"""What operating points against a direction are called by."""

_FEW_PROMPTS, _FEW_CONTROLS = 32, 30


def facts_of(
    model: SteerableModel | ModelFactory,
    judge: Judge,
    calibrations: Mapping[str, Calibration],
    controls: Controls,
    samplings: Sequence[Sampling],
    validation: Mapping[str, Sequence[str]],
    test: Sequence[PromptSet],
) -> dict[str, str]:
    """By name, in words."""
    curve = pd.concat([each.curve for each in calibrations.values()])
    tried = curve[curve["direction"] != NONE]
    towards = calibrations[""]
    info = next(iter(towards.best_of.values())).direction.provenance.model
    where = f" on {device_of(model)}" if is_model(model) else ""  # type: ignore[arg-type]
    vectors = f"KL {controls.kl:g} nats" if controls.dose is None else f"dose {controls.dose:g}"
    prompts = [f"{len(each)} {name}" for name, each in validation.items()]
    prompts += [f"{len(each.prompts)} {each.name} (test)" for each in test]
    return {
        "model": f"{info.name}, {info.n_layers} layers, width {info.d_model}{where}",
        "directions": ", ".join(towards.best_of),
        "hook points": ", ".join(dict.fromkeys(tried["hook_name"])),
        "judge": repr(judge),
        "prompts": ", ".join(prompts),
        "choice": f"{len(tried)} tries within {towards.constraints}"
        + (", towards and away" if AWAY in calibrations else ""),
        "controls": f"{controls.n_random} random directions"
        + (", as many of shuffled labels" if controls.shuffled is not None else "")
        + f", {controls.n_orthogonal} at right angles, all at {vectors}",
        "instruction": repr(controls.instruction) if controls.instruction else "none",
        "sampling": repr(samplings[0]),
        "seeds": ", ".join(str(each.seed) for each in samplings),
        "versions": ", ".join(f"{name} {version}" for name, version in versions().items()),
    }


def limits_of(
    calibrations: Mapping[str, Calibration],
    controlled: Mapping[str, ControlsResult],
    controls: Controls,
    test: Sequence[PromptSet],
) -> list[str]:
    """What the numbers of the study itself say of how far it can be trusted."""
    found = []
    prompts = len(test[0].prompts)
    if prompts < _FEW_PROMPTS:
        found.append(
            f"Intervals are over {prompts} prompts; those of fewer than {_FEW_PROMPTS} are "
            "narrower than they say."
        )
    if controls.n_random < _FEW_CONTROLS:
        found.append(
            f"σ is measured by {controls.n_random} random directions; with fewer than "
            f"{_FEW_CONTROLS} their spread is a rough estimate."
        )
    if controls.shuffled is None:
        found.append("No directions of shuffled labels were compared with.")
    over = [
        prefix + name
        for prefix, each in calibrations.items()
        for name, point in each.best_of.items()
        if point.over
    ]
    if over:
        found.append(
            f"Nothing that was tried of {', '.join(over)} was within "
            f"{calibrations[''].constraints}; "
            "what oversteps it least is shown."
        )
    if AWAY in calibrations:
        found.append("Steering away from the directions was not set beside controls.")
    short = [name for name, each in controlled.items() if each.unmatched]
    if short:
        found.append(f"Some controls of {', '.join(short)} did not reach the KL.")
    return found
