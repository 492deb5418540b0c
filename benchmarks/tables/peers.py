"""Other ways to add a vector, on one small model: which of these hold where each is run?

Needs ``steering-vectors`` and ``repeng``; what cannot be imported has no column. Every
answer is what a run gave, with the library's own call and nothing beside it.
"""

import importlib
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import pandas as pd
import torch

from benchmarks.tables.peer_model import BOS, LAYER, WIDTH, small_llama, word_tokenizer
from tl_steer.demo.output import markdown, require_writable
from tl_steer.directions import Direction
from tl_steer.interventions import Add
from tl_steer.lens.loading import wrap
from tl_steer.steering import steer

_log = logging.getLogger(__name__)
LONG, SHORT = [BOS, 5, 9, 7, 12, 8], [BOS, 6, 10]
STEPS = 6
Settings = dict[str, Any]


@dataclass(frozen=True)
class Way:
    """One way to add a vector at a layer.

    ``steered(vector, first)`` is a block in which every token from the index ``first`` on is
    steered; it yields the model. ``from_token`` says whether the library can leave any out.
    """

    model: Any
    steered: Callable[..., AbstractContextManager[Any]]
    from_token: bool = True
    block: bool = True
    """Whether the block is the library's own."""

    write: Callable[..., torch.Tensor] | None = None
    """Greedy texts of ``(ids, mask, vector, first, cache)``, where transformers' call is not it."""


@contextmanager
def plain_hook(model: Any, vector: torch.Tensor, first: int = 0) -> Iterator[Any]:
    """A forward hook as one writes it by hand."""

    def add(module: Any, given: Any, output: Any) -> Any:
        acts = output[0] if isinstance(output, tuple) else output
        acts[:, first:] += vector
        return output

    handle = model.model.layers[LAYER].register_forward_hook(add)
    try:
        yield model
    finally:
        handle.remove()


def by_hand() -> Way:
    """Torch hooks on a transformers model."""
    model = small_llama()
    return Way(model, lambda vector, first=0: plain_hook(model, vector, first), block=False)


def by_steering_vectors() -> Way:
    """A SteeringVector, applied."""
    made = importlib.import_module("steering_vectors").SteeringVector
    model = small_llama()

    @contextmanager
    def steered(vector: torch.Tensor, first: int = 0) -> Iterator[Any]:
        with made({LAYER: vector}).apply(model, min_token_index=first):
            yield model

    return Way(model, steered)


def by_repeng() -> Way:
    """A ControlModel around the model."""
    # repeng 0.4.0 asks for a name that numpy 2 no longer has.
    vars(numpy).setdefault("float_", numpy.float64)
    made = importlib.import_module("repeng").ControlModel
    model = small_llama()

    @contextmanager
    def steered(vector: torch.Tensor, first: int = 0) -> Iterator[Any]:
        controlled = made(model, [LAYER])
        controlled.set_raw_control({LAYER: vector})
        try:
            yield controlled
        finally:
            controlled.unwrap()

    return Way(model, steered, from_token=False, block=False)


def by_tl_steer() -> Way:
    """Add, in a steer block."""
    model = wrap(small_llama(), word_tokenizer(), name="small", kind="bridge", device="cpu")

    def steered(vector: torch.Tensor, first: int = 0) -> AbstractContextManager[Any]:
        at = f"blocks.{LAYER}.hook_resid_post"
        rows = vector.reshape(-1, vector.shape[-1])
        directions = [Direction.of(row, at=at, model=model, scale=1.0) for row in rows]
        given = directions[0] if len(directions) == 1 else directions
        return _yielding(model, steer(model, Add(given, scope=slice(first, None))))

    def write(ids: Any, mask: Any, vector: Any, first: int, cache: bool) -> torch.Tensor:
        with steered(vector, first):
            return model.generate(
                ids, attention_mask=mask, max_new_tokens=STEPS, do_sample=False, verbose=False,
                stop_at_eos=False, use_past_kv_cache=cache, return_type="tokens",
            )  # fmt: skip

    return Way(model, steered, write=write)


@contextmanager
def _yielding(model: Any, block: AbstractContextManager[Any]) -> Iterator[Any]:
    with block:
        yield model


WAYS = {
    "plain hook": by_hand,
    "steering-vectors": by_steering_vectors,
    "repeng": by_repeng,
    "tl_steer": by_tl_steer,
}


