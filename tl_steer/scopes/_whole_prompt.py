"""What is asked of a prompt as a whole needs the whole prompt."""

from tl_steer.errors import SteerError
from tl_steer.lens.context import Context


def require_whole_prompt(context: Context, asks: object) -> None:
    """Refuse to judge a prompt by a part of it.

    Args:
        context: The pass.
        asks: Who wants all of the prompt.

    Raises:
        SteerError: Where the prompt is read in pieces, and this is not the last of them.
    """
    lengths, columns, known = context.read_at_once, context.end.columns, context.whole_positions
    if columns is None:
        # Where nothing has been read yet, a prompt of nothing is whole.
        read = known.amax(-1) + 1 if known.shape[1] else lengths.new_zeros(lengths.shape)
        whole = bool((read >= lengths).all())
    else:
        whole = known.shape[1] >= columns
    if not whole:
        raise SteerError(
            f"{asks} needs the whole prompt, but only its first {known.shape[1]} tokens have been "
            "read. Read it in one pass (prefill_chunk_size=None)."
        )
