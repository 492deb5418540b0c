"""A local checkpoint as either model class, without a network."""

from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import torch

from tl_steer.arguments import checked
from tl_steer.errors import FileError, SteerError
from tl_steer.files.opening import reading
from tl_steer.lens.cache_names import pass_cache_on_for_good
from tl_steer.lens.checkpoint import read_checkpoint
from tl_steer.lens.hooked_layout import lay_out
from tl_steer.lens.protocol import SteerableModel, require_steerable

Kind = Literal["bridge", "hooked"]


@checked
def load_local(
    folder: str | Path,
    *,
    name: str | None = None,
    kind: Kind = "bridge",
    device: str | torch.device | None = None,
    dtype: torch.dtype = torch.float32,
) -> SteerableModel:
    """Load a Hugging Face checkpoint from a folder, with its weights as they are.

    Nothing in the folder is executed: weights are read from safetensors, remote code is off.

    Args:
        folder: With ``config.json``, ``*.safetensors`` and the tokenizer's files.
        name: What directions will remember the model by; by default the folder's name.
        kind: ``bridge`` for ``TransformerBridge``; ``hooked`` for ``HookedTransformer``, which
            TransformerLens 3 has, here for the Llama and GPT-2 families.
        device: CUDA where there is one by default.
        dtype: Of weights and activations.

    Raises:
        SteerError: For a folder without a checkpoint, or with one that is damaged or lacks weights;
            for a model that needs code of its own; and for ``hooked`` where it cannot be had.
    """
    path = Path(folder)
    hf_model, tokenizer = read_checkpoint(path, dtype)
    called = name or path.resolve().name
    with reading(path, "a checkpoint that can be used", "Copy the folder again, whole."):
        model = wrap(hf_model, tokenizer, name=called, kind=kind, device=device)
    if model.cfg.n_layers < 1:
        raise FileError(f"{path}: config.json says that the model has {model.cfg.n_layers} blocks.")
    return model


def load_hub(name: str, *, device: str | torch.device | None = None) -> SteerableModel:
    """Load a model of the Hugging Face hub as a bridge, in float32, as :func:`load_local` does.

    Raises:
        SteerError: When it cannot be had, or is not one that can be steered.
    """
    from huggingface_hub import snapshot_download

    files = ["*.safetensors", "*.json", "*.txt", "*.model"]
    try:
        folder = snapshot_download(name, allow_patterns=files)
    except (OSError, ValueError) as error:
        raise SteerError(
            f"{name!r} is not a folder here, and cannot be fetched from the model hub "
            f"({str(error).splitlines()[0]})."
        ) from error
    return load_local(folder, name=name, device=device)


def wrap(
    hf_model: Any,
    tokenizer: Any,
    *,
    name: str,
    kind: Kind = "bridge",
    device: str | torch.device | None = None,
) -> SteerableModel:
    """Wrap a Hugging Face model, weights as they are.

    A bridge consumes ``hf_model``: its modules are replaced. Where transformers has renamed the
    cache (5.24), it comes with hooks that hand the cache on under the names that TransformerLens
    knows, so that its own ``generate`` is right outside of our blocks too. The beginning-of-text
    token is prepended where the tokenizer itself does so, and not otherwise.

    Raises:
        SteerError: For an architecture that TransformerLens has no bridge for, or that reads and
            writes otherwise than from left to right; and for ``hooked`` where it cannot be had.
    """
    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    add_bos = _tokenizer_adds_bos(tokenizer)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    model = (
        _bridge(hf_model, tokenizer, name, where)
        if kind == "bridge"
        else _hooked(hf_model, tokenizer, name, where)
    )
    model.cfg.default_prepend_bos = add_bos
    require_steerable(model)
    return model


def _tokenizer_adds_bos(tokenizer: Any) -> bool:
    ids = tokenizer("a")["input_ids"]
    return bool(ids) and tokenizer.bos_token_id is not None and ids[0] == tokenizer.bos_token_id


