"""Text as it is written or read, with what happens at every token of it."""

from collections.abc import Mapping
from contextlib import nullcontext

import torch
from tqdm.auto import tqdm

from tl_steer.arguments import Count, Index, Seed, checked
from tl_steer.errors import DataError
from tl_steer.generation import Sampling, require_rows
from tl_steer.lens.paths import Path, use_path
from tl_steer.lens.places import Places
from tl_steer.lens.prompts import Prompts, read_prompts
from tl_steer.lens.protocol import SteerableModel, require_steerable
from tl_steer.lens.tokens import Chat, check_lengths
from tl_steer.scopes import Scope
from tl_steer.steering import SteeringLike
from tl_steer.tracing._given import conditions_of, patterns_of, sampling_for, texts_of
from tl_steer.tracing._probes import DirectionsLike, Probes
from tl_steer.tracing._traced import Trace
from tl_steer.tracing._tracer import Tracer, with_sinks


@checked
def trace(
    model: SteerableModel,
    prompts: Prompts,
    steering: SteeringLike | Mapping[str, SteeringLike | None] | None = None,
    sampling: Sampling | None = None,
    *,
    directions: DirectionsLike | None = None,
    at: Places | None = None,
    texts: Prompts | None = None,
    kl: bool = True,
    attention: Places | None = None,
    keys: Scope | slice | None = None,
    alternatives: Index = 5,
    max_new_tokens: Count | None = None,
    samples: Count | None = None,
    temperature: float | None = None,
    top_p: float | None = None,
    top_k: Count | None = None,
    seed: Seed | None = None,
    stop_at_eos: bool | None = None,
    chat: Chat | None = None,
    prepend_bos: bool | None = None,
    max_tokens: Count | None = None,
    path: Path | None = None,
    progress: bool = True,
) -> Trace:
    """Continue prompts as :func:`generate` does, and keep what happens at every token.

    What is kept: projections on directions before and after each intervention, the strength and
    whether it acted, how much the activation changed, in all (``‖h' − h‖ / ‖h‖``), in angle and in
    norm; and of the distribution that the token came from, its entropy, the log-probability of the
    token, the likeliest others, and ``KL(steered ‖ unsteered)``. The text is the one that
    ``generate`` writes.

    Args:
        model: Any TransformerLens model. Hooks that sit on it act throughout.
        prompts: One or many, of any lengths: texts, or token ids as for :func:`generate`.
        steering: What to do meanwhile; or a steering for each name, to be seen side by side, with
            ``None`` for the model as it is.
        sampling: How texts are drawn, how many and how long; or by name, as below.
        directions: What to look along: a direction, one a layer (``Directions``), several in a
            list, or with names: ``{"joy": joy[15], "formality": formality}``. Without, those of
            the interventions, where these act.
        at: Hook points at which to look along them, where these are not those at which the
            directions were read; a number is a layer.
        texts: Read these behind the prompts, one each, instead of writing: texts, whose tokens
            follow those of the prompt, or token ids. Empty texts read the prompts alone.
        kl: Whether finished texts are read once more, unsteered and steered, for the KL; and for
            entropy and log-probability of the tokens of prompts, which are NaN without.
        attention: Layers whose attention patterns are compared with those of the unsteered model,
            over the finished texts.
        keys: Whom attention is measured to, such as ``Keywords("film")``.
        alternatives: How many of the likeliest tokens are kept in each place.
        max_new_tokens: This and the next six instead of a ``sampling``, each as there.
        samples: Continuations of each prompt.
        temperature: Divides the logits; 0 is greedy.
        top_p: Keep the likeliest tokens that together reach this probability.
        top_k: Keep so many of the likeliest tokens.
        seed: Of the random numbers.
        stop_at_eos: Whether a continuation ends with the end-of-text token.
        chat: Put each prompt into the tokenizer's chat template, as the user's turn.
        prepend_bos: Whether prompts begin with a beginning-of-text token.
        max_tokens: Padded tokens in a batch; by default from memory.
        path: ``bridge`` or ``twin``, where one of them is wanted; see :func:`use_path`.
        progress: Whether to show a progress bar.

    Returns:
        A frame of all of it, figures, and a page to look through it. The token that is drawn last
        is not read any more, so that nothing is known of its activations.

    Raises:
        DataError: For no prompts, prompts that leave no room in the context, or another number of
            texts than of prompts.
        MismatchError: For a direction of another model, and settings of another number of rows.
        HookNameError: For hook points that the model lacks.
        NonFiniteError: For a zero direction, and when logits become NaN or infinite.

    Example:
        >>> seen = ts.trace(model, "The movie was", ts.Add(joy[15], dose=0.2), directions=joy[20])
        >>> seen.save("trace.html")
    """
    require_steerable(model)
    settings = {
        "max_new_tokens": max_new_tokens, "samples": samples, "temperature": temperature,
        "top_p": top_p, "top_k": top_k, "seed": seed, "stop_at_eos": stop_at_eos,
    }  # fmt: skip
    drawn = sampling_for(sampling, settings, texts)
    named = conditions_of(steering)
    given, rows = read_prompts(model, prompts, prepend_bos=prepend_bos, chat=chat)
    if not given:
        raise DataError("there is no prompt to read.")
    written = None if texts is None else texts_of(model, texts, len(given))
    room = drawn.max_new_tokens if written is None else max(map(len, written))
    check_lengths(model, rows, given, room=room)
    for each in named.values():
        if each is not None:
            require_rows(each, len(given), drawn.samples)
            each.check_fits(model)
    patterns = patterns_of(model, attention, keys)
    steerings = [each for each in named.values() if each is not None]
    tracer = Tracer(
        model,
        given,
        rows,
        drawn,
        Probes.of(model, directions, at, steerings),
        alternatives,
        patterns,
        keys,
        kl or bool(patterns),
        max_tokens,
    )
    work = len(named) * len(given) * drawn.samples * (1 if written is not None or not kl else 2)
    with (
        nullcontext() if path is None else use_path(path),
        torch.inference_mode(),
        tqdm(total=work, desc="trace", unit="text", disable=not progress) as bar,
    ):
        hosts = {name: tracer.hosts(each) for name, each in named.items()}
        found = [
            text
            for name, each in named.items()
            for text in tracer.condition(name, each, hosts[name], written, bar)
        ]
    tracer.marked.warn()
    return Trace(tuple(with_sinks(found)), tracer.decoded(found), tracer.path)
