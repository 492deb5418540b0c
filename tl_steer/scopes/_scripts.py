"""What is a word and where a sentence ends, in scripts with spaces and in those without."""

import regex

# Words of these stand side by side: Chinese and Japanese; Thai, Lao, Khmer and Burmese; Tibetan.
WITHOUT_SPACES = (
    r"\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}\p{Tibetan}\p{Line_Break=Complex_Context}ー"
)

# Letters, digits, and the marks that are written on them, of scripts with spaces.
_SPACED = rf"[[\p{{L}}\p{{M}}\p{{N}}_]--[{WITHOUT_SPACES}]]"

# A mark that belongs to the letter before it; it is no matter how a sign is to be drawn.
_MARK = r"[\p{M}--[\uFE00-\uFE0F]]"

_side_by_side = regex.compile(rf"[{WITHOUT_SPACES}]", regex.V1)


def whole_word(word: str) -> str:
    """A pattern for a word that stands by itself, as far as its script shows that.

    Args:
        word: Without white space around it.
    """
    # Signs alone, such as "!", stand by themselves wherever they stand.
    is_word = any(map(str.isalnum, word))
    before, after = (is_word and not _side_by_side.match(each) for each in (word[0], word[-1]))
    start, end = f"(?<!{_SPACED})" * before, f"(?!{_SPACED})" * after
    return f"{start}{as_written(word)}{end}"


def as_written(word: str) -> str:
    """A pattern for a word wherever it stands, with any white space within, but whole letters."""
    spelled = r"\s+".join(map(regex.escape, regex.split(r"\s+", word)))
    return rf"{spelled}(?!{_MARK})"


# The signs of scripts that set no space behind them, and the others' before such a letter.
_WIDE = rf"[。｡！？]|．(?!\p{{N}})|[!?](?=[!?]*[{WITHOUT_SPACES}])"  # noqa: RUF001

SENTENCE_END = regex.compile(
    rf"""[\p{{STerm}}…]+["'”’»)\]]*(?=\s)|(?:{_WIDE})+[」』”’）》〉】]*|[।॥۔።။།]+|(?=\n)""",  # noqa: RUF001
    regex.V1,
)
"""Matches at the end of a sentence; with no character at the end of a line."""
