"""What a run of the case study depends on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tl_steer.demo.candidate import Candidate
from tl_steer.demo.prompts import TEST, VALIDATION
from tl_steer.generation import Sampling

RESID, MLP = "hook_resid_post", "hook_mlp_out"


def _places() -> dict[str, Sequence[Candidate]]:
    return {
        RESID: (
            Candidate(RESID, 15, 15, 3.5),
            Candidate(RESID, 14, 18, 0.8),
            Candidate(RESID, 10, 18, 0.5),
        ),
        MLP: (Candidate(MLP, 14, 14, 6.0), Candidate(MLP, 10, 22, 3.0)),
    }


@dataclass(frozen=True)
class Settings:
    """Settings of the case study; everything else follows from them."""

    output: Path = Path("tl_steer_demo")
    device: str | None = None
    """CUDA where there is one by default."""

    seed: int = 0

    reviews: int = 512
    """Reviews of each class that directions are taken from."""

    held_out: int = 128
    """Other reviews of each class, to see how well the directions separate them."""

    validation: Sequence[str] = VALIDATION
    """Prompts to choose on."""

    test: Sequence[str] = TEST
    """Prompts to report on."""

    places: Mapping[str, Sequence[Candidate]] = field(default_factory=_places)
    """Runs of layers to compare at each site, with the strength to compare them at."""

    margin: float = 0.8
    """Part of the allowed perplexity that the choice may spend on validation."""

    tokens: int = 30
    """Tokens a text."""

    def sampling(self, *, samples: int, seed: int) -> Sampling:
        """Temperature .9, top-p .95, no top-k."""
        return Sampling(
            max_new_tokens=self.tokens, samples=samples, temperature=0.9, top_p=0.95, seed=seed
        )
