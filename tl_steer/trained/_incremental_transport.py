"""Transport maps fitted one after the other, each while the earlier ones act."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from tqdm.auto import tqdm

from tl_steer.activations import Activations, LeaveOut, MeanOfTokens, Read, capture
from tl_steer.arguments import Count, checked
from tl_steer.data import ContrastSet
from tl_steer.directions import TransportMap, linear_transport, require_support
from tl_steer.frozen import FrozenDict
from tl_steer.interventions import ApplyTransport
from tl_steer.lens.hook_names import order_of
from tl_steer.lens.places import Places, hook_names
from tl_steer.lens.protocol import SteerableModel, require_steerable
from tl_steer.scopes import Scope, everywhere
from tl_steer.steering import Steering, in_part


@checked
def incremental_transport(
    model: SteerableModel,
    contrast: ContrastSet,
    *,
    at: Places,
    read: Read = MeanOfTokens(),  # noqa: B008, frozen
    leave_out: LeaveOut = LeaveOut(),  # noqa: B008, frozen
    support: tuple[float, float] | None = (0.0, 1.0),
    scope: Scope | slice = everywhere,
    target_too: bool = True,
    max_tokens: Count | None = None,
    prepend_bos: bool | None = None,
    progress: bool = True,
) -> Mapping[str, TransportMap]:
    """Fit transport at several hook points, each on a model that the earlier maps already steer.

    Maps that are fitted one by one know nothing of each other. Here the texts are read anew at
    every hook point while the maps before it act at strength 1 (Rodriguez et al. 2024, section 3.2,
    https://arxiv.org/abs/2410.23054), so that each map is fitted to what it will meet.

    It costs one pass of all texts for each hook point, up to its layer; without ``target_too``, one
    pass of the negative texts for each, and one of the positive texts.

    Args:
        model: Any TransformerLens model; it is left as it was.
        contrast: The texts.
        at: Hook names, patterns, sites of every layer or numbers of layers, as for ``capture``.
        read: Which tokens of a text make up its vector; see :func:`linear_transport` for which.
        leave_out: Tokens that are never part of it.
        support: As for :func:`linear_transport`.
        scope: Which tokens the earlier maps act on; give :class:`ApplyTransport` the same one
            later.
        target_too: Whether the earlier maps act on the positive texts as well, as in the paper's
            definition 3.2 and in its authors' code: the positive texts move on too, and every map
            carries the distance between the classes further. Otherwise the target is what the
            positive texts are in the unsteered model, and a map only closes what is left; that is
            gentler, and all maps together bring the negative texts exactly there.
        max_tokens: As for ``capture``.
        prepend_bos: As for ``capture``.
        progress: Whether to show a bar over hook points.

    Returns:
        By hook name, in the order of the forward pass. Use all of them together:
        ``ts.Steering(*(ts.interventions.ApplyTransport(each) for each in maps.values()))``.

    Raises:
        HookNameError: For hook points that the model lacks.
        DataError: For texts that cannot be read, or fewer than two of a class.
        NonFiniteError: For NaN or infinity, with the hook point.
    """
    require_steerable(model)
    require_support(support)
    names = sorted(hook_names(model, at), key=order_of)
    fitted: dict[str, TransportMap] = {}

    def steered(texts: ContrastSet | Sequence[str], name: str) -> Activations:
        with in_part(
            model, Steering(*(ApplyTransport(each, scope=scope) for each in fitted.values()))
        ):
            return read_texts(texts, [name])

    def read_texts(texts: ContrastSet | Sequence[str], at: Sequence[str]) -> Activations:
        return capture(
            model,
            texts,
            at=at,
            read=read,
            leave_out=leave_out,
            max_tokens=max_tokens,
            prepend_bos=prepend_bos,
            progress=False,
        )

    target = None if target_too else read_texts(contrast.positive, names)
    method = f"linear transport, one after the other{', of both classes' if target_too else ''}"
    for name in tqdm(names, desc="transport", unit="hook point", disable=not progress):
        if target is None:
            acts = steered(contrast, name)
        else:
            acts = _contrasted(target, steered(contrast.negative, name), name, contrast.name)
        found = linear_transport(acts, support=support)[name]
        origin = found.direction.provenance.as_result_of(method)
        fitted[name] = replace(found, direction=replace(found.direction, provenance=origin))
    return FrozenDict(fitted)


def _contrasted(positive: Activations, negative: Activations, name: str, data: str) -> Activations:
    """Put texts of two captures together, as one contrast at one hook point."""
    n_texts = [1 + int(each.text_index[name].max()) for each in (positive, negative)]
    both = (positive, negative)
    own = n_texts[0] + negative.text_index[name]
    return replace(
        positive,
        hook_names=(name,),
        vectors={name: torch.cat([each[name] for each in both])},
        text_index={name: torch.cat([positive.text_index[name], own])},
        is_positive=torch.arange(sum(n_texts)) < n_texts[0],
        site_shapes={name: positive.site_shapes[name]},
        norms={name: sum(each.norms[name] for each in both) / 2},
        left_out=sum(each.left_out.loc[[name]] for each in both),
        data=data,
    )
