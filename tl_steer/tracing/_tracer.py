"""All prompts under one condition: written or read, and what is known of them put together."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from tqdm.auto import tqdm

from tl_steer.activations import LeaveOut
from tl_steer.generation import Continuation, Sampling, continued, for_rows, requests_of
from tl_steer.lens.paths import host_for, path_of
from tl_steer.lens.protocol import Host, SteerableModel
from tl_steer.lens.sites import ATTENTION_SITES
from tl_steer.lens.texts import row_text
from tl_steer.lens.tokens import TokenIds
from tl_steer.scopes import Scope
from tl_steer.steering import Marked, Steering
from tl_steer.strengths import Numbers, as_strength
from tl_steer.tracing._probes import Probes
from tl_steer.tracing._reading import Read, Texts
from tl_steer.tracing._recorder import Recorder
from tl_steer.tracing._text import TracedText, stood


@dataclass(eq=False)
class Tracer:
    """What is the same for all conditions."""

    model: SteerableModel
    prompts: Sequence[str]
    rows: Sequence[TokenIds]
    sampling: Sampling
    probes: Probes
    ranks: int
    patterns: tuple[str, ...]
    keys: Scope | slice | None
    compares: bool
    max_tokens: int | None
    path: str = ""

    def __post_init__(self) -> None:
        """Nothing is marked yet."""
        self.marked = Marked()

    def hosts(self, steering: Steering | None) -> tuple[Host, Host]:
        """What writes, and what reads finished texts.

        Raises:
            SteerError: Where a path was asked for that cannot be had.
        """
        at = self._recorder(_places(steering)).at
        names = [*at, *(() if steering is None else steering.hook_names)]
        writer = host_for(self.model, names)
        self.path = path_of(writer)
        reader = host_for(self.model, [*names, *self.patterns]) if self.patterns else writer
        return writer, reader

    def condition(
        self,
        name: str,
        steering: Steering | None,
        hosts: tuple[Host, Host],
        given: Sequence[TokenIds] | None,
        bar: "tqdm[None]",
    ) -> Iterator[TracedText]:
        """Trace all prompts under one condition.

        Args:
            name: Of the condition.
            steering: What acts.
            hosts: What writes, and what reads.
            given: What stands behind the prompts; ``None`` lets the model write.
            bar: Counts texts.
        """
        samples, count = self.sampling.samples, len(self.rows)
        own = for_rows(steering, count, samples)
        acting = _places(steering)
        recorder = self._recorder(acting)
        writer, reader = hosts
        done: dict[int, Continuation] = {}
        prompts = [row for row in self.rows for _ in range(samples)]
        if given is None:
            uniforms = self.sampling.uniforms(count)
            for part, several in continued(
                writer,
                requests_of(name, self.rows, uniforms, own, steering),
                self.sampling,
                own,
                max_tokens=self.max_tokens,
                marked=self.marked,
                recorder=recorder,
            ):
                done.update(zip(part, several, strict=True))
                bar.update(len(part))
        written = list(given) if given else [tuple(done[row].tokens) for row in range(len(prompts))]
        read: dict[int, Read] = {}
        if given is not None or self.compares:
            texts = Texts(
                reader, prompts, written, own, None if done else recorder, self.compares,
                self.patterns, self.keys, self.ranks, self.marked,
            )  # fmt: skip
            for part, found in texts.read(self.max_tokens):
                read.update(zip(part, found, strict=True))
                bar.update(len(part))
        for row, (before, after) in enumerate(zip(prompts, written, strict=True)):
            prompt, sample = divmod(row, samples)
            place = (name, prompt, sample)
            numbers = _numbers(own, row)
            yield self._text(place, before, after, done.get(row), read.get(row), acting, numbers)

    def _recorder(self, acting: Mapping[str, str]) -> Recorder:
        scores = frozenset(n for n, at in acting.items() if at.endswith(ATTENTION_SITES))
        vectors = (at for name, at in acting.items() if name not in scores)
        at = tuple(dict.fromkeys([*self.probes.names, *vectors]))
        return Recorder(self.probes, at, scores, self.ranks)

    def _text(
        self,
        place: tuple[str, int, int],
        prompt: TokenIds,
        written: TokenIds,
        done: Continuation | None,
        read: Read | None,
        acting: Mapping[str, str],
        strengths: Mapping[str, float],
    ) -> TracedText:
        tokens = prompt + written
        length, n_prompt = len(tokens), len(prompt)
        unknown = np.full(length, np.nan)
        log_prob = entropy = kl = unknown
        likeliest = np.full((length, self.ranks), -1)
        log_probs = np.full((length, self.ranks), np.nan)
        if read is not None:
            log_prob, entropy, kl = (
                each.astype(float) for each in (read.log_prob, read.entropy, read.kl)
            )
            likeliest, log_probs = read.likeliest, read.log_probs
        if done is None:
            seen = None if read is None else read.seen
            start = 0 if seen is None else seen.prompt - length
        else:
            seen = done.seen
            start = seen.prompt - n_prompt
            log_prob, entropy = log_prob.copy(), entropy.copy()
            new = slice(n_prompt, None)
            log_prob[new], entropy[new] = done.log_probs, seen.entropy[: len(written)]
            likeliest, log_probs = (
                np.concatenate([before[:n_prompt, : part.shape[1]], part[: len(written)]])
                for before, part in ((likeliest, seen.likeliest), (log_probs, seen.log_probs))
            )
        stands, changed = stood(seen, start, length, acting, strengths, self.probes.names)
        condition, prompt_index, sample = place
        return TracedText(
            condition, prompt_index, sample, self.prompts[prompt_index], tokens,
            self._pieces(tokens), n_prompt, log_prob, entropy, kl, likeliest, log_probs,
            {} if read is None else read.attention, stands, changed, self.probes.names,
        )  # fmt: skip

    def _pieces(self, tokens: TokenIds) -> tuple[str, ...]:
        text = row_text(self.model.tokenizer, tokens, [True] * len(tokens))
        return tuple(text.text[text.start(n) : end] for n, end in enumerate(text.ends))

    def decoded(self, texts: Sequence[TracedText]) -> dict[int, str]:
        """What each of the tokens and alternatives says."""
        known = (each for text in texts for each in (*text.tokens, *np.unique(text.likeliest)))
        ids = sorted({int(each) for each in known} - {-1})
        return {each: str(self.model.tokenizer.decode([each])) for each in ids}


def with_sinks(texts: Sequence[TracedText]) -> Sequence[TracedText]:
    """Tell attention sinks by their norm, beside the first token of each text."""
    usual = LeaveOut()
    for name in {name: None for text in texts for name in text.stands}:
        # Where a condition does nothing and no direction is, it was not looked at.
        looked = [text for text in texts if name in text.stands]
        norms = [torch.from_numpy(text.stands[name].norm.astype("float32")) for text in looked]
        # Where no other token was read, none is massive.
        others = torch.cat([each[1:] for each in norms])
        median = float(others.nanmedian().nan_to_num(torch.inf)) if len(others) else torch.inf
        for text, own in zip(looked, norms, strict=True):
            massive = usual.by_norm(own[None], median)[0].numpy()
            text.sinks[name] = massive | (np.arange(len(own)) == 0)
    return texts


def _places(steering: Steering | None) -> dict[str, str]:
    """Hook names of what acts, by name."""
    acting = {} if steering is None else steering.acting
    return {name: each.hook_name for name, each in acting.items()}


def _numbers(steering: Steering | None, row: int) -> dict[str, float]:
    """The strengths of a row, of interventions that have one for all of its tokens."""
    found: dict[str, float] = {}
    for name, each in (steering or Steering()).acting.items():
        strength = as_strength(each.strength, hook_name=each.hook_name)
        if isinstance(strength, Numbers):
            values = strength.values.flatten()
            found[name] = float(values[row if strength.n_rows is not None else 0])
    return found
