"""Trace: what happened at every token, as tables, pictures and a page."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from tl_steer.arguments import Index, checked
from tl_steer.errors import DataError
from tl_steer.files.writing import write_whole
from tl_steer.tracing._figure import tokens_figure
from tl_steer.tracing._frames import alternative_frame, attention_frame, token_frame, whole_frame
from tl_steer.tracing._page import page_of
from tl_steer.tracing._shown import series_of
from tl_steer.tracing._strip import strips_of
from tl_steer.tracing._text import TracedText


@checked
@dataclass(frozen=True, eq=False)
class Trace:
    """What happened at every token of some texts; made by :func:`trace`.

    A number stands at the token that it is about: entropy, log-probability, KL and alternatives are
    of the distribution that this token came from, and so unknown for the first of a text.
    """

    texts: tuple[TracedText, ...] = field(repr=False)
    """Each text under each condition, as arrays."""

    vocabulary: Mapping[int, str] = field(repr=False)
    """What the tokens say, by id: those of the texts, and their alternatives."""

    path: str = ""
    """What the passes ran through: ``twin``, ``bridge`` or ``hooked``; see
    :func:`~tl_steer.use_path`."""

    def __post_init__(self) -> None:
        """Refuse what holds no text."""
        if not self.texts:
            raise DataError("a trace holds one text at least; trace(model, prompts) makes one.")

    @property
    def conditions(self) -> list[str]:
        """Names of the conditions, in order."""
        return list(dict.fromkeys(each.condition for each in self.texts))

    @cached_property
    def frame(self) -> pd.DataFrame:
        """A row for each token, hook point, direction and intervention.

        ``condition``, ``prompt_index``, ``sample``, ``position`` (from 0), ``token_id``, ``token``,
        ``written`` (whether it is behind the prompt), ``sink`` (an attention sink, there: the first
        token, or one of over ten times the median norm); ``log_prob``, ``entropy`` and ``kl`` in
        nats; ``hook_name``, ``direction``, ``intervention`` (empty where none acts); the
        projections ``before`` and ``after`` that intervention, in activation units; its
        ``strength``, and whether it ``acts`` on the token; ``relative_change`` = ``‖h' − h‖ /
        ‖h‖``, ``angle`` between ``h`` and ``h'`` in degrees, and ``norm_ratio`` = ``‖h'‖ / ‖h‖``.
        NaN where nothing was read.
        """
        return whole_frame(self.texts)

    @cached_property
    def tokens(self) -> pd.DataFrame:
        """A row for each token, with what does not depend on hook points: see :attr:`frame`."""
        return token_frame(self.texts)

    @cached_property
    def attention(self) -> pd.DataFrame:
        """A row for each token, hook point and head, where attention was asked for.

        ``to_keys`` and ``to_keys_unsteered``: the share of attention that goes to the keys;
        ``rerouted``: the Jensen–Shannon divergence of the two patterns, in nats, 0 to log 2.
        """
        return attention_frame(self.texts)

    @cached_property
    def alternatives(self) -> pd.DataFrame:
        """A row for each token and ``rank``: which tokens were likeliest in its place.

        ``alternative_id``, ``alternative``, and ``alternative_log_prob`` in nats.
        """
        return alternative_frame(self.texts, self.vocabulary)

    def plot(self, prompt_index: Index = 0, sample: Index = 0) -> Figure:
        """Draw projections over the tokens of one prompt, a line a condition; KL below.

        The prompt is shaded, and attention sinks are left out.

        Args:
            prompt_index: Which prompt, from 0.
            sample: Which of its continuations, from 0.

        Raises:
            DataError: For a prompt or sample that was not traced, or where nothing can be drawn.
        """
        return tokens_figure(self.texts, series_of(self.texts), prompt_index, sample)

    def save(self, path: str | Path) -> Path:
        """Write a page to look through it: one file, which needs no network.

        Scrub through the tokens, conditions side by side; choose what colours them; look at what
        else could have stood there, and at what each intervention did.

        Args:
            path: The file, such as ``trace.html``.

        Raises:
            StorageError: When it cannot be written.
        """
        page = page_of("Trace", repr(self), self.texts, series_of(self.texts), self.vocabulary)
        return write_whole(Path(path), page.encode("utf-8"))

    def __repr__(self) -> str:
        """Say what there is."""
        series = series_of(self.texts)
        count = len(series)
        looks = f"; {'; '.join(map(str, series))}" if count <= 3 else f"; {count} projections"
        return (
            f"Trace({len(self.texts)} texts; {', '.join(self.conditions)}{looks if count else ''})"
        )

    def __str__(self) -> str:
        """What it is, and the means over the written tokens, a line a condition and projection."""
        frame = self.frame[self.frame["written"] & ~self.frame["sink"].astype(bool)]
        columns = ["before", "after", "relative_change", "kl", "entropy", "log_prob"]
        keys = ["condition", "hook_name", "direction", "intervention"]
        if frame.empty:
            return repr(self)
        means = frame.groupby(keys, sort=False)[columns].mean().round(3)
        return f"{self!r}\n{means.reset_index().to_string(index=False, na_rep='–')}"

    def _repr_html_(self) -> str:
        series = series_of(self.texts)
        first = [each for each in series if each.direction == series[0].direction]
        return strips_of(f"{self!r}.", self.texts, first[-1] if first else None)
