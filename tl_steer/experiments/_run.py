"""Run: how an experiment is run, whatever it measures."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tl_steer.arguments import Count, Seed, checked, means
from tl_steer.lens.tokens import Chat


@checked
@means("a Run", instead='For example Run(folder="study", seeds=[0, 1]).')
@dataclass(frozen=True)
class Run:
    """How an experiment is run: where it is kept, with which seeds, and how prompts are read."""

    folder: str | Path | None = None
    """Where what is finished is kept, so that the same call goes on where one was ended."""

    seeds: Sequence[Seed] | None = None
    """Of the sampling; its own alone by default. Texts of all seeds are taken together, as further
    ones of their prompts."""

    chat: Chat | None = None
    """Put prompts into the tokenizer's chat template."""

    prepend_bos: bool | None = None
    """Whether prompts begin with a beginning-of-text token."""

    rows: Count | None = None
    """Texts of a group of cells; by default 128, or what a GPU's memory holds. A group is what is
    saved at once, and what a worker is given at a time."""

    progress: bool = True
    """Whether to show progress bars."""

    def within(self, name: str) -> "Run":
        """The same in a folder within the folder, where there is one."""
        return self if self.folder is None else replace(self, folder=Path(self.folder) / name)
