"""Where the turns of a chat begin and end, learned from what its template writes around them."""

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile

from tl_steer.errors import SteerError
from tl_steer.lens.chat_template import rendered
from tl_steer.lens.protocol import SteerableModel

Span = tuple[int, int]

Opening = tuple[str, str]
"""Whose turn begins, and the marker at which it does, which is not part of the turn."""

# No template writes these of itself, and none changes them.
_CONTENTS = ("sentinelone", "sentineltwo", "sentinelthree", "sentinelfour")

_TAG = r"<+[^<>\s]+>+|\[[^\[\]\s]+\]"

# What a marker consists of: none of these is shared by half.
_ATOM = re.compile(rf"{_TAG}|\w+|\s|.")


@dataclass(frozen=True)
class Separators:
    """What a template writes around the turns of user and assistant, in every place."""

    first: str
    """Before a user's turn that is the first one."""

    to_answer: tuple[str, ...]
    """From the user's turn to the assistant's: in the middle, at the end, and where the assistant's
    is only begun, if the template does that."""

    to_user: str
    """From the assistant's turn to the user's."""

    after_user: tuple[str, ...]
    """Whatever may follow a user's turn."""

    after_answer: tuple[str, ...]
    """Whatever may follow one of the assistant's."""


@dataclass(frozen=True)
class Markers:
    """What tells turns apart."""

    openings: tuple[Opening, ...]
    """The longest first; an empty one is the beginning of the text."""

    closings: dict[str, tuple[str, ...]]
    """For each role, the markers at which its turns end."""

    folded: bool
    """Whether the system's text stands in the user's turn, and nothing tells the two apart."""


def around(
    model: SteerableModel, roles: Sequence[str], *, begin_answer: bool = False
) -> tuple[str, ...]:
    """What the template writes before, between and after the contents of up to four turns.

    Raises:
        SteerError: Without a template, for turns that it refuses, and for contents that do not
            stand there one after another.
    """
    turns = list(zip(roles, _CONTENTS, strict=False))
    text = rendered(model, turns, begin_answer=begin_answer)
    if re.findall("|".join(_CONTENTS), text) != [content for _, content in turns]:
        raise SteerError(
            f"this model's chat template does not write turns of {', '.join(roles)} one by one."
        )
    return tuple(re.split("|".join(_CONTENTS), text))


def separators(model: SteerableModel) -> Separators:
    """Find out what stands around turns, by contents that stand for themselves.

    Raises:
        SteerError: As :func:`around`.
    """
    first, asked, answered, again, end = around(model, ["user", "assistant"] * 2)
    _, once, last = around(model, ["user", "assistant"])
    _, alone = around(model, ["user"])
    _, begun = around(model, ["user"], begin_answer=True)
    return Separators(
        first=first,
        # A template that begins no answer, or always does, says nothing new there.
        to_answer=(asked, again, once, *([begun] if begun != alone else [])),
        to_user=answered,
        after_user=(asked, again, once, alone, begun),
        after_answer=(answered, end, last),
    )


def learned(model: SteerableModel, *more: str) -> Markers:
    """Learn the markers of turns from the template.

    Args:
        model: Whose tokenizer has a chat template.
        more: Roles beside user, assistant and system that have to be known.

    Raises:
        SteerError: As :func:`around`, for a role that the template does not take, and where nothing
            that it writes tells turns apart.
    """
    found = separators(model)
    bos = getattr(model.tokenizer, "bos_token", None) or ""
    user = _openings([_rest(found.to_user, found.after_answer), found.first], bos)
    assistant = _openings((_rest(each, found.after_user) for each in found.to_answer), bos)
    if not user or not assistant or {*user} & {*assistant}:
        raise SteerError(
            "this model's chat template writes nothing before turns that would tell the user's "
            "from the assistant's."
        )
    openings = dict.fromkeys(user, "user") | dict.fromkeys(assistant, "assistant")
    if not found.first.removeprefix(bos).strip():
        openings[""] = "user"
    closings = {"user": closing(found.after_user), "assistant": closing(found.after_answer)}
    folded = _learn_system(model, openings, closings, bos)
    for role in dict.fromkeys(["tool", *more]):
        if role not in closings:
            _learn_other(model, role, openings, closings, found.after_answer, required=role in more)
    ordered = sorted(openings.items(), key=lambda each: -len(each[0]))
    return Markers(tuple((role, marker) for marker, role in ordered), closings, folded)


def closing(followers: Sequence[str]) -> tuple[str, ...]:
    """What closes a turn: what everything that may follow it begins with, or each of these."""
    shared = _shared(followers)
    several = [shared] if shared.strip() else dict.fromkeys(followers)
    return tuple(each for each in several if each.strip())


