"""What the library does with one architecture, beside the oracle: right, or refused in words.

Anything else is a failed assertion.
"""

import warnings
from collections.abc import Sequence
from functools import cache
from itertools import chain
from typing import Any

import oracle
import pytest
import torch
from cases import Case, Verdict, case_of
from making import SCOPES, TEXTS, direction, generated_by_model, greedy, hooks_of
from torch import Tensor

import tl_steer as ts
from tl_steer.errors import CacheError, MismatchError
from tl_steer.lens import tokens
from tl_steer.lens.forward import run_logits
from tl_steer.lens.reads_padding import reads_padding
from tl_steer.lens.sites import ATTENTION_SITES, VECTOR_SITES

SITES: dict[str, tuple[str, ...]] = {
    "`hook_resid_pre`, `hook_resid_post`": ("hook_resid_pre", "hook_resid_post"),
    "`hook_resid_mid`": ("hook_resid_mid",),
    "`hook_attn_out`": ("hook_attn_out",),
    "`hook_mlp_out`": ("hook_mlp_out",),
    "`attn.hook_z`": ("attn.hook_z",),
    "`attn.hook_q`, `hook_k`, `hook_v`": ("attn.hook_q", "attn.hook_k", "attn.hook_v"),
    "`mlp.hook_pre`, `hook_post`": ("mlp.hook_pre", "mlp.hook_post"),
}
READING, CHANGING = "attention, read", "attention, changed"
WRITING = "texts"
CELLS = (*SITES, READING, CHANGING, WRITING)
"""The columns of the table."""

STEPS = 4
STRENGTH = 0.7
CLOSE = {"atol": 3e-4, "rtol": 1e-4}


@cache
def verdict(name: str, cell: str) -> Verdict:
    """Check one cell."""
    case = case_of(name)
    if isinstance(case, str):
        return Verdict(False, (case,))
    if cell in SITES:
        return _at_sites(case, SITES[cell])
    return {READING: _attention_read, CHANGING: _attention_changed, WRITING: _writes}[cell](case)


def _at_sites(case: Case, sites: tuple[str, ...]) -> Verdict:
    right, refused = [], []
    for name in case.names:
        if name.split(".", 2)[2] in sites:
            why = case.refusal(name)
            refused += [] if why is None else [why]
            right += [name] if why is None else []
    if right:
        _assert_read(case, right)
    for site in sites:
        _assert_written(case, [name for name in right if name.split(".", 2)[2] == site])
    return Verdict(bool(right), tuple(dict.fromkeys(refused)))


def _assert_read(case: Case, names: Sequence[str]) -> None:
    """Contract 7, and 4: what is captured in a padded batch is what stands there alone."""
    if _captured(case, names) == "twin":
        with ts.use_path("bridge"):
            assert _captured(case, names) == "bridge"


def _captured(case: Case, names: Sequence[str]) -> str:
    """Compare, and say which modules it went through."""
    found = ts.capture(
        case.model,
        TEXTS,
        at=names,
        read=ts.activations.EveryToken(),
        leave_out=ts.activations.LeaveOut(bos=False, first=False, massive=None),
        prepend_bos=False,
        progress=False,
    )
    for name in names:
        assert name in case.acts, f"{name}: there is no such thing in this architecture"
        for number, expected in enumerate(case.acts[name]):
            own = found[name][found.text_index[name] == number]
            torch.testing.assert_close(
                own, expected.view_as(own), **CLOSE, msg=lambda text, at=name: f"{at}: {text}"
            )
            assert tuple(own.shape[1:]) == tuple(expected.shape[1:])
    return found.path


