"""Where a strength may be used."""

from tl_steer.errors import MismatchError


def require_same_place(owner: object, mine: str, asked: str) -> None:
    """Refuse another hook point than the one that a strength was made for.

    Raises:
        MismatchError: With both names.
    """
    if mine != asked:
        raise MismatchError(
            f"{asked}: this {type(owner).__name__} was made for the activations of {mine}. Use it "
            "there."
        )
