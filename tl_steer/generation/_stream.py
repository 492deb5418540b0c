"""Text while it is being written."""

from collections.abc import Callable, Mapping

from tl_steer.arguments import checked
from tl_steer.generation._compared import compared
from tl_steer.generation._generations import Generations
from tl_steer.generation._sampling import Sampling
from tl_steer.lens.prompts import Prompts
from tl_steer.lens.protocol import SteerableModel
from tl_steer.lens.tokens import Chat
from tl_steer.steering import SteeringLike


@checked
def stream(
    model: SteerableModel,
    prompts: Prompts,
    conditions: SteeringLike | Mapping[str, SteeringLike | None],
    listen: Callable[[dict[str, list[str]]], None],
    sampling: Sampling = Sampling(),  # noqa: B008, frozen
    *,
    chat: Chat | None = None,
    prepend_bos: bool | None = None,
) -> Generations:
    """Write as :func:`~tl_steer.compare` does, and show each token as it comes.

    Args:
        model: Any TransformerLens model.
        prompts: One or many, as for :func:`~tl_steer.compare`.
        conditions: One steering, to be compared with none; or a steering for each name.
        listen: Called after every token with the texts so far, in the order of the prompts, of
            every condition that is being written; conditions that do not fit in one batch come one
            after another. An exception that it raises ends the writing, and is raised here. The
            model is steered meanwhile, and is not to be called.
        sampling: How texts are drawn, how many and how long.
        chat: Put each prompt into the tokenizer's chat template, as the user's turn.
        prepend_bos: Whether prompts begin with a beginning-of-text token.

    Returns:
        The same texts as :func:`~tl_steer.compare`.

    Raises:
        DataError: For no prompts, or prompts that leave no room in the context.
        MismatchError: For settings of another number of rows.
        NonFiniteError: When logits become NaN or infinite, with the steered hook points.

    Example:
        >>> ts.generation.stream(model, "The movie was", glad, lambda texts: print(texts))
    """
    return compared(
        model,
        prompts,
        conditions,
        sampling,
        chat=chat,
        prepend_bos=prepend_bos,
        max_tokens=None,
        path=None,
        progress=False,
        listen=listen,
    )
