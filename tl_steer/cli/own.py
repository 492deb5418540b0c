"""What a user does with texts and directions of their own, as words for a terminal."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tl_steer.activations import capture
from tl_steer.data import DATA_CARDS, ContrastSet
from tl_steer.diagnostics import diagnose
from tl_steer.directions import Direction, Directions, mean_difference
from tl_steer.errors import DataError, FileError, SteerError
from tl_steer.generation import compare
from tl_steer.interventions import Add
from tl_steer.lens.hook_names import layer_of
from tl_steer.lens.protocol import SteerableModel
from tl_steer.lens.tokens import Chat

HELD_OUT, AT_LEAST = 0.25, 16
"""The share of texts that a layer is chosen on, and how many of each side there have to be."""


@dataclass(frozen=True)
class Found:
    """What a command found: to be read by people, and by programs."""

    words: str
    values: dict[str, Any]


def texts_of(files: list[Path], *, text: str, label: str, positive: str) -> ContrastSet:
    """Read two files with a text a line, or one CSV or JSONL file with labels.

    Raises:
        SteerError: For anything else, and for files that cannot be read.
    """
    if len(files) == 2:
        name = f"{files[0].name} against {files[1].name}"
        return ContrastSet(positive=lines_of(files[0]), negative=lines_of(files[1]), name=name)
    if len(files) == 1 and files[0].suffix in (".csv", ".jsonl"):
        read = ContrastSet.from_csv if files[0].suffix == ".csv" else ContrastSet.from_jsonl
        return read(files[0], text=text, label=label, positive=positive)
    raise DataError(
        "give two text files with a text a line, those that have the property first, or one .csv "
        f"or .jsonl file with labels; {len(files)} came: {', '.join(map(str, files))}."
    )


def lines_of(file: Path) -> list[str]:
    """Read a file with a text a line.

    Raises:
        SteerError: Where it cannot be read, or has no text.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(f"{file}: cannot be read as text in UTF-8 ({error}).") from error
    found = [line.strip() for line in lines if line.strip()]
    if not found:
        raise DataError(f"{file}: there is no text in it; one a line is wanted.")
    return found


def extract(
    model: SteerableModel, texts: ContrastSet, output: Path, *, layer: int | None, seed: int
) -> Found:
    """Take the mean difference in the residual stream, and save that of one layer.

    Without ``layer``, a quarter of the texts is held out, and the layer of the middle half that
    tells these apart best is taken (by d′; the area under the ROC curve has a ceiling). With fewer
    than 16 texts a side nothing is held out, and the middle layer is taken.

    Raises:
        SteerError: For texts or a layer that do not fit, and a file that cannot be written.
    """
    n_layers = int(model.cfg.n_layers)
    middle = range(n_layers // 4, max(n_layers // 4 + 1, 3 * n_layers // 4))
    if layer is not None or min(len(texts.positive), len(texts.negative)) < AT_LEAST:
        chosen = n_layers // 2 if layer is None else layer
        direction = mean_difference(capture(model, texts, at=chosen))[chosen]
        why = "as asked" if layer is not None else (
            f"the middle one: with fewer than {AT_LEAST} texts a side, none can be held out to "
            "choose on"
        )  # fmt: skip
        values: dict[str, Any] = {}
    else:
        parts = texts.split({"train": 1 - HELD_OUT, "held out": HELD_OUT}, seed=seed)
        train, held_out = (
            capture(model, replace(part, name=texts.name), at=[*middle]) for part in parts.values()
        )
        directions = mean_difference(train)
        frame = diagnose(train, held_out, directions, estimator=mean_difference).frame
        name = str(frame["d_prime"].idxmax())
        row, direction = frame.loc[name], directions[name]
        chosen = layer_of(name)
        why = (
            f"the best of layers {middle[0]} to {middle[-1]} on held-out texts: AUROC "
            f"{row['auroc']:.2f} [{row['auroc_low']:.2f}, {row['auroc_high']:.2f}], d′ "
            f"{row['d_prime']:.2f}; verdict: {row['verdict']}"
        )
        values = {
            "auroc": float(row["auroc"]),
            "d_prime": float(row["d_prime"]),
            "verdict": str(row["verdict"]),
        }
    direction.save(output)
    words = f"{direction!r}\nlayer {chosen}, {why}\n{output}"
    return Found(words, {"file": str(output), "hook_name": direction.hook_name, **values})


def direction_of(file: Path, layer: int | None) -> Direction:
    """Read a file's direction; one of several by its layer.

    Raises:
        SteerError: For a file that is none of ours, or a layer that is not in it.
    """
    found = Directions.load(file)
    if layer is not None:
        return found[layer]
    if len(found) > 1:
        layers = ", ".join(str(layer_of(name)) for name in found)
        raise SteerError(f"{file} has {len(found)} directions; choose one with --layer: {layers}.")
    return next(iter(found.values()))


def steer_prompts(
    model: SteerableModel,
    direction: Direction,
    prompts: list[str],
    *,
    dose: float,
    chat: bool,
    **sampling: Any,
) -> Found:
    """Continue prompts against a direction, unsteered, and along it.

    Raises:
        SteerError: For a direction of another model, and settings that do not fit.
    """
    conditions = {
        f"dose {-dose:+g}": Add(direction, dose=-dose),
        "unsteered": None,
        f"dose {dose:+g}": Add(direction, dose=dose),
    }
    texts = compare(model, prompts, conditions, chat=Chat() if chat else None, **sampling)
    columns = ["prompt", "condition", "sample", "text"]
    return Found(str(texts), {"texts": texts.frame[columns].to_dict("records")})


def known_sets() -> Found:
    """Say what the ready-made contrast sets are for, and what they cannot say."""
    lines = [
        f"ts.data.{card.name}()\n  {card.purpose}\n  + {card.positive}\n  - {card.negative}\n"
        f"  limits: {card.limits}"
        for card in DATA_CARDS.values()
    ]
    return Found("\n\n".join(lines), {name: asdict(card) for name, card in DATA_CARDS.items()})


def inspect_file(file: Path) -> Found:
    """Say what directions a file has, and where they came from.

    Raises:
        SteerError: For a file that is none of ours.
    """
    found = Directions.load(file)
    rows, lines = [], []
    for name, each in found.items():
        origin = each.provenance
        dose = each.dose() if each.scale else None
        rows.append(
            {
                "hook_name": name,
                "shape": list(each.vector.shape),
                "norm": each.norm,
                "dose": dose,
                "method": origin.method,
                "data": origin.data,
                "model": origin.model.name,
            }
        )
        lines.append(repr(each))
    origin = next(iter(found.values())).provenance
    lines += [f"method: {origin.method}", f"data: {origin.data or 'not said'}",
              f"texts: {origin.n_positive} and {origin.n_negative}"]  # fmt: skip
    return Found("\n".join(lines), {"file": str(file), "directions": rows})