def turn_spans(text: str, role: str, openings: Sequence[Opening]) -> list[Span]:
    """Characters from each opening of a role to the next opening of any, or to the text's end."""
    groups = (f"(?P<n{n}>{marker_pattern(each)})" for n, (_, each) in enumerate(openings))
    opened = list(re.finditer("|".join(groups), text))
    ends = [*(each.start() for each in opened[1:]), len(text)]
    whose = [openings[int(str(each.lastgroup)[1:])][0] for each in opened]
    return [
        (each.end(), end)
        for each, end, who in zip(opened, ends, whose, strict=False)
        if who == role
    ]


def marker_pattern(marker: str) -> str:
    """A marker as tokens spell it: white space may differ within, and be missing beside tags.

    One of plain words keeps the white space around it, or stands at an end of the text.
    """
    if not marker:
        # The beginning-of-text token is nobody's.
        return rf"\A(?:{_TAG})?"
    lead = marker[: len(marker) - len(marker.lstrip())]
    trail = len(marker) - len(marker.rstrip())
    if re.search(_TAG, marker):
        pieces = (piece for piece in re.split(rf"({_TAG})|\s+", marker) if piece)
        spelled = r"\s*".join(map(re.escape, pieces))
        return rf"\s{{0,{len(lead)}}}{spelled}\s{{0,{trail}}}"
    spelled = r"\s+".join(map(re.escape, marker.split()))
    if lead:
        begins = rf"\n\s{{0,{len(lead) - 1}}}" if lead[0] == "\n" else rf"\s{{1,{len(lead)}}}"
        spelled = rf"(?:\A|(?<=[>\]])|{begins}){spelled}"
    return rf"{spelled}(?:\s{{1,{trail}}}|\Z)" if trail else spelled


def _learn_system(
    model: SteerableModel, openings: dict[str, str], closings: dict[str, tuple[str, ...]], bos: str
) -> bool:
    """Add what stands around a system's turn, if there is one; tell whether it is folded."""
    try:
        before, after, _ = around(model, ["system", "user"])
    except SteerError:
        return False  # It takes none, or leaves it out.
    users = sorted((each for each, who in openings.items() if who == "user" and each), key=len)
    own = [marker for marker in users if after.endswith(marker)]
    header = _header(before, users, bos)
    if header in openings or not (own or after.strip()):
        return True
    ends = after.removesuffix(own[-1]) if own else after
    if not own:
        openings[after] = "user"
    openings[header] = "system"
    closings["system"] = (ends,) if ends.strip() else ()
    return False


def _header(before: str, users: Sequence[str], bos: str) -> str:
    """What opens the system's turn, without what the template itself says in that turn."""
    for marker in (each.replace("user", "system") for each in users if "user" in each):
        if marker in before:
            return marker
    rest = before.removeprefix(bos)
    tags = list(re.finditer(_TAG, rest))
    return rest[tags[-1].start() :] if tags else rest.lstrip()


def _learn_other(
    model: SteerableModel,
    role: str,
    openings: dict[str, str],
    closings: dict[str, tuple[str, ...]],
    after_answer: Sequence[str],
    *,
    required: bool,
) -> None:
    """Add what stands around the turns of a role that not every template takes."""
    try:
        *_, separator, end = around(model, ["user", "assistant", role])
    except SteerError as error:
        if required:
            raise SteerError(
                f"this model's chat template takes no {role!r} turn: {error}"
            ) from error
        return
    marker = _rest(separator, after_answer)
    whose = openings.get(marker, role)
    if whose != role or not marker.strip():
        if required:
            raise SteerError(
                f"this model's chat template takes no {role!r} turn of its own: it writes one as "
                f"the {whose}'s."
            )
        return
    followers = [end]
    with suppress(SteerError):  # Where nothing may follow, the end is all that is known.
        followers.append(around(model, ["user", "assistant", role, "assistant"])[3])
    openings[marker] = role
    closings[role] = closing(followers)


def _openings(markers: Iterable[str], bos: str) -> tuple[str, ...]:
    """Those markers of a role that say something, each once, and none that ends in another."""
    found: list[str] = []
    bare = {_without_bos(marker, bos) for marker in markers if marker.strip()}
    for marker in sorted(bare, key=lambda each: (len(each.lstrip()), -len(each))):
        if not any(marker.endswith(shorter.lstrip()) for shorter in found):
            found.append(marker)
    return tuple(found)


def _without_bos(marker: str, bos: str) -> str:
    """Leave the beginning-of-text token out, where the rest is a marker without it."""
    rest = marker.removeprefix(bos)
    return rest if re.search(_TAG, rest) else marker


def _rest(separator: str, followers: Sequence[str]) -> str:
    """What opens the next turn, from all that stands between two; all of it, if nothing is left."""
    shared = _shared(followers)
    rest = separator.removeprefix(shared) if shared.strip() else separator
    return rest if rest.strip() else separator


def _shared(followers: Sequence[str]) -> str:
    several = zip(*(_ATOM.findall(each) for each in followers), strict=False)
    return "".join(each[0] for each in takewhile(lambda each: len({*each}) == 1, several))
