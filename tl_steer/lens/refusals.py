"""Hook points that hold something other than what their names say, or nothing; and why."""

from importlib.metadata import version

from tl_steer.lens.protocol import SteerableModel
from tl_steer.lens.sites import ATTENTION_SITES, VECTOR_SITES, Sites, sites_of
from tl_steer.lens.unsupported import class_of


def absent(model: SteerableModel, name: str) -> str:
    """Say that a model has no such hook point, and what it has."""
    _, layer, site = name.split(".", 2)
    present = model.hook_dict
    elsewhere = [n for n in range(int(model.cfg.n_layers)) if f"blocks.{n}.{site}" in present]
    here = [each for each in VECTOR_SITES if f"blocks.{layer}.{each}" in present]
    if site == "hook_resid_mid" and getattr(model.cfg, "parallel_attn_mlp", False):
        return (
            f"{name!r}: attention and MLP of this model read the same stream, side by side, so "
            "that there is no stream between them. Use hook_resid_pre before both, hook_attn_out "
            "and hook_mlp_out for what each adds, or hook_resid_post behind them."
        )
    if elsewhere:
        layers = ",".join(map(str, elsewhere))
        layers = f"{{{layers}}}" if len(elsewhere) > 1 else layers
        return (
            f"{name!r}: block {layer} of this model has no such hook point; others have it: "
            f'"blocks.{layers}.{site}".'
        )
    return (
        f"{name!r}: this model has no such hook point. In block {layer} it has {', '.join(here)}."
    )


def refused(model: SteerableModel, name: str, *, writing: bool = False) -> str | None:
    """Say why a hook point that a model has must not be used; ``None`` where it may be.

    Args:
        model: Which has it.
        name: One hook name.
        writing: Whether it is to be changed, and not only read.
    """
    sites = sites_of(model)
    _, layer, site = name.split(".", 2)
    if name not in sites.shapes:
        return _silent(model, sites, name)
    if site in ATTENTION_SITES:
        return _attention(model, sites, name, writing=writing)
    if sites.shapes[name][:2] != sites.batch_pos or len(sites.shapes[name]) < 3:
        return (
            f"{name!r}: in {class_of(model)} it holds {_shape(sites.shapes[name])} numbers over "
            f"{sites.batch_pos[0]} rows of {sites.batch_pos[1]} tokens, which are not so many for "
            f"each row and token. Use {_stream(layer)}."
        )
    if site == "hook_resid_mid" and _comes_after(sites, name, f"blocks.{layer}.hook_mlp_out"):
        return (
            f"{name!r}: {class_of(model)} normalises behind each half of a block, and what "
            f"TransformerLens gives under this name is the stream behind the MLP. Use "
            f"{_stream(layer)}."
        )
    if name in sites.whole_mlps:
        return (
            f"{name!r}: block {layer} of {class_of(model)} has a mixture of experts, whose neurons "
            f"have no hook point; this one is the {'input' if site == 'mlp.hook_pre' else 'output'}"
            f" of all experts together. Use blocks.{layer}.hook_mlp_out."
        )
    return _heads(model, sites, name)


def _silent(model: SteerableModel, sites: Sites, name: str) -> str:
    layer, site = name.split(".", 2)[1:]
    heard = [each for each in VECTOR_SITES if f"blocks.{layer}.{each}" in sites.shapes]
    following = f"blocks.{int(layer) + 1}.hook_resid_pre"
    same = (
        f" {following} holds what would stand there."
        if site == "hook_resid_post" and following in sites.shapes
        else ""
    )
    return (
        f"{name!r}: {class_of(model)} has this hook point in TransformerLens "
        f"{version('transformer-lens')}, but nothing ever comes by, so that it can be neither read "
        f"nor changed.{same} In block {layer} use {', '.join(heard)}."
    )


def _attention(model: SteerableModel, sites: Sites, name: str, *, writing: bool) -> str | None:
    shape, (rows, length) = sites.shapes[name], sites.batch_pos
    if len(shape) != 4 or (shape[0], *shape[2:]) != (rows, length, length):
        return (
            f"{name!r}: in {class_of(model)} it holds {_shape(shape)} numbers over {rows} rows of "
            f"{length} tokens, and not a share for each head, token and token attended to."
        )
    layer = name.split(".")[1]
    if writing and _comes_after(sites, name, f"blocks.{layer}.attn.hook_z"):
        return (
            f"{name!r}: {class_of(model)} has computed its attention before this hook point is "
            "reached, so that a change there would do nothing. It can be read; change "
            f"blocks.{layer}.attn.hook_z or blocks.{layer}.attn.hook_v instead."
        )
    return None


def _heads(model: SteerableModel, sites: Sites, name: str) -> str | None:
    site, shape = name.split(".", 2)[2], sites.shapes[name][2:]
    if not site.startswith("attn."):
        return None
    n_heads = int(model.cfg.n_heads)
    whole = site in ("attn.hook_z", "attn.hook_q")
    if len(shape) == 2 and (shape[0] == n_heads if whole else n_heads % shape[0] == 0):
        return None
    return (
        f"{name!r}: {class_of(model)} has {n_heads} attention heads, and this hook point holds "
        f"{_shape(shape)} numbers a token, which are not theirs. Use "
        f"{_stream(name.split('.')[1])}."
    )


def _comes_after(sites: Sites, name: str, other: str) -> bool:
    here, there = sites.order(name), sites.order(other)
    return here is not None and there is not None and here > there


def _stream(layer: str) -> str:
    block = f"blocks.{layer}"
    return f"{block}.hook_attn_out, {block}.hook_resid_pre or {block}.hook_resid_post"


def _shape(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))
