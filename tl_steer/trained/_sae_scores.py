"""The two scores of a feature: what it does to the output, and what activates it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tl_steer.batching import default_max_tokens
from tl_steer.directions import Direction
from tl_steer.interventions import Add
from tl_steer.lens.forward import run_logits
from tl_steer.lens.protocol import SteerableModel, device_of, dtype_of
from tl_steer.lens.tokens import TokenIds, pad, pad_id
from tl_steer.scopes import last_prompt_token
from tl_steer.steering import Steering, in_part

# The texts that an input score looks at: the authors' number.
_MOST_ACTIVE = 100

TopTokens = Int[Tensor, "feature k"]


@dataclass(frozen=True, eq=False)
class OutputScores:
    """Scores how likely each feature's own tokens are to come next, steered and not."""

    model: SteerableModel
    prompts: Sequence[TokenIds]
    own: TopTokens
    max_tokens: int | None

    def steered(self, directions: Sequence[Direction], dose: float) -> Float[Tensor, " feature"]:
        """Add each feature's direction to the last token of each prompt; the mean over prompts."""
        total = torch.zeros(len(self.own))
        for prompt in self.prompts:
            for some in self._parts(len(prompt)):
                part = directions[some]
                strengths = [each.strength_for(dose=dose) for each in part]
                addition = Add(part, strengths, scope=last_prompt_token)
                with in_part(self.model, Steering(addition)):
                    probabilities = self._next(prompt, len(part))
                total[some] += score(probabilities, self.own[some])
        return total / len(self.prompts)

    def unsteered(self) -> Float[Tensor, " feature"]:
        """What the same tokens reach without steering; the mean over prompts."""
        total = torch.zeros(len(self.own))
        for prompt in self.prompts:
            probabilities = self._next(prompt, 1)
            total += score(probabilities.expand(len(self.own), -1), self.own)
        return total / len(self.prompts)

    @torch.no_grad()
    def _next(self, prompt: TokenIds, rows: int) -> Float[Tensor, "row d_vocab"]:
        batch = pad([prompt] * rows, side="left", pad_id=pad_id(self.model))
        logits = run_logits(self.model, batch.to(device_of(self.model)))
        return logits[:, -1].float().softmax(-1).cpu()

    def _parts(self, length: int) -> Iterator[slice]:
        limit = self.max_tokens
        if limit is None:
            cfg, device = self.model.cfg, device_of(self.model)
            width = (int(cfg.d_vocab) + 40 * int(cfg.d_model)) * dtype_of(self.model).itemsize
            limit = default_max_tokens(device, bytes_per_token=width)
        rows = max(1, limit // length)
        for start in range(0, len(self.own), rows):
            yield slice(start, start + rows)


def score(
    probabilities: Float[Tensor, "feature d_vocab"], own: TopTokens
) -> Float[Tensor, " feature"]:
    """Compute ``p (1 − r / |V|)`` of the likeliest of each feature's own tokens, at rank ``r``."""
    likeliest = probabilities.gather(1, own).amax(1)
    rank = (probabilities > likeliest[:, None]).sum(1)
    found: Tensor = likeliest * (1 - rank / probabilities.shape[1])
    return found


def input_score(
    activations: Float[Tensor, " token"],
    texts: Int[Tensor, " token"],
    ids: Int[Tensor, " token"],
    own: Int[Tensor, " k"],
) -> float:
    """Compute in how many texts the token that activates a feature most is one of its own.

    Args:
        activations: Of one feature.
        texts: The text of each token.
        ids: What token it is.
        own: The feature's own tokens.

    Returns:
        The share of the texts in which the feature is active, or of the 100 where it is most so;
        NaN where there is none.
    """
    strongest: dict[int, int] = {}
    # From weak to strong, so that the strongest of each text is what stays.
    for token in activations.argsort(stable=True).tolist():
        if activations[token] > 0:
            strongest[int(texts[token])] = token
    tokens = sorted(strongest.values(), key=lambda token: -float(activations[token]))
    most = torch.tensor(tokens[:_MOST_ACTIVE], dtype=torch.long)
    return float(torch.isin(ids[most], own).float().mean())