def _assert_written(case: Case, names: Sequence[str]) -> None:
    """Additions do what they do by hand; at strength 0, nothing to the last bit."""
    if not names:
        return
    shifts = [direction(case.model, name) for name in names]
    before = case.own_logits()
    for strength in (0.0, STRENGTH):
        # What is added to all keys alike would do nothing where positions do not rotate them.
        adds = (ts.Add(shift, strength, scope=slice(2, None)) for shift in shifts)
        with ts.steer(case.model, ts.Steering(*adds)):
            found = case.own_logits()
        expected = case.oracle_logits(
            [(shift.hook_name, strength * shift.vector, (2, None)) for shift in shifts]
        )
        if strength:
            # Of the longest text; one of two tokens is not changed at all.
            changed = (expected[-1] - case.logits[-1]).abs().max()
            assert changed > 1e-3, f"{names}: nothing is changed by hand"
            _assert_logits(found, expected, str(names))
        else:
            assert all(map(torch.equal, found, before)), names
    assert all(map(torch.equal, case.own_logits(), before)), names


def _assert_logits(found: list[Tensor], expected: list[Tensor], name: str) -> None:
    for own, by_hand in zip(found, expected, strict=True):
        torch.testing.assert_close(own, by_hand, **CLOSE, msg=lambda text: f"{name}: {text}")


def _attention_names(case: Case, site: str) -> list[str]:
    return [f"blocks.{n}.{site}" for n in range(int(case.model.cfg.n_layers))]


def _attention_read(case: Case) -> Verdict:
    """Patterns are what the model itself gives out as its attention."""
    right, refused = [], []
    for name in _attention_names(case, "attn.hook_pattern"):
        why = case.refusal(name)
        refused += [] if why is None else [why]
        right += [name] if why is None else []
    seen: dict[str, Tensor] = {}
    for row in case.rows if right else ():
        given = oracle.attention(case.name, case.plain, row)
        for name in right:
            # Whatever comes later in the pass may ask.
            def read(acts: Tensor, context: Any, name: str = name) -> Tensor:
                seen[name] = context.read(name)
                return acts

            at = f"{name.removesuffix('attn.hook_pattern')}hook_resid_post"
            with ts.steer(case.model, ts.Custom(read, at, reads=(name,))), torch.no_grad():
                run_logits(case.model, tokens.pad([row], side="left", pad_id=0))
            torch.testing.assert_close(seen[name][0], given[name], **CLOSE)
    return Verdict(bool(right), tuple(dict.fromkeys(refused)))


def _attention_changed(case: Case) -> Verdict:
    """What is changed before and behind the softmax reaches the values."""
    right, refused = [], []
    for site in ATTENTION_SITES:
        for name in _attention_names(case, site):
            why = case.refusal(name, writing=True)
            refused += [] if why is None else [why]
            right += [name] if why is None else []
    for name in right:
        if name.endswith("hook_pattern"):
            change: Any = ts.Custom(lambda acts, context: acts * _half_to_itself(acts), name)
        else:
            change = ts.interventions.Emphasize(slice(1, 2), name, ts.interventions.Rescale(3.0))
        with ts.steer(case.model, change):
            found = case.own_logits()
        expected = []
        for row in case.rows:
            layer = name.split(".")[1]
            pattern = oracle.attention(case.name, case.plain, row)[
                f"blocks.{layer}.attn.hook_pattern"
            ]
            if name.endswith("hook_pattern"):
                pattern = pattern * _half_to_itself(pattern[None, :, :, :].transpose(1, 2))[0, :, 0]
            else:
                more = torch.zeros_like(pattern)
                more[..., 1] = 2.0 * pattern[..., 1]
                # What goes to no token, as a sink that is learned, is scaled down as well.
                pattern = (pattern + more) / (1 + more.sum(-1, keepdim=True))
            expected.append(oracle.attending(case.name, case.plain, row, int(layer), pattern))
        assert (expected[-1] - case.logits[-1]).abs().max() > 1e-3, name
        _assert_logits(found, expected, name)
    return Verdict(bool(right), tuple(dict.fromkeys(refused)))


def _half_to_itself(pattern: Tensor) -> Tensor:
    """``Float[Tensor, "1 query 1 key"]``: a half where a token attends to itself, else 1."""
    return (1 - 0.5 * torch.eye(pattern.shape[1]))[None, :, None, :]


