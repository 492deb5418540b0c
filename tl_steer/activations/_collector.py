"""Batches, put together again in the order of the texts."""

from dataclasses import dataclass, field

import pandas as pd
import torch
from torch import Tensor

from tl_steer.activations._activations import Activations, ClassMoments
from tl_steer.activations._moments import Moments, merged
from tl_steer.activations._reader import AtHookPoint
from tl_steer.errors import DataError
from tl_steer.lens.protocol import ModelInfo

_FLUSH = 256


@dataclass(eq=False)
class Collector:
    """Takes results batch by batch, and keeps vectors or only their moments."""

    names: tuple[str, ...]
    is_positive: Tensor | None
    """``Bool[Tensor, "text"]``."""

    moments_only: bool
    _shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    _pieces: dict[str, list[AtHookPoint]] = field(default_factory=dict)
    _moments: dict[tuple[str, bool], Moments | None] = field(default_factory=dict)
    _norm_sum: dict[str, float] = field(default_factory=dict)
    _n_tokens: dict[str, int] = field(default_factory=dict)
    _left_out: dict[str, dict[str, int]] = field(default_factory=dict)

    def add(self, result: dict[str, AtHookPoint]) -> None:
        """Take what one batch gave."""
        for name, found in result.items():
            self._shapes[name] = tuple(found.vectors.shape[1:])
            self._norm_sum[name] = self._norm_sum.get(name, 0.0) + found.norm_sum
            self._n_tokens[name] = self._n_tokens.get(name, 0) + found.n_tokens
            counts = self._left_out.setdefault(name, {})
            for reason, count in found.left_out.items():
                counts[reason] = counts.get(reason, 0) + count
            pieces = self._pieces.setdefault(name, [])
            pieces.append(found)
            # Merging moments costs d² however few vectors come, so they wait for company.
            if self.moments_only and sum(len(piece.vectors) for piece in pieces) >= _FLUSH:
                self._flush(name)

    def activations(
        self, *, model: ModelInfo, paired: bool, data: str, read: str, path: str
    ) -> Activations:
        """Return everything that came in, in the order of the texts.

        Raises:
            DataError: When every token of one class was left out.
        """
        if self.moments_only:
            for name in self.names:
                self._flush(name)
        ordered = {} if self.moments_only else {n: _ordered(self._pieces[n]) for n in self.names}
        return Activations(
            model=model,
            hook_names=self.names,
            vectors={name: vectors for name, (vectors, _) in ordered.items()},
            text_index={name: texts for name, (_, texts) in ordered.items()},
            kept_moments=(
                {name: self._both(name) for name in self.names} if self.moments_only else {}
            ),
            is_positive=self.is_positive,
            paired=paired,
            site_shapes=self._shapes,
            norms={n: self._norm_sum[n] / max(self._n_tokens[n], 1) for n in self.names},
            left_out=pd.DataFrame.from_dict(self._left_out, orient="index"),
            data=data,
            read=read,
            path=path,
        )

    def _flush(self, name: str) -> None:
        pieces = self._pieces.pop(name, [])
        if not pieces or self.is_positive is None:
            return
        # Tensors made in inference mode could not be used where gradients are taken later.
        with torch.inference_mode(False):
            vectors, texts = _ordered(pieces)
            positive = self.is_positive[texts]
            for side, chosen in ((True, positive), (False, ~positive)):
                self._moments[name, side] = merged(self._moments.get((name, side)), vectors[chosen])

    def _both(self, name: str) -> ClassMoments:
        positive, negative = (self._moments.get((name, side)) for side in (True, False))
        if positive is None or negative is None:
            raise DataError(f"{name}: no token of one class is left to read.")
        return ClassMoments(positive, negative)


def _ordered(pieces: list[AtHookPoint]) -> tuple[Tensor, Tensor]:
    texts = torch.cat([piece.text_index for piece in pieces])
    vectors = torch.cat([piece.vectors for piece in pieces])
    order = torch.argsort(texts, stable=True)
    return vectors[order], texts[order]
