"""A room's front: what stands in its ``__init__.pyi``, loaded when it is first used."""

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lazy_loader


def front_of(
    package: str, file: str
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Make what an ``__init__.py`` needs to load lazily.

    Args:
        package: Its ``__name__``.
        file: Its ``__file__``; the stub lies beside it.

    Returns:
        ``__getattr__``, ``__dir__`` and ``__all__``. Users are shown the stub's ``__all__``, and
        its rooms; the library's other rooms may import what else the stub imports.
    """
    stub = ast.parse(Path(file).with_suffix(".pyi").read_text(encoding="utf-8")).body
    (public,) = (ast.literal_eval(each.value) for each in stub if isinstance(each, ast.Assign))
    names = {
        each.module: [name.name for name in each.names]
        for each in stub
        if isinstance(each, ast.ImportFrom)
    }
    rooms = names.pop(None, [])
    load, _, _ = lazy_loader.attach(package, rooms, names)
    return load, lambda: sorted({*public, *rooms}), public
