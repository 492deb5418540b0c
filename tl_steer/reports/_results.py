"""What a study found, with its report."""

from dataclasses import dataclass
from pathlib import Path

from tl_steer.arguments import checked
from tl_steer.page.html import page_html
from tl_steer.reports._saving import save_results
from tl_steer.reports._sections import sections_of
from tl_steer.reports._study_data import StudyData


@checked
@dataclass(frozen=True, eq=False)
class StudyResults(StudyData):
    """Everything that the report of a study is made of.

    What is empty or ``None`` has no section in the report.

    Raises:
        DataError: The title or the judge is empty, or a frame lacks a column that the report reads.
    """

    def html(self) -> str:
        """The report as one page that needs no other file."""
        return page_html(self.title, sections_of(self))

    def save(self, folder: Path | str) -> Path:
        """Write the report and everything in it as data.

        ``report.html`` (one page for itself), ``report.md`` with ``figures/*.svg``, and as data
        ``cells.parquet``, ``texts.parquet``, ``table.csv``, ``chosen.csv``, ``controls.csv`` and
        ``controlled_texts.parquet`` (what stands behind σ), ``verdicts.csv``, ``per_prompt.csv``,
        ``people.csv``, and ``facts.json``. What is empty is not written.

        All files are made before the first one is put in its place, and each is put there whole.
        Other files of the folder stay as they are.

        Args:
            folder: Made where it is not there.

        Returns:
            The folder.

        Raises:
            StorageError: It cannot be written to; what lay there before is still there.
        """
        return save_results(self, Path(folder))

    def __repr__(self) -> str:
        """Say what there is."""
        return (
            f"StudyResults({self.title!r}: {len(self.cells)} cells, {len(self.texts)} texts, "
            f"{len(self.controlled)} directions beside controls)"
        )
