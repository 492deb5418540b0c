"""Small wheels for the tests: real archives, found by the real pip, without a network."""

import hashlib
import zipfile
from pathlib import Path

from tl_steer.data._wheels import PinnedWheel

CODE = "raise SystemExit('this wheel was executed')\n"


def make_wheel(folder: Path, members: dict[str, bytes], *, wanted: tuple[str, ...]) -> PinnedWheel:
    """Write tl_fake 1.0 into `folder`, with code that would stop whoever ran it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "tl_fake-1.0-py3-none-any.whl"
    info = "tl_fake-1.0.dist-info"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tl_fake/__init__.py", CODE)
        for name, content in members.items():
            archive.writestr(name, content)
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tl-fake\nVersion: 1.0\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return PinnedWheel(project="tl-fake", version="1.0", sha256=digest, members=wanted)
