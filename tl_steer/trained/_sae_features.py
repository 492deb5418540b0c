"""Features of a sparse autoencoder, ranked by what they do to the output."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version

import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from tl_steer.activations import Activations, EveryToken, TextTokens, capture
from tl_steer.arguments import Count, checked
from tl_steer.data import ContrastSet
from tl_steer.directions import Direction, Provenance
from tl_steer.errors import DataError, NonFiniteError, SteerError
from tl_steer.frozen import FrozenDict
from tl_steer.lens.protocol import SteerableModel, require_steerable
from tl_steer.lens.tokens import TokenIds, tokenize
from tl_steer.lens.unembedding import vocabulary_scores
from tl_steer.page.html import result_html
from tl_steer.shapes import TokenMask
from tl_steer.trained._sae import SparseAutoencoder, encoded, hook_name_of, prepends_bos, units_of
from tl_steer.trained._sae_scores import OutputScores, input_score


@checked
@dataclass(frozen=True, eq=False)
class SaeFeatures:
    """Features of a sparse autoencoder, the one that acts most on the output first."""

    frame: pd.DataFrame
    """A row for each candidate; see :func:`sae_features`."""

    directions: Mapping[int, Direction]
    """By feature, in the same order."""

    def direction(self, feature: int) -> Direction:
        """Return what a feature writes: its decoder row, in activation units.

        Strength 1 raises the feature's activation by 1; compare it with ``activation_max``, or give
        a strength by dose (``strength_for``).

        Raises:
            DataError: For a feature that was no candidate.
        """
        if feature not in self.directions:
            raise DataError(
                f"feature {feature} was not a candidate; these were: "
                f"{', '.join(map(str, self.directions))}. To include it, write "
                f"candidates=[{feature}]."
            )
        return self.directions[feature]

    def _repr_html_(self) -> str:
        return result_html(repr(self), self.frame)


@checked
def sae_features(
    model: SteerableModel,
    sae: SparseAutoencoder,
    texts: ContrastSet,
    *,
    candidates: int | Sequence[int] = 32,
    prompts: Sequence[str] = ("From my experience,",),
    dose: float = 1.0,
    k: Count = 20,
    max_tokens: Count | None = None,
    prepend_bos: bool | None = None,
    progress: bool = True,
) -> SaeFeatures:
    """Rank features by what they do to the output, not by what activates them.

    With ``T`` the ``k`` tokens that the unembedding of a feature's decoder row ``d`` raises most,
    ``p`` the model's next-token probabilities after ``d`` was added to the last token of a neutral
    prompt, and ``t`` the likeliest token of ``T``, at rank ``r`` of the vocabulary ``V``, from 0::

        output score = p(t) (1 − r / |V|)
        input score  = share of the texts where the token that activates the feature most is in T

    The two scores of Arad, Mueller and Belinkov (2025, https://arxiv.org/abs/2505.20063), who find
    that features high in both are rare, and that leaving out those with a low output score makes
    steering two to three times as good. As in their code; but they add 10 times the largest
    activation at that token, and here the dose is the same for all features. The input score takes
    the 100 of these texts where the feature is most active, and they the contexts that are known
    to activate it.

    Args:
        model: The one that the autoencoder was trained on, with the same weight processing; it is
            left as it was.
        sae: Of ``sae-lens``, or anything of the same shape.
        texts: With the property and without it; they choose the candidates.
        candidates: How many features to take, by the difference of their mean activation between
            the classes (tokens averaged by text, then texts; only those that are higher in the
            positive class), or which.
        prompts: Neutral beginnings; the output score is the mean over them.
        dose: ``‖αd‖ / ‖h‖``, with the mean norm at the hook point.
        k: Tokens in ``T``.
        max_tokens: Padded tokens in a batch; by default from the memory of the model's device.
        prepend_bos: Whether texts and prompts begin with a beginning-of-text token; ``None`` does
            as the autoencoder was trained, where it says so, or else what TransformerLens does with
            this model.
        progress: Whether to show a progress bar.

    Returns:
        ``frame``, by falling output score: ``feature``; ``activation_positive`` and
        ``activation_negative``, the means that candidates are chosen by; ``activation_max``, over
        all tokens; ``input_score``, NaN where no text activates the feature; ``output_score``;
        ``unsteered_score``, what the same tokens reach without steering; and ``tokens``, ``T`` in
        order. And a direction for each.

    Raises:
        SteerError: If it is not an autoencoder, for a bad dose or ``k``, or no prompts.
        HookNameError: For an autoencoder of a hook point that the model lacks.
        MismatchError: For one of another width, a transcoder, or one whose weights expect
            activations normalised by numbers that it does not hold.
        DataError: For candidates that it lacks, and where no feature is more active in the positive
            class.
        NonFiniteError: For NaN or infinity, and for a decoder row of zeros.
    """
    require_steerable(model)
    name = hook_name_of(model, sae)
    _require_candidates(len(sae.W_dec), candidates)
    _require_numbers(int(model.cfg.d_vocab), dose, k)
    if isinstance(prompts, str) or not prompts:
        raise SteerError("prompts: expected a list of neutral beginnings, at least one.")
    bos = prepends_bos(sae) if prepend_bos is None else prepend_bos
    beginnings = tokenize(model, list(prompts), prepend_bos=bos)
    seen = _Seen()
    acts = capture(
        model, texts, at=name, read=seen, max_tokens=max_tokens, prepend_bos=bos, progress=progress
    )
    positive, negative = _class_means(sae, acts, name)
    chosen = _chosen(candidates, positive - negative)
    rows = sae.W_dec.detach()[chosen].float().cpu() * units_of(sae, acts[name])
    own = vocabulary_scores(model, rows).topk(k).indices
    active = torch.cat([part[:, chosen].cpu() for _, part in encoded(sae, acts[name])])
    ids = seen.ids(texts.texts, tokenize(model, texts.texts, prepend_bos=bos))
    directions = _directions(acts, texts, name, dict(zip(chosen, rows, strict=True)))
    scores = OutputScores(model, beginnings, own, max_tokens)
    frame = pd.DataFrame(
        {
            "feature": chosen,
            "activation_positive": positive[chosen].tolist(),
            "activation_negative": negative[chosen].tolist(),
            "activation_max": active.amax(0).tolist(),
            "input_score": [
                input_score(each, acts.text_index[name], ids, tokens)
                for each, tokens in zip(active.T, own, strict=True)
            ],
            "output_score": scores.steered([*directions.values()], dose).tolist(),
            "unsteered_score": scores.unsteered().tolist(),
            "tokens": [[str(model.tokenizer.decode([one])) for one in each] for each in own],
        }
    )
    frame = frame.sort_values("output_score", ascending=False, kind="stable", ignore_index=True)
    ranked = {feature: directions[feature] for feature in frame["feature"]}
    return SaeFeatures(frame, FrozenDict(ranked))


@dataclass(frozen=True, eq=False, repr=False)
class _Seen(EveryToken):
    """Every token, with a note of where in its text each was."""

    places: dict[str, Tensor] = field(default_factory=dict)

    def __call__(self, tokens: TextTokens) -> TokenMask:
        """Mark all eligible tokens; a text that is read again is noted again."""
        for text, mask in zip(tokens.texts, tokens.eligible.cpu(), strict=True):
            self.places[text] = mask.nonzero().flatten()
        return tokens.eligible

    def ids(self, texts: Sequence[str], rows: Sequence[TokenIds]) -> Int[Tensor, " token"]:
        """Return the ids of what was read, in the order of the activations."""
        return torch.cat(
            [torch.tensor(row)[self.places[text]] for text, row in zip(texts, rows, strict=True)]
        )

    def __repr__(self) -> str:
        return repr(EveryToken())


def _class_means(
    sae: SparseAutoencoder, acts: Activations, name: str
) -> tuple[Float[Tensor, " feature"], Float[Tensor, " feature"]]:
    """Average features over the tokens of each text, and over the texts of each class."""
    texts, is_positive = acts.text_index[name], acts.classes(name)
    lengths = texts.bincount()[texts]
    in_class = torch.stack([is_positive, ~is_positive]).float()
    weights = in_class / lengths
    weights = weights / weights.sum(1, keepdim=True)
    means = torch.zeros(2, len(sae.W_dec))
    for some, features in encoded(sae, acts[name]):
        means += (weights[:, some].to(features.device) @ features).cpu()
    if not bool(torch.isfinite(means).all()):
        raise NonFiniteError(f"{name}: the autoencoder's features hold NaN or infinity.")
    return means[0], means[1]


def _directions(
    acts: Activations, texts: ContrastSet, name: str, rows: Mapping[int, Tensor]
) -> dict[int, Direction]:
    return {
        feature: Direction(
            row,
            name,
            acts.norms[name],
            Provenance(
                model=acts.model,
                method=f"SAE feature {feature}",
                data=texts.name,
                n_positive=len(texts.positive),
                n_negative=len(texts.negative),
                read=acts.read,
                left_out=acts.left_out_in_words(),
                version=version("tl_steer"),
            ),
        )
        for feature, row in rows.items()
    }


def _chosen(candidates: int | Sequence[int], difference: Float[Tensor, " feature"]) -> list[int]:
    if not isinstance(candidates, int):
        return list(candidates)
    highest = difference.topk(candidates)
    found: list[int] = highest.indices[highest.values > 0].tolist()
    if not found:
        raise DataError(
            "No feature is more active in the positive class than in the negative one. Does the "
            "autoencoder fit the texts, the model and its weight processing? candidates=[…] takes "
            "features by number."
        )
    return found


def _require_candidates(count: int, candidates: int | Sequence[int]) -> None:
    if isinstance(candidates, int):
        if not 1 <= candidates <= count:
            raise DataError(f"candidates={candidates}: this autoencoder has {count} features.")
        return
    several = list(candidates)
    strange = [each for each in several if each not in range(count)]
    if strange or not several or len(set(several)) < len(several):
        raise DataError(
            f"candidates={several[:8]}: expected distinct features from 0 to {count - 1}."
        )


def _require_numbers(vocabulary: int, dose: float, k: int) -> None:
    if not 0 < dose < float("inf"):
        raise SteerError(
            f"dose={dose}: expected a positive number; 0.5 is half the activations' norm."
        )
    if not 1 <= k <= vocabulary:
        raise SteerError(f"k={k}: expected 1 to {vocabulary} tokens.")