def _bridge(hf_model: Any, tokenizer: Any, name: str, device: torch.device) -> SteerableModel:
    from transformer_lens.model_bridge import TransformerBridge

    architecture = type(hf_model).__name__
    # A checkpoint's configuration says so; that of a model made in code need not.
    hf_model.config.architectures = hf_model.config.architectures or [architecture]
    dtype = next(hf_model.parameters()).dtype
    try:
        bridge: Any = TransformerBridge.boot_transformers(
            name, hf_model=hf_model.to(device), tokenizer=tokenizer, device=device, dtype=dtype
        )
    except ValueError as error:
        if "supported architecture" not in str(error):
            raise
        raise SteerError(
            f"TransformerLens {version('transformer-lens')} has no bridge for {architecture}. See "
            "its page on supported models; a newer version may have it."
        ) from error
    bridge.cfg.model_name = name
    bridge.original_model.eval()
    pass_cache_on_for_good(bridge)
    model: SteerableModel = bridge
    return model


def _hooked(hf_model: Any, tokenizer: Any, name: str, device: torch.device) -> SteerableModel:
    try:
        from transformer_lens import HookedTransformer
    except ImportError as error:
        raise SteerError(
            "HookedTransformer is not in this TransformerLens (it left in version 4). "
            'Use kind="bridge", or install "transformer-lens<4".'
        ) from error
    from transformer_lens import HookedTransformerConfig
    from transformer_lens.pretrained import weight_conversions

    config = hf_model.config
    convert, settings = {
        "LlamaForCausalLM": (weight_conversions.convert_llama_weights, _llama_settings),
        "GPT2LMHeadModel": (weight_conversions.convert_gpt2_weights, _gpt2_settings),
    }.get(type(hf_model).__name__, (None, None))
    if convert is None or settings is None:
        raise SteerError(
            f"{type(hf_model).__name__} cannot be loaded as HookedTransformer from a folder; "
            'use kind="bridge", or HookedTransformer.from_pretrained yourself.'
        )
    dtype = next(hf_model.parameters()).dtype
    cfg = HookedTransformerConfig(
        **settings(config),
        model_name=name,
        original_architecture=type(hf_model).__name__,
        d_vocab=config.vocab_size,
        dtype=dtype,
        device=str(device),
        init_weights=False,
        default_prepend_bos=False,
        use_attn_result=False,
    )
    model: Any = HookedTransformer(cfg, tokenizer=tokenizer, default_padding_side="left")
    model.load_and_process_state_dict(
        convert(hf_model, cfg),
        fold_ln=False,
        center_writing_weights=False,
        center_unembed=False,
        fold_value_biases=False,
    )
    model.to(device)
    model.eval()
    lay_out(model)
    loaded: SteerableModel = model
    return loaded


def _llama_settings(config: Any) -> dict[str, Any]:
    rope = getattr(config, "rope_parameters", None) or {}
    if rope.get("rope_type", "default") != "default":
        raise SteerError(
            f"rope_type {rope['rope_type']!r} is not supported for HookedTransformer; "
            'use kind="bridge".'
        )
    d_head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return {
        "n_layers": config.num_hidden_layers,
        "d_model": config.hidden_size,
        "d_head": d_head,
        "n_heads": config.num_attention_heads,
        "n_key_value_heads": config.num_key_value_heads,
        "d_mlp": config.intermediate_size,
        "n_ctx": config.max_position_embeddings,
        "act_fn": config.hidden_act,
        "eps": config.rms_norm_eps,
        "normalization_type": "RMS",
        "final_rms": True,
        "gated_mlp": True,
        "positional_embedding_type": "rotary",
        "rotary_adjacent_pairs": False,
        "rotary_dim": d_head,
        "rotary_base": int(rope.get("rope_theta", getattr(config, "rope_theta", 10000))),
    }


def _gpt2_settings(config: Any) -> dict[str, Any]:
    return {
        "n_layers": config.n_layer,
        "d_model": config.n_embd,
        "d_head": config.n_embd // config.n_head,
        "n_heads": config.n_head,
        "d_mlp": config.n_inner or 4 * config.n_embd,
        "n_ctx": config.n_positions,
        "act_fn": "gelu_new",
        "eps": config.layer_norm_epsilon,
        "normalization_type": "LN",
        "attention_dir": "causal",
    }
