"""What a file really is, by its first bytes, whatever it is called."""

_ARCHIVE = "a zip archive, such as torch.save, numpy.savez and spreadsheets write"
_KINDS = {
    b"GGUF": "a GGUF file",
    b"PK\x03\x04": _ARCHIVE,
    b"PK\x05\x06": _ARCHIVE,
    b"\x93NUMPY": "a numpy array",
    b"\x89HDF\r\n": "an HDF5 file",
    b"PAR1": "a parquet file",
    b"\x1f\x8b": "compressed with gzip",
    b"BZh": "compressed with bzip2",
    b"\xfd7zXZ\0": "compressed with xz",
    b"\x28\xb5\x2f\xfd": "compressed with zstd",
    b"%PDF": "a PDF document",
    b"version https://git-lfs": "a pointer that Git LFS left in place of the file",
    b"<!DOCTYPE": "a web page",
    b"<!doctype": "a web page",
    b"<html": "a web page",
}


def kind_of(data: bytes) -> str:
    """Say what a file is, as ``"a GGUF file"``; empty where its first bytes do not tell."""
    for magic, kind in _KINDS.items():
        if data.startswith(magic):
            return kind
    # A pickle begins with its protocol and ends with a full stop.
    if data[:1] == b"\x80" and data[1:2] in b"\x02\x03\x04\x05" and data.rstrip(b"\0")[-1:] == b".":
        return "a pickle, such as torch.save writes"
    return ""
