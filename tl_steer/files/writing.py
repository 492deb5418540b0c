"""Files that are there as a whole or not at all."""

import os
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

from tl_steer.errors import StorageError


def write_whole(target: Path, data: bytes) -> Path:
    """Write a file so that a reader never sees half of it; an older one of that name is replaced.

    Raises:
        StorageError: When it cannot be written; what was there is still there.
    """
    # Not of `tempfile`: that would give a file which nobody but its owner may read.
    temporary = target.with_name(f"{target.name}.{token_hex(8)}.part")
    try:
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
    except OSError as error:
        raise StorageError(f"{target}: cannot be written: {error.strerror}.") from error
    return target
