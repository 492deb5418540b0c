"""Text with and without steering, from the same random numbers."""

from collections.abc import Mapping

from tl_steer.arguments import Count, Seed, checked
from tl_steer.generation._compared import compared
from tl_steer.generation._generations import Generations
from tl_steer.generation._sampling import Sampling
from tl_steer.lens.paths import Path
from tl_steer.lens.prompts import Prompts
from tl_steer.lens.protocol import SteerableModel
from tl_steer.lens.tokens import Chat
from tl_steer.steering import SteeringLike


@checked
def generate(
    model: SteerableModel,
    prompts: Prompts,
    steering: SteeringLike | None = None,
    sampling: Sampling | None = None,
    *,
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
) -> Generations:
    """Continue prompts, steered or not.

    Rows are left-padded with a mask that travels along, so that a prompt gets the text that it
    gets alone, and hooks of your own that sit on the model act as always.

    Args:
        model: Any TransformerLens model.
        prompts: One or many, of any lengths: texts, or token ids, which are read as they are, such
            as ``model.to_tokens(text)``, each row without padding.
        steering: What to do while the model reads and writes: a steering, an intervention or a list
            of them. Settings per row are for the prompts, or for prompts × samples, the samples of
            a prompt next to each other.
        sampling: How texts are drawn, how many and how long; or by name:
        max_new_tokens: This and the next six instead of a ``sampling``, each as there.
        samples: Continuations of each prompt.
        temperature: Divides the logits; 0 is greedy.
        top_p: Keep the likeliest tokens that together reach this probability.
        top_k: Keep so many of the likeliest tokens.
        seed: Of the random numbers.
        stop_at_eos: Whether a continuation ends with the end-of-text token.
        chat: Put each prompt into the tokenizer's chat template, as the user's turn.
        prepend_bos: Whether prompts begin with a beginning-of-text token; ``None`` does what
            TransformerLens does with this model, or leaves it to the chat template.
        max_tokens: Padded tokens in a batch, continuations included; by default from memory.
        path: ``bridge`` or ``twin``, where one of them is wanted; see :func:`use_path`.
        progress: Whether to show a progress bar.

    Returns:
        A tidy frame with tokens and log-probabilities; its condition is ``unsteered`` or
        ``steered``.

    Raises:
        DataError: For no prompts, or prompts that leave no room in the context.
        MismatchError: For settings of another number of rows.
        NonFiniteError: When logits become NaN or infinite, with the steered hook points.
    """
    drawn = Sampling.given(
        sampling,
        max_new_tokens=max_new_tokens,
        samples=samples,
        temperature=temperature,
        top_p=top_p,
        top_k=top_k,
        seed=seed,
        stop_at_eos=stop_at_eos,
    )
    conditions: dict[str, SteeringLike | None] = (
        {"unsteered": None} if steering is None else {"steered": steering}
    )
    return compare(
        model,
        prompts,
        conditions,
        drawn,
        chat=chat,
        prepend_bos=prepend_bos,
        max_tokens=max_tokens,
        path=path,
        progress=progress,
    )


@checked
def compare(
    model: SteerableModel,
    prompts: Prompts,
    conditions: SteeringLike | Mapping[str, SteeringLike | None],
    sampling: Sampling | None = None,
    *,
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
) -> Generations:
    """Continue the same prompts under several conditions, from the same random numbers.

    Args:
        model: Any TransformerLens model.
        prompts: One or many, of any lengths: texts, or token ids as for :func:`generate`.
        conditions: One steering, to be compared with none; or a steering for each name, with
            ``None`` for the model as it is.
        sampling: How texts are drawn, how many and how long; or by name:
        max_new_tokens: This and the next six instead of a ``sampling``, each as there.
        samples: Continuations of each prompt.
        temperature: Divides the logits; 0 is greedy.
        top_p: Keep the likeliest tokens that together reach this probability.
        top_k: Keep so many of the likeliest tokens.
        seed: Of the random numbers.
        stop_at_eos: Whether a continuation ends with the end-of-text token.
        chat: Put each prompt into the tokenizer's chat template, as the user's turn.
        prepend_bos: Whether prompts begin with a beginning-of-text token.
        max_tokens: Padded tokens in a batch, continuations included; by default from memory.
        path: ``bridge`` or ``twin``, where one of them is wanted; see :func:`use_path`.
        progress: Whether to show a progress bar.

    Returns:
        A tidy frame over all conditions; :meth:`Generations.side_by_side` is for reading.

    Raises:
        DataError: For no prompts, or prompts that leave no room in the context.
        MismatchError: For settings of another number of rows.
        NonFiniteError: When logits become NaN or infinite, with the steered hook points.

    Example:
        >>> ts.compare(model, prompts, {"none": None, "glad": glad}, max_new_tokens=20)
    """
    sampling = Sampling.given(
        sampling,
        max_new_tokens=max_new_tokens,
        samples=samples,
        temperature=temperature,
        top_p=top_p,
        top_k=top_k,
        seed=seed,
        stop_at_eos=stop_at_eos,
    )
    return compared(
        model,
        prompts,
        conditions,
        sampling,
        chat=chat,
        prepend_bos=prepend_bos,
        max_tokens=max_tokens,
        path=path,
        progress=progress,
    )
