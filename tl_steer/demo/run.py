"""The case study, from the assets to the report."""

import json
import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from time import monotonic

import pandas as pd

from tl_steer.activations import capture
from tl_steer.data import packaged_model, rotten_tomatoes
from tl_steer.demo.candidate import Candidate, random_directions
from tl_steer.demo.output import require_device, require_writable
from tl_steer.demo.report import page
from tl_steer.demo.results import Results, SiteResult
from tl_steer.demo.search import JUDGE, Choice, search
from tl_steer.demo.settings import Settings
from tl_steer.diagnostics import separation
from tl_steer.directions import Directions, DominatedDirectionWarning, mean_difference
from tl_steer.generation import Generations, Sampling, compare
from tl_steer.judges import Judge, sentiment_judge, vader_judge
from tl_steer.lens.protocol import SteerableModel, device_of
from tl_steer.metrics import measure
from tl_steer.steering import Steering

_log = logging.getLogger(__name__)


def run(settings: Settings) -> Results:
    """Run the case study and write its files.

    Writes ``report.html``, ``results.json`` and ``direction.safetensors`` into
    ``settings.output``, once everything has been measured.

    Raises:
        SteerError: When the folder cannot be written (before anything is fetched), or the assets
            cannot be had.
    """
    began = monotonic()
    require_writable(settings.output)
    require_device(settings.device)
    _log.info("1/5  model, reviews and judge (fetched and prepared on first use)")
    study = _Study.begin(settings)
    _log.info("2/5  activations of %d reviews, at %d hook points", *study.size)
    directions, table = study.directions()
    _log.info("3/5  where and how strongly, on %d validation prompts", len(settings.validation))
    measured = study.on_validation(directions)
    unsteered = measured({"unsteered": None})
    choices = {
        site: search(measured, unsteered, places, margin=settings.margin)
        for site, places in settings.places.items()
    }
    _log.info("4/5  what it does, on %d test prompts", len(settings.test))
    sites = study.on_test(directions, choices)
    results = Results(
        directions=directions,
        separation=table,
        sites=sites,
        best=max(choices, key=lambda site: _reach(choices[site])),
        facts=study.facts(),
    )
    _log.info("5/5  report")
    results.facts["time"] = f"{(monotonic() - began) / 60:.1f} minutes"
    _write(settings.output, results)
    _say(settings.output, results)
    return results


@dataclass(frozen=True, eq=False)
class _Study:
    settings: Settings
    model: SteerableModel
    judges: Sequence[Judge]
    notes: list[str]
    """Warnings, for the report."""

    @classmethod
    def begin(cls, settings: Settings) -> "_Study":
        model = packaged_model(device=settings.device)
        return cls(settings, model, (sentiment_judge(), vader_judge()), [])

    @property
    def test_sampling(self) -> Sampling:
        return self.settings.sampling(samples=4, seed=self.settings.seed + 1)

    @property
    def size(self) -> tuple[int, int]:
        return 2 * (self.settings.reviews + self.settings.held_out), len(
            self.settings.places
        ) * int(self.model.cfg.n_layers)

    def directions(self) -> tuple[Directions, pd.DataFrame]:
        """Directions from some reviews, and how well they separate others."""
        halves = rotten_tomatoes().split({"train": 0.5, "held-out": 0.5}, seed=self.settings.seed)
        at = [f"blocks.*.{site}" for site in self.settings.places]
        train, held_out = (
            capture(self.model, half.sample(count, seed=self.settings.seed), at=at)
            for half, count in (
                (halves["train"], self.settings.reviews),
                (halves["held-out"], self.settings.held_out),
            )
        )
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", DominatedDirectionWarning)
            directions = mean_difference(train)
        self.notes.extend(str(each.message) for each in caught)
        return directions, separation(directions, held_out)

    def on_validation(self, directions: Directions) -> "_Measured":
        return _Measured(self, directions)

    def on_test(
        self, directions: Directions, choices: Mapping[str, Choice]
    ) -> dict[str, SiteResult]:
        """Measure the choices, beside no steering and random directions of the same norm."""
        control = random_directions(directions, seed=self.settings.seed + 1)
        conditions: dict[str, Steering | None] = {"unsteered": None}
        for site, choice in choices.items():
            conditions |= {
                f"{site} positive": choice.positive.steering(directions),
                f"{site} negative": choice.negative.steering(directions),
                f"{site} random": choice.positive.steering(control),
            }
        written = compare(self.model, self.settings.test, conditions, self.test_sampling)
        table = measure(self.model, written, self.judges, progress=True)
        return {site: _of_site(site, choice, table, written) for site, choice in choices.items()}

    def facts(self) -> dict[str, str]:
        """What a reader needs to repeat the run."""
        s, judge = self.settings, self.judges[0]
        return {
            "model": f"SmolLM2-135M-Instruct on {device_of(self.model)}",
            "directions": f"mean difference of {s.reviews} + {s.reviews} Rotten Tomatoes reviews, "
            "mean of tokens, at every layer of both sites",
            "prompts": f"{len(s.validation)} for choosing, {len(s.test)} others for the report",
            "sampling": repr(self.test_sampling),
            "judge": f"{judge!r}",
            "versions": ", ".join(
                f"{name} {version(name)}"
                for name in ("tl_steer", "transformer-lens", "transformers", "torch")
            ),
            "seed": str(s.seed),
            "noted": " ".join(self.notes) or "nothing",
        }


@dataclass(frozen=True, eq=False)
class _Measured:
    """Writes and measures candidates on the validation prompts."""

    study: _Study
    directions: Directions

    def __call__(self, candidates: Mapping[str, Candidate | None]) -> pd.DataFrame:
        settings, model = self.study.settings, self.study.model
        conditions = {
            name: None if one is None else one.steering(self.directions)
            for name, one in candidates.items()
        }
        sampling = settings.sampling(samples=2, seed=settings.seed)
        written = compare(model, settings.validation, conditions, sampling)
        return measure(model, written, self.study.judges[:1], progress=True)


def _of_site(site: str, choice: Choice, table: pd.DataFrame, written: Generations) -> SiteResult:
    names = {"unsteered": "unsteered"} | {
        f"{site} {name}": name for name in ("negative", "positive", "random")
    }
    frame = written.frame[written.frame["condition"].isin(names)]
    renamed = frame.assign(condition=frame["condition"].map(names))
    return SiteResult(
        choice=choice,
        table=table.loc[list(names)].rename(index=names),
        generations=Generations(renamed, written.sampling, written.path),
    )


def _reach(choice: Choice) -> float:
    ends = (choice.curve.loc[one.name, JUDGE] for one in (choice.positive, choice.negative))
    up, down = ends
    return float(up - down)


def _write(folder: Path, results: Results) -> None:
    results.directions.save(folder / "direction.safetensors")
    text = json.dumps(results.as_json(), indent=2, allow_nan=False, ensure_ascii=False)
    (folder / "results.json").write_text(text + "\n", encoding="utf-8")
    (folder / "report.html").write_text(page(results), encoding="utf-8")


def _say(folder: Path, results: Results) -> None:
    result = results.sites[results.best]
    shown = result.table[["sentiment", "vader", "perplexity", "distinct_2"]]
    positive, negative = result.choice.positive, result.choice.negative
    _log.info(
        "\n%s, strength %+g and %+g\n%s\n\n%s",
        positive.hook_name,
        positive.strength,
        negative.strength,
        shown.round(3).to_string(),
        folder / "report.html",
    )
