"""What `generate`, `compare` and `stream` do."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import pandas as pd
import torch
from tqdm.auto import tqdm

from tl_steer.arguments import Count
from tl_steer.errors import DataError
from tl_steer.generation._continuing import Continuation, Heard, continued, until_the_end
from tl_steer.generation._generations import Generations
from tl_steer.generation._requests import for_rows, requests_of, require_rows
from tl_steer.generation._sampling import Sampling
from tl_steer.lens.paths import Path, host_for, path_of, use_path
from tl_steer.lens.prompts import Prompts, read_prompts
from tl_steer.lens.protocol import SteerableModel, require_steerable
from tl_steer.lens.tokens import Chat, TokenIds, check_lengths, decode, eos_ids
from tl_steer.steering import Marked, Steering, SteeringLike, as_steering, can_merge, merged

Listen = Callable[[dict[str, list[str]]], None]
"""Is given the texts so far, in order, of every condition that is being written."""


def compared(
    model: SteerableModel,
    prompts: Prompts,
    conditions: SteeringLike | Mapping[str, SteeringLike | None],
    sampling: Sampling,
    *,
    chat: Chat | None,
    prepend_bos: bool | None,
    max_tokens: Count | None,
    path: Path | None,
    progress: bool,
    listen: Listen | None = None,
) -> Generations:
    """Do what :func:`~tl_steer.compare` and :func:`~tl_steer.generation.stream` say."""
    several = (
        conditions
        if isinstance(conditions, Mapping)
        else {"unsteered": None, "steered": conditions}
    )
    named = {name: None if each is None else as_steering(each) for name, each in several.items()}
    require_steerable(model)
    given, rows = read_prompts(model, prompts, prepend_bos=prepend_bos, chat=chat)
    if not given or not named:
        raise DataError(
            "there is no prompt to continue."
            if not given
            else "no condition came; give a steering, or several by name."
        )
    check_lengths(model, rows, given, room=sampling.max_new_tokens)
    for each in named.values():
        if each is not None:
            require_rows(each, len(given), sampling.samples)
            each.check_fits(model)
    uniforms = sampling.uniforms(len(given))
    marked = Marked()
    found: dict[tuple[str, int], Continuation] = {}
    # One for all conditions, which are to be compared.
    names = [name for each in named.values() if each is not None for name in each.hook_names]
    with nullcontext() if path is None else use_path(path):
        host = host_for(model, names)
    with (
        torch.inference_mode(),
        tqdm(
            total=len(uniforms) * len(named),
            desc="generate",
            unit="text",
            disable=not progress,
        ) as bar,
    ):
        for together, steering in _together(named, len(given), sampling.samples):
            asked = [(name, row) for name in together for row in range(len(uniforms))]
            requests = [
                request
                for name in together
                for request in requests_of(name, rows, uniforms, steering, named[name])
            ]
            heard = None if listen is None else _heard(model, asked, sampling, listen)
            for part, texts in continued(
                host,
                requests,
                sampling,
                steering,
                max_tokens=max_tokens,
                marked=marked,
                heard=heard,
            ):
                found.update(zip([asked[number] for number in part], texts, strict=True))
                bar.update(len(part))
    marked.warn()
    records = [
        _record(model, name, given, rows, sampling, row, found[name, row])
        for name in named
        for row in range(len(uniforms))
    ]
    return Generations(pd.DataFrame(records), sampling, path_of(host))


def _heard(
    model: SteerableModel,
    asked: Sequence[tuple[str, int]],
    sampling: Sampling,
    listen: Listen,
) -> Heard:
    """Turn tokens so far into texts so far, for who listens."""
    ends = set(eos_ids(model) if sampling.stop_at_eos else [])

    def heard(part: Sequence[int], tokens: Sequence[list[int]]) -> None:
        so_far: dict[str, list[str]] = {}
        for number, ids in sorted(zip(part, tokens, strict=True)):
            text = decode(model, until_the_end(ids, ends))
            so_far.setdefault(asked[number][0], []).append(text)
        listen(so_far)

    return heard


def _together(
    conditions: Mapping[str, Steering | None], prompts: int, samples: int
) -> list[tuple[list[str], Steering | None]]:
    """Which conditions are written in one batch, and the steering for its rows."""
    alike = [name for name, each in conditions.items() if can_merge(each)]
    groups: list[tuple[list[str], Steering | None]] = []
    if len(alike) > 1:
        several = [conditions[name] for name in alike]
        groups.append((alike, merged(several, times=prompts * samples)))
    for name, each in conditions.items():
        if len(alike) == 1 or name not in alike:
            groups.append(([name], for_rows(each, prompts, samples)))
    return groups


def _record(
    model: SteerableModel,
    condition: str,
    prompts: Sequence[str],
    rows: Sequence[TokenIds],
    sampling: Sampling,
    number: int,
    written: Continuation,
) -> dict[str, Any]:
    """One row of ``Generations.frame``: sample ``number % samples`` of a prompt."""
    prompt, sample = divmod(number, sampling.samples)
    return {
        "condition": condition,
        "prompt_index": prompt,
        "sample": sample,
        "prompt": prompts[prompt],
        "text": decode(model, written.tokens),
        "tokens": written.tokens,
        "log_probs": written.log_probs,
        "prompt_tokens": list(rows[prompt]),
        "finished": written.finished,
    }
