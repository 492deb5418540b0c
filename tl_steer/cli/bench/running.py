"""All parts, and what they found as words, as a table and for programs."""

import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm

from tl_steer.cli.bench.clock import Clock, Figure
from tl_steer.cli.bench.decoding import decoding
from tl_steer.cli.bench.reading import reading
from tl_steer.cli.bench.sizes import Sizes
from tl_steer.cli.bench.sweeping import entering, sweeping
from tl_steer.cli.models import model_of, plain_of
from tl_steer.cli.own import Found
from tl_steer.errors import FileError, SteerError
from tl_steer.files.opening import read_text
from tl_steer.files.writing import write_text
from tl_steer.lens.protocol import device_of

_BEGIN, _END = "<!-- tl-steer bench -->", "<!-- end of tl-steer bench -->"
_PACKAGES = ("torch", "transformers", "transformer-lens", "steering-vectors", "repeng")


def bench(
    name: str,
    device: str | None,
    sizes: Sizes,
    *,
    parts: Sequence[str],
    rounds: int,
    threads: int,
    into: Path | None,
) -> Found:
    """Measure, in one process and in turn.

    Args:
        name: What model, as for the other commands.
        device: CUDA where there is one by default.
        sizes: How much is written and read.
        parts: Which of writing, reading, sweeping and entering.
        rounds: How often everything is run; figures are medians.
        threads: Of the processor.
        into: A Markdown file, whose part between two comments is written anew.

    Raises:
        SteerError: For no rounds, a model that cannot be loaded, or a file without the comments.
    """
    if rounds < 1 or threads < 1:
        raise SteerError(f"--rounds {rounds} --threads {threads}: at least 1 each.")
    page = None if into is None else _parts(into)
    with _threads(threads):
        model, plain = model_of(name, device), plain_of(name, device)
        clock = Clock(device_of(model), rounds)
        measured: dict[str, Callable[[], list[Figure]]] = {
            "writing": lambda: decoding(model, plain, sizes, clock),
            "reading": lambda: reading(model, plain, sizes, clock),
            "sweeping": lambda: sweeping(model, sizes, clock),
            "entering": lambda: entering(model, clock),
        }
        figures: list[Figure] = []
        with tqdm(total=len(parts), desc="bench", unit="part") as bar:
            for part in parts:
                bar.set_postfix_str(part)
                figures += measured[part]()
                bar.update()
    values = {
        "model": str(model.cfg.model_name),
        "device": _device(clock.device),
        "threads": threads,
        "clock": clock.name,
        "rounds": rounds,
        "sizes": asdict(sizes),
        "versions": dict(_versions()),
        "figures": [asdict(each) for each in figures],
    }
    if into is not None and page is not None:
        _write(into, page, f"{_setting(values)}\n\n{_table(figures)}\n")
    return Found(f"{_setting(values)}\n\n{_words(figures)}", values)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _versions() -> Iterator[tuple[str, str]]:
    for package in _PACKAGES:
        try:
            yield package, version(package)
        except PackageNotFoundError:
            continue


def _device(device: torch.device) -> str:
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    return f"{device.type}, {platform.machine()}"


def _setting(values: dict[str, Any]) -> str:
    versions = ", ".join(f"{package} {number}" for package, number in values["versions"].items())
    return (
        f"{values['model']} ({values['device']}, threads: {values['threads']}; {versions}). "
        f"Ratios of {values['clock']}, run in turn in one process: the median of "
        f"{values['rounds']} rounds and, in brackets, the least and the most. Over 1 is faster "
        "than what it is compared to."
    )


def _shown(figure: Figure) -> str:
    if not figure.rounds:
        return "does not run"
    if figure.rounds == 1:
        return f"{figure.ratio:.2f}"
    return f"{figure.ratio:.2f} [{figure.least:.2f}, {figure.most:.2f}]"


def _rows(figures: Sequence[Figure]) -> Iterator[tuple[str, str, str, str, str]]:
    for each in figures:
        if each.name != each.against:
            noted = f"{each.name} ({each.note})" if each.note else each.name
            yield each.part, noted, each.against, _shown(each), f"{each.seconds:.3g} s"


def _words(figures: Sequence[Figure]) -> str:
    lines, before = [], ""
    for part, name, against, ratio, seconds in _rows(figures):
        if part != before:
            lines.append(f"{part}")
        before = part
        lines.append(f"  {ratio:<20} {name}, over {against} ({seconds})")
    return "\n".join(lines)


def _table(figures: Sequence[Figure]) -> str:
    rows = ["| | | over | ratio | its time |", "| --- | --- | --- | --- | --- |"]
    before = ""
    for part, *cells in _rows(figures):
        rows.append(f"| {'' if part == before else part} | {' | '.join(cells)} |")
        before = part
    return "\n".join(rows)


def _parts(page: Path) -> tuple[str, str]:
    """What stands before and behind the place for the figures."""
    text = read_text(page)
    before, begin, rest = text.partition(_BEGIN)
    _, end, behind = rest.partition(_END)
    if not begin or not end:
        raise FileError(f"{page}: write {_BEGIN} and {_END} where the figures are to stand.")
    return before, behind


def _write(page: Path, around: tuple[str, str], text: str) -> None:
    before, behind = around
    write_text(page, f"{before}{_BEGIN}\n{text}{_END}{behind}")
