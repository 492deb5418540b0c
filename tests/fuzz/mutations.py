"""Files as they should not be: valid ones, changed by lot; the same seed gives the same file."""

import copy
import io
import json
import struct
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

DIGITS = "9" * 5000
INTERESTING: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63), 10**30, 10**400, 0.5, -0.0, 1e308, 1e-320,
    float("nan"), float("inf"), "", " ", "a", "0", "1", "-", "nan", "\0", "\ud800", "é" * 50,
    "../../etc/passwd", "blocks.1.hook_resid_post", f"blocks.{DIGITS}.hook_resid_post",
    "x" * 10_000, "@digits", [], {}, [[]], [None], {"a": 1}, [1, "a", None],
)  # fmt: skip
WORDS = (
    b"\0", b"\xff", b"\xfe\xff", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\r", b"\n",
    b"\r\n", b",", b";", b"\t", b'"', b'""', b"'", b"\\", b"\\ud800", b"{", b"}", b"[", b"]", b":",
    b"NaN", b"-Infinity", b"1e999", b"null", b"true", b"=1+1", DIGITS.encode(), b"[" * 20_000,
    b'{"a":' * 5_000, b"x" * 200_000, "\u2028".encode(), b"\x1a", b"PK\x03\x04", b"\x1f\x8b\x08",
    b"BZh9", b"\xfd7zXZ\0",
)  # fmt: skip
"""What parsers stumble over."""


def changed(data: bytes, rng: Random, others: Sequence[bytes] = ()) -> bytes:
    """Change bytes, in one way or in several."""
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        data = rng.choice(_CHANGES)(data, rng, others)
    return data


