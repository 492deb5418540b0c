"""Where a strength may be used."""

from tl_steer.errors import MismatchError


def require_same_place(owner: object, mine: str, asked: str) -> None:
    """Refuse another hook point than the one that a strength was made for.

    Raises:
        MismatchError: With both names.
    """
    if mine != asked:
        raise MismatchError(
            f"{asked}: {type(owner).__name__} looks at the activations that are about to be "
            f"changed, and was made for those of {mine}. Use it there."
        )
