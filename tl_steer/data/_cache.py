"""The cache folder, and folders that are either complete or absent."""

import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import platformdirs
from filelock import FileLock

from tl_steer.errors import AssetError, StorageError

_logger = logging.getLogger(__name__)

CACHE_VARIABLE = "TL_STEER_CACHE"
"""The environment variable that names another cache folder."""


def cache_dir() -> Path:
    """The folder where tl_steer keeps what it prepared once.

    Returns:
        The folder named by the environment variable `TL_STEER_CACHE`, or else the user's cache
        folder as the platform defines it. It need not exist yet.
    """
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute()
    return platformdirs.user_cache_path("tl_steer", appauthor=False)


def build_once(target: Path, build: Callable[[Path], None]) -> Path:
    """Make the folder `target` with `build`, unless it is there already.

    `build` is given an empty folder beside `target` to fill; only when it has returned does that
    folder get the name `target`, in one rename. Whoever sees `target` therefore sees all of it.
    A file lock lets one process build while others wait for its result. What a killed process
    left behind is removed by the next one that holds the lock. A `target` that exists is
    returned without writing anything, so a read-only cache that has been filled can be shared.

    Args:
        target: The folder to make; its parents are made as needed.
        build: Fills the empty folder that it is given. If it raises, nothing is kept.

    Returns:
        `target`.

    Raises:
        AssetError: The folder cannot be made or written to.
    """
    partial = target.with_name(f".{target.name}.partial")
    try:
        if target.is_dir():
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        _logger.debug("waiting for the lock on %s", target)
        with FileLock(target.with_name(f".{target.name}.lock")):
            # Another process may have finished it while this one waited.
            if not target.is_dir():
                _build_under_lock(target, partial, build)
    except (OSError, StorageError) as error:
        raise AssetError(
            f"{target}: cannot be made ({error}). It must be in a folder that you may write to, "
            f"with space on the disk. Set {CACHE_VARIABLE} to such a folder, or free space there."
        ) from error
    return target


def _build_under_lock(target: Path, partial: Path, build: Callable[[Path], None]) -> None:
    _remove(partial)  # left by a process that was killed
    partial.mkdir()
    try:
        build(partial)
        partial.replace(target)
    finally:
        _remove(partial)


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
