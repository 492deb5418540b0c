"""What a calibration should be read with, in sentences."""

import math

from tl_steer.experiments._tries import Place, Row, Tries

_SHOWN = 4


def notes_of(
    tries: Tries, best: tuple[int, float] | None, *, way: int, most: float | None
) -> tuple[str, ...]:
    """What a reader would be misled without.

    Args:
        tries: All that was tried on the validation prompts.
        best: Place and strength that were chosen.
        way: As of ``calibrate``.
        most: The largest dose that was tried; ``None`` where doses were not searched.
    """
    found = [_nothing(tries)] if best is None else [_no_better(tries, best, way)]
    if best is not None and most is not None:
        found.append(_at_the_end(tries, best, most))
    found += [_unreached(tries), _not_monotone(tries)]
    return tuple(note for note in found if note)


def _nothing(tries: Tries) -> str:
    measured = [each for each, row in tries.rows.items() if row["texts"]]
    if not measured:
        return "Nothing can be chosen: no direction reaches that KL."
    nearest = min(measured, key=lambda each: float(tries.rows[each]["excess"]))
    row, place = tries.rows[nearest], tries.places[nearest[0]]
    return (
        f"Nothing that was tried is within the constraints ({tries.limits}). The nearest is "
        f"{place} at dose {row['dose']:+.3g}: {row['why_not']}. Allow more, try smaller "
        "doses, Search(first=…) or Search(kl=…), or measure with more prompts."
    )


def _no_better(tries: Tries, best: tuple[int, float], way: int) -> str:
    own, without = tries.rows[best][tries.judge], tries.base[tries.judge]
    if way * own > way * without:
        return ""
    return (
        f"The best within the constraints scores {own:.3g}, and no steering {without:.3g}: nothing "
        "that was tried helps."
    )


def _at_the_end(tries: Tries, best: tuple[int, float], most: float) -> str:
    allowed = [
        row["dose"] for (n, _), row in tries.rows.items() if n == best[0] and row["feasible"]
    ]
    # Rounding on the way from dose to strength and back.
    if max(map(abs, allowed)) < most * (1 - 1e-6):
        return ""
    return (
        f"{tries.places[best[0]]} is within the constraints at dose {most:g}, the largest that is "
        "tried; Search(most=…) allows more."
    )


def _unreached(tries: Tries) -> str:
    short = [tries.places[n] for (n, _), row in tries.rows.items() if not row["texts"]]
    return "" if not short else f"That KL was not reached within the limits by {_listed(short)}."


def _not_monotone(tries: Tries) -> str:
    wrong = [place for n, place in enumerate(tries.places) if _jumps(tries, n)]
    if not wrong:
        return ""
    return (
        f"A dose within the constraints lies above one that is not, for {_listed(wrong)}: with few "
        "texts the costs are uncertain; see the curve."
    )


def _jumps(tries: Tries, place: int) -> bool:
    rows: list[Row] = [row for (n, _), row in tries.rows.items() if n == place and row["texts"]]
    outside = [abs(row["dose"]) for row in rows if not row["feasible"]]
    lowest = min(outside, default=math.inf)
    return any(row["feasible"] and abs(row["dose"]) > lowest for row in rows)


def _listed(places: list[Place]) -> str:
    several = [str(place) for place in places[:_SHOWN]]
    more = len(places) - len(several)
    return ", ".join(several) + (f" and {more} more" if more else "")