def _writes(case: Case) -> Verdict:
    """Contracts 1, 3 and 4: steered text, token by token, with a cache, without, and by hand."""
    names = _one_of_each(case)
    before, hooks = case.own_logits(), hooks_of(case.model)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for scope in ("everywhere", "generated", "last_prompt_token", "slice(1, 4)"):
            steering = ts.Steering(
                *(
                    ts.Add(direction(case.model, name), STRENGTH, scope=SCOPES[scope][0])
                    for name in names
                )
            )
            expected, log_probs = _by_hand(case, names, scope)
            _assert_texts(greedy(case.model, steering=steering, steps=STEPS), expected, log_probs)
            if scope == "generated":
                _assert_together(case, steering, expected)
                with ts.use_path("bridge"):
                    own = greedy(case.model, steering=steering, steps=STEPS)
                _assert_texts(own, expected, log_probs)
            with ts.steer(case.model, steering):
                # Without a cache, TransformerLens gives the text of a state-space model to Hugging
                # Face's generate, which reads it in its own way.
                if not getattr(case.model.cfg, "is_stateful", False):
                    assert _by_model(case, cached=False) == expected, scope
                try:
                    assert _by_model(case, cached=True) == expected, scope
                except CacheError:
                    # Its own loop cannot do without; ours can, and has said so.
                    assert any("cache" in str(each.message) for each in said)
    assert all(map(torch.equal, case.own_logits(), before))
    assert hooks_of(case.model) == hooks
    warned = [str(each.message) for each in said if "cache" in str(each.message)]
    return Verdict(True, without_cache=bool(warned))


def _by_model(case: Case, *, cached: bool) -> list[list[int]]:
    """The model's own ``generate``, of all texts together, unless padding is refused there."""
    settings: dict[str, Any] = {
        "prepend_bos": False,
        "use_past_kv_cache": cached,
        "steps": STEPS,
    }
    if not reads_padding(case.model):
        together: list[list[int]] = generated_by_model(case.model, **settings)
        return together
    with pytest.raises(MismatchError, match="reads the padding before a text"):
        generated_by_model(case.model, **settings)
    return [*chain(*(generated_by_model(case.model, [text], **settings) for text in TEXTS))]


def _assert_texts(
    found: ts.Generations, expected: list[list[int]], log_probs: list[list[float]]
) -> None:
    assert found.frame["tokens"].tolist() == expected
    torch.testing.assert_close(
        torch.tensor(found.frame["log_probs"].tolist()), torch.tensor(log_probs), **CLOSE
    )


def _assert_together(case: Case, steering: ts.Steering, expected: list[list[int]]) -> None:
    """Several samples of a prompt, and several conditions, read it once."""
    unsteered, _ = _by_hand(case, (), "everywhere")
    sampling = ts.Sampling(STEPS, temperature=0.0, stop_at_eos=False, samples=2)
    found = ts.compare(
        case.model, TEXTS, steering, sampling, prepend_bos=False, progress=False
    ).frame
    for condition, texts in (("unsteered", unsteered), ("steered", expected)):
        own = found[found["condition"] == condition]["tokens"].tolist()
        assert own == [each for each in texts for _ in range(2)], condition


def _one_of_each(case: Case) -> list[str]:
    """A hook point of each site that there is, in different blocks."""
    usable, chosen = case.usable(), []
    for number, site in enumerate(VECTOR_SITES):
        names = [name for name in usable if name.split(".", 2)[2] == site]
        chosen += names[number % len(names) :][:1] if names else []
    return chosen


def _by_hand(
    case: Case, names: Sequence[str], scope: str
) -> tuple[list[list[int]], list[list[float]]]:
    bounds = SCOPES[scope][1]
    found = []
    for row in case.rows:
        additions = [
            (name, STRENGTH * direction(case.model, name).vector, bounds(len(row)))
            for name in names
        ]
        found.append(oracle.greedy(case.name, case.plain, row, additions, steps=STEPS))
    return [texts for texts, _ in found], [logs for _, logs in found]