def _cut(data: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    return data[: rng.randint(0, len(data))]


def _headless(data: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    return data[rng.randint(0, len(data)) :]


def _flip(data: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    if not data:
        return data
    found = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        found[rng.randrange(len(found))] ^= 1 << rng.randrange(8)
    return bytes(found)


def _word(data: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    at = rng.randint(0, len(data))
    over = rng.choice((0, 0, 1, 4))
    return data[:at] + rng.choice(WORDS) + data[at + over :]


def _token(data: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    """One cell, string or number gives way to another thing."""
    ends = [n for n, byte in enumerate(data) if byte in b',;:\n"{}[]']
    if len(ends) < 2:
        return data
    first = rng.randrange(len(ends) - 1)
    value = rng.choice((rng.choice(WORDS), written(rng.choice(INTERESTING)).encode()))
    return data[: ends[first] + 1] + value + data[ends[first + 1] :]


def _lost(data: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    at = rng.randint(0, len(data))
    return data[:at] + data[at + rng.choice((1, 1, 2, 8, 100)) :]


def _twice(data: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    start, stop = sorted((rng.randint(0, len(data)), rng.randint(0, len(data))))
    return data[:stop] + data[start:stop] * rng.choice((1, 2, 20)) + data[stop:]


def _number(data: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    """Four or eight bytes become a number at the edge of what they hold."""
    value = rng.choice((0, 1, 2**31 - 1, 2**31, 2**32 - 1, len(data), len(data) + 1))
    packed = struct.pack("<I", value) if rng.random() < 0.5 else struct.pack("<Q", value * 2**31)
    at = rng.choice((0, rng.randint(0, len(data))))
    return data[:at] + packed + data[at + len(packed) :]


def _splice(data: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    other = rng.choice((*others, *WORDS, data))
    return data[: rng.randint(0, len(data))] + other[rng.randint(0, len(other)) :]


def _other(data: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    return rng.choice((b"", rng.randbytes(rng.choice((1, 8, 300))), *others))


_CHANGES: tuple[Callable[[bytes, Random, Sequence[bytes]], bytes], ...] = (
    _cut, _headless, _flip, _flip, _word, _word, _token, _token, _lost, _twice, _number, _splice,
    _other,
)  # fmt: skip


def written(tree: Any) -> str:
    """As JSON, with numbers that no integer may have in Python."""
    return json.dumps(tree).replace('"@digits"', DIGITS)


def changed_tree(tree: Any, rng: Random) -> Any:
    """Change a JSON value: something in it gives way, goes, or comes."""
    found = copy.deepcopy(tree)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        places = list(_places(found))
        if not places:
            return _interesting(rng)
        parent, key = rng.choice(places)
        how = rng.random()
        if how < 0.6:
            parent[key] = _another(parent[key], rng)
        elif how < 0.8:
            del parent[key]
        elif isinstance(parent, dict):
            parent[str(rng.choice((key, "more", "", "__class__")))] = _interesting(rng)
        else:
            parent.insert(key, _interesting(rng))
    return found


def _another(value: Any, rng: Random) -> Any:
    if isinstance(value, int) and rng.random() < 0.4:
        return rng.choice((value + 1, value - 1, -value, value * 2, 0.5, f"{value:x}"))
    return _interesting(rng)


def _interesting(rng: Random) -> Any:
    """A value of its own: what one file changes in it, the next one would have too."""
    return copy.deepcopy(rng.choice(INTERESTING))


def _places(tree: Any) -> Any:
    several = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in several:
        yield tree, key
        if isinstance(value, dict | list) and value:
            yield from _places(value)


def changed_json(data: bytes, rng: Random, others: Sequence[bytes] = ()) -> bytes:
    """Change a JSON file as what it says, or as bytes."""
    if rng.random() < 0.4:
        return changed(data, rng, others)
    return written(changed_tree(json.loads(data), rng)).encode()


def changed_lines(data: bytes, rng: Random, others: Sequence[bytes] = ()) -> bytes:
    """Change a file of JSON lines: one of them as what it says, or all as bytes."""
    if rng.random() < 0.4:
        return changed(data, rng, others)
    lines = data.splitlines()
    at = rng.randrange(len(lines))
    lines[at] = changed_json(lines[at], rng)
    return b"\n".join(lines)


def changed_tensors(data: bytes, rng: Random, others: Sequence[bytes] = ()) -> bytes:
    """Change a safetensors file: its header, its description, or its bytes."""
    if rng.random() < 0.3:
        return changed(data, rng, others)
    length = int.from_bytes(data[:8], "little")
    header, rest = json.loads(data[8 : 8 + length]), data[8 + length :]
    about = header.get("__metadata__", {})
    how = rng.random()
    if how < 0.5 and "tl_steer" in about:
        about["tl_steer"] = written(changed_tree(json.loads(about["tl_steer"]), rng))
    elif how < 0.7:
        name = rng.choice([name for name in header if name != "__metadata__"])
        field = rng.choice(("dtype", "shape", "data_offsets"))
        header[name][field] = rng.choice(_TENSOR[field])
    else:
        header = changed_tree(header, rng)
    packed = written(header).encode()
    return struct.pack("<Q", len(packed)) + packed + rest


def changed_frame(data: bytes, rng: Random, others: Sequence[bytes] = ()) -> bytes:
    """Change a parquet file: its columns, its rows, its stamp, or its bytes."""
    if rng.random() < 0.4:
        return changed(data, rng, others)
    table = pq.read_table(io.BytesIO(data))
    stamp = pq.read_metadata(io.BytesIO(data)).metadata.get(b"tl_steer")
    columns = {name: table[name].to_pylist() for name in table.column_names}
    for _ in range(rng.choice((1, 1, 2))):
        name = rng.choice(list(columns) or [""])
        how = rng.randrange(6)
        if how == 0:
            columns.pop(name, None)
        elif how == 1:
            columns[name] = [rng.choice(CELLS)] * table.num_rows
        elif how == 2:
            columns[name] = [*columns.get(name, [])[:-1], rng.choice(CELLS)]
        elif how == 3:
            columns = {each: values * rng.choice((0, 2)) for each, values in columns.items()}
        elif how == 4:
            columns[rng.choice(("", "cell", "praise_share", "text_share"))] = columns.pop(name, [])
        else:
            columns[name] = [None] * table.num_rows
    try:
        made = pa.table(columns)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):  # not what a table can hold
        return changed(data, rng, others)
    if stamp is not None and rng.random() < 0.8:
        made = made.replace_schema_metadata({"tl_steer": changed_stamp(stamp, rng)})
    file = io.BytesIO()
    pq.write_table(made, file)
    return file.getvalue()


def changed_stamp(stamp: bytes, rng: Random) -> bytes:
    """As it was, or changed."""
    return stamp if rng.random() < 0.5 else changed_json(stamp, rng)


CELLS: tuple[Any, ...] = (
    None, True, -1, 2**62, 0.5, 1e100, float("nan"), "", "a", "x" * 9999, [1], ["a"], [], {"a": 1},
    b"bytes", datetime(2020, 1, 1), Decimal("1.5"),
)  # fmt: skip

_TENSOR: dict[str, tuple[Any, ...]] = {
    "dtype": (
        "F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F6_E2M3", "F4", "C64", "I64",
        "I8", "U8", "U16", "U64", "BOOL", "Q4_0", "", None, 5,
    ),
    "shape": ([], [0], [1], [32], [2, 16], [-1], [2**40, 2**40], [10**30], [1.5], None, "a", [[2]]),
    "data_offsets": ([0, 0], [0, 8], [8, 0], [0, 2**63], [-1, 4], [0], None, "a", [0, 10**30]),
}  # fmt: skip
