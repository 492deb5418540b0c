"""What may be given to a trace, and what of it does not go together."""

from collections.abc import Mapping
from typing import Any

from tl_steer.errors import DataError, HookNameError, MismatchError, SteerError
from tl_steer.generation import Sampling
from tl_steer.lens.hook_names import require_readable
from tl_steer.lens.places import Places, name_at, several
from tl_steer.lens.prompts import Prompts, read_prompts
from tl_steer.lens.protocol import SteerableModel
from tl_steer.lens.tokens import TokenIds
from tl_steer.scopes import Keys, Scope
from tl_steer.steering import Steering, SteeringLike, as_steering

_PATTERN = "attn.hook_pattern"


def conditions_of(
    steering: SteeringLike | Mapping[str, SteeringLike | None] | None,
) -> dict[str, Steering | None]:
    """Name what acts; one steering alone is compared with nothing.

    Raises:
        DataError: For no condition.
    """
    if steering is None:
        return {"unsteered": None}
    if not isinstance(steering, Mapping):
        return {"steered": as_steering(steering)}
    if not steering:
        raise DataError("no condition came; give a steering, or several by name.")
    return {name: None if each is None else as_steering(each) for name, each in steering.items()}


def sampling_for(
    sampling: Sampling | None, settings: Mapping[str, object], texts: object
) -> Sampling:
    """How texts are drawn, if they are.

    Raises:
        SteerError: For settings of what is not to be drawn, or both a sampling and settings.
    """
    came = [name for name, value in settings.items() if value is not None]
    if texts is not None and (sampling is not None or came):
        raise SteerError(
            f"texts= came with {came[0] if came else 'a sampling'}: given texts are read, and "
            "nothing is drawn. Leave one of them out."
        )
    return Sampling.given(sampling, **settings)


def texts_of(model: SteerableModel, texts: Prompts, count: int) -> list[TokenIds]:
    """Token ids of what stands behind the prompts; an empty text has none.

    Raises:
        MismatchError: For another number of texts than of prompts.
        DataError: For texts and token ids together, and for what the model cannot read.
    """
    given: list[Any] = [texts] if isinstance(texts, str) else list(texts)
    if given and all(isinstance(each, int) for each in given):
        given = [given]
    if len(given) != count:
        raise MismatchError(
            f"{len(given)} texts came with {count} prompts; give one for each prompt."
        )
    full = [each for each in given if len(each)]
    are_words = {isinstance(each, str) for each in full}
    if len(are_words) > 1:
        raise DataError("some texts came as texts and some as token ids; give one kind.")
    bos = False if True in are_words else None
    rows = iter(read_prompts(model, full, prepend_bos=bos, chat=None)[1])
    return [next(rows) if len(each) else () for each in given]


def patterns_of(
    model: SteerableModel, attention: Places | None, keys: Scope | slice | None
) -> tuple[str, ...]:
    """Hook names of the attention patterns to look at.

    Raises:
        HookNameError: For what is no attention pattern of the model.
        SteerError: For keys without a pattern, and for keys that are chosen by activations.
    """
    if attention is None:
        if keys is not None:
            raise SteerError(
                "keys= came without attention=; name the layers to look at: attention=[7, 8]."
            )
        return ()
    if keys is not None:
        Keys(keys)
    n_layers = int(model.cfg.n_layers)
    names = [name_at(each, site=_PATTERN, n_layers=n_layers) for each in several(attention)]
    for name in names:
        if not name.endswith(_PATTERN):
            raise HookNameError(
                f'{name!r}: a pattern is wanted, "blocks.7.{_PATTERN}", or a layer.'
            )
        require_readable(model, name)
    return tuple(dict.fromkeys(names))