def written(way: Way, rows: list[list[int]], vector: torch.Tensor, **how: Any) -> list[list[int]]:
    """The new greedy tokens of each row, left-padded among the others."""
    cache, first = how.get("cache", True), how.get("first", 0)
    width = max(map(len, rows))
    ids = torch.tensor([[0] * (width - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
    if way.write is not None:
        found = way.write(ids, mask, vector, first, cache)
    else:
        with way.steered(vector, first) as model:
            found = model.generate(
                input_ids=ids, attention_mask=mask, max_new_tokens=STEPS, min_new_tokens=STEPS,
                do_sample=False, use_cache=cache, pad_token_id=0,
            )  # fmt: skip
    return [row[-STEPS:] for row in found.tolist()]


def same_with_cache(way: Way, vector: torch.Tensor, first: int) -> bool:
    """The same text with a key-value cache and without."""
    return written(way, [LONG], vector, first=first) == written(
        way, [LONG], vector, first=first, cache=False
    )


def same_in_a_batch(way: Way, vector: torch.Tensor, first: int) -> bool:
    """The same text in a left-padded batch and alone."""
    alone = [written(way, [row], vector, first=first)[0] for row in (LONG, SHORT)]
    return written(way, [LONG, SHORT], vector, first=first) == alone


def rows_of_their_own(way: Way, vector: torch.Tensor) -> bool:
    """Two rows with two vectors in one pass, each as it is alone."""
    vectors = torch.stack([vector, -vector])[:, None]
    alone = [written(way, [LONG], each)[0] for each in (vector, -vector)]
    return written(way, [LONG, LONG], vectors) == alone


def nothing_stays_after_an_error(way: Way, vector: torch.Tensor) -> bool:
    """The same logits after an exception within the block as before it."""
    block = way.steered(vector)
    before = _logits(way.model)
    try:
        with block:
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    return torch.equal(before, _logits(way.model))


def keeps_its_names(way: Way, vector: torch.Tensor) -> bool:
    """The same names of parameters while the model is steered."""
    block = way.steered(vector)
    before = list(way.model.state_dict())
    with block:
        return list(way.model.state_dict()) == before


def refuses_a_width_of_one(way: Way, vector: torch.Tensor) -> bool:
    """A vector of width 1, which broadcasting would take, is refused."""
    try:
        written(way, [LONG], vector[:1])
    except Exception:
        return True
    return False


@torch.no_grad()
def _logits(model: Any) -> torch.Tensor:
    found = model(torch.tensor([LONG]))
    return found if isinstance(found, torch.Tensor) else found.logits


CHECKS: dict[str, Callable[[Way, torch.Tensor], bool | None]] = {
    "every token: same text with a KV cache and without": lambda w, v: same_with_cache(w, v, 0),
    "from the 4th token on: same text with a KV cache and without": lambda w, v: (
        same_with_cache(w, v, 3) if w.from_token else None
    ),
    "every token: same text in a left-padded batch and alone": lambda w, v: same_in_a_batch(
        w, v, 0
    ),
    "all but the first token: same text in a left-padded batch and alone": lambda w, v: (
        same_in_a_batch(w, v, 1) if w.from_token else None
    ),
    "a vector for each row of a batch": rows_of_their_own,
    "a block that takes it off, after an exception too": lambda w, v: (
        nothing_stays_after_an_error(w, v) if w.block else None
    ),
    "names of parameters stay as they are": keeps_its_names,
    "a vector of the wrong width (1) is refused": refuses_a_width_of_one,
}


def measured() -> pd.DataFrame:
    """Run every check with every way that is installed; yes, no, or no such setting."""
    vector = torch.randn(WIDTH, generator=torch.Generator().manual_seed(1)) * 2
    columns = {}
    for name, make in WAYS.items():
        try:
            make()
        except ImportError as lacking:
            _log.info("%s is left out: %s", name, lacking)
            continue
        columns[name] = {check: _answer(run, make(), vector) for check, run in CHECKS.items()}
    return pd.DataFrame(columns)


def _answer(run: Callable[[Way, torch.Tensor], bool | None], way: Way, vector: torch.Tensor) -> str:
    try:
        found = run(way, vector)
    except Exception as refused:  # a library may refuse in any way
        _log.info("%s", refused)
        return "refused"
    return {True: "yes", False: "no", None: "no setting"}[found]


def report_peers(folder: Path, *, device: str | None = None, quick: bool = False) -> None:
    """Write ``peers.md`` to a folder.

    Args:
        folder: Made where it is lacking.
        device: Not used; the model is small.
        quick: Not used; it takes seconds.

    Raises:
        SteerError: When the folder cannot be written.
    """
    require_writable(folder)
    text = markdown(measured())
    (folder / "peers.md").write_text(text + "\n", encoding="utf-8")
    _log.info("\n%s", text)
