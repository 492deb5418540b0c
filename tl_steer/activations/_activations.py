"""Activations: what many texts gave at many hook points."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from tl_steer.activations._moments import Moments
from tl_steer.arguments import Measured, checked, means
from tl_steer.errors import DataError, HookNameError
from tl_steer.lens.places import Place, picked
from tl_steer.lens.protocol import ModelInfo
from tl_steer.page.html import result_html
from tl_steer.shapes import Examples


@checked
@dataclass(frozen=True, eq=False)
class ClassMoments:
    """Moments of the two classes at one hook point."""

    positive: Moments
    negative: Moments


@checked
@means(
    "Activations",
    "Activations",
    instead='For example capture(model, texts, at="blocks.*.hook_resid_post").',
)
@dataclass(frozen=True, eq=False)
class Activations:
    """A vector for each text and hook point, or only their moments."""

    model: ModelInfo
    hook_names: tuple[str, ...]

    vectors: Mapping[str, Examples]
    """By hook name, float32 on the CPU; empty when only moments were kept."""

    kept_moments: Mapping[str, ClassMoments]
    """By hook name; empty when vectors were kept."""

    text_index: Mapping[str, Int[Tensor, " example"]]
    """By hook name, the text of each vector; positive texts first, then negative ones. This differs
    between hook points only if every token is an example."""

    is_positive: Bool[Tensor, " text"] | None
    """The class of each text; ``None`` for texts without classes."""

    paired: bool
    """Whether the i-th positive text belongs to the i-th negative one."""

    site_shapes: Mapping[str, tuple[int, ...]]
    """Shape of one vector, by hook name."""

    norms: Mapping[str, Measured]
    """Mean norm over the tokens that were not left out, by hook name, in activation units."""

    left_out: pd.DataFrame
    """How many tokens were left out at each hook point, by reason."""

    data: str
    """Name of the contrast set."""

    read: str
    """Which tokens were read."""

    path: str = ""
    """What ran the passes: ``twin``, ``bridge`` or ``hooked``; see
    :func:`~tl_steer.use_path`. Empty if unknown."""

    def __post_init__(self) -> None:
        """Refuse hook names without what was read there."""
        for name in self.hook_names:
            if name not in self.kept_moments and name not in self.text_index:
                raise DataError(
                    f"{name}: expected vectors or moments for this hook point, got neither."
                )
        if not self.hook_names:
            raise DataError("Expected activations of at least one hook point, got none.")

    def __getitem__(self, hook_name: Place) -> Examples:
        """Return the vectors of one hook point; ``acts[15]`` means layer 15.

        Raises:
            HookNameError: When it was not captured.
            DataError: When only moments were kept.
        """
        name = self._name(hook_name)
        if not self.vectors:
            raise DataError(
                "Only moments were kept. For the vectors, capture without moments_only."
            )
        return self.vectors[name]

    def positive(self, hook_name: Place) -> Examples:
        """Vectors of the texts that have the property."""
        return self[hook_name][self.classes(hook_name)]

    def negative(self, hook_name: Place) -> Examples:
        """Vectors of the texts that lack it."""
        return self[hook_name][~self.classes(hook_name)]

    def moments(self, hook_name: Place) -> ClassMoments:
        """Count, mean and covariance of both classes at one hook point."""
        name = self._name(hook_name)
        if self.kept_moments:
            return self.kept_moments[name]
        return ClassMoments(
            Moments.of(self.positive(hook_name)), Moments.of(self.negative(hook_name))
        )

    def means(self, hook_name: Place) -> tuple[Tensor, Tensor]:
        """Mean of the positive and of the negative class, in float64, flattened."""
        name = self._name(hook_name)
        if self.kept_moments:
            kept = self.kept_moments[name]
            return kept.positive.mean, kept.negative.mean
        both = (self.positive(hook_name), self.negative(hook_name))
        positive, negative = (each.flatten(1).double().mean(0) for each in both)
        return positive, negative

    def counts(self, hook_name: Place) -> tuple[int, int]:
        """How many vectors are positive, and how many negative."""
        name = self._name(hook_name)
        if self.kept_moments:
            kept = self.kept_moments[name]
            return kept.positive.count, kept.negative.count
        classes = self.classes(hook_name)
        return int(classes.sum()), int((~classes).sum())

    def classes(self, hook_name: Place) -> Bool[Tensor, " example"]:
        """The class of each vector, True for positive.

        Raises:
            DataError: For texts without classes, and when only moments were kept.
        """
        name = self._name(hook_name)
        if self.is_positive is None:
            raise DataError(
                "These texts have no classes. Capture a ContrastSet(positive=…, negative=…)."
            )
        if name not in self.text_index:
            raise DataError(
                f"{name}: only moments were kept; capture without moments_only for the class of "
                "each vector."
            )
        return self.is_positive[self.text_index[name]]

    def subset(self, texts: Sequence[int]) -> "Activations":
        """Keep some texts, in their order; ``norms`` and ``left_out`` stay those of all texts.

        Raises:
            DataError: When only moments were kept, for no text, or for a number without a text.
        """
        if not self.vectors:
            raise DataError("Only moments were kept. For a subset, capture without moments_only.")
        total = 1 + max(int(index.max()) for index in self.text_index.values())
        kept = torch.tensor(sorted({*texts}), dtype=torch.long)
        if not len(kept) or kept[0] < 0 or kept[-1] >= total:
            raise DataError(
                f"texts={list(texts)[:8]}: expected at least one number, each from 0 to "
                f"{total - 1}."
            )
        rows = {name: torch.isin(index, kept) for name, index in self.text_index.items()}
        index = {n: torch.searchsorted(kept, self.text_index[n][own]) for n, own in rows.items()}
        vectors = {name: self.vectors[name][own] for name, own in rows.items()}
        classes = None if self.is_positive is None else self.is_positive[kept]
        # A pair that lost one of its texts is none.
        paired = self.paired and torch.equal(
            kept[kept < total // 2], kept[kept >= total // 2] - total // 2
        )
        return replace(self, vectors=vectors, text_index=index, is_positive=classes, paired=paired)

    def left_out_in_words(self) -> str:
        """Sum up what was left out, e.g. ``256 first, 4 to 11 massive``."""
        spans = {
            str(reason): (int(column.min()), int(column.max()))
            for reason, column in self.left_out.items()
        }
        return ", ".join(
            f"{low} {reason}" if low == high else f"{low} to {high} {reason}"
            for reason, (low, high) in spans.items()
            if high
        )

    def _name(self, at: Place) -> str:
        if isinstance(at, str) and at in self.hook_names:
            return at
        if isinstance(at, slice):
            raise HookNameError(f"{at!r}: expected one hook point. Take the others one by one.")
        found = picked(self.hook_names, at, self.model.n_layers, absent="it was not captured")
        return str(found)

    def __repr__(self) -> str:
        """Say what was read, and from what."""
        kind = (
            "moments" if self.kept_moments else f"{len(self.vectors[self.hook_names[0]])} vectors"
        )
        return (
            f"Activations({kind} at {len(self.hook_names)} hook points, "
            f"{self.hook_names[0]} to {self.hook_names[-1]}, "
            f"{self.read} of {self.data or 'texts'}; "
            f"left out: {self.left_out_in_words() or 'nothing'})"
        )

    def _repr_html_(self) -> str:
        table = self.left_out.assign(mean_norm=pd.Series(dict(self.norms)))
        return result_html(repr(self), table, most=12)
