"""Everything that is checked before a change lands: `nox` runs it all, `nox -s NAME` one part.

A session here runs in the environment of a TransformerLens line rather than in one of its own: an
environment is some 2 GB and a minute or two, and lint, docs and notebooks need the same packages
as the tests. Arguments after `--` go to pytest: `nox -s tests -- -m "not packaged"`.
"""

import os
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.sessions = ["lint", "docs", "notebooks", "tests"]

ROOT = Path(__file__).parent
NEWEST = "4.x"
LINES = {
    NEWEST: "transformer-lens>=4.3,<5",  # TransformerBridge
    "3.9.0": "transformer-lens==3.9.0",  # HookedTransformer and TransformerBridge
}

_ready: set[str] = set()


def environment(session: nox.Session, line: str) -> Path:
    """The programs of the environment that has this TransformerLens line; made when it is lacking.

    Args:
        session: The session that needs it.
        line: A key of `LINES`.

    Returns:
        The directory with `python`, `pytest` and so on.
    """
    home = ROOT / ".nox" / f"transformer-lens-{line}"
    programs = home / ("Scripts" if os.name == "nt" else "bin")
    session.env.update(
        HF_HUB_OFFLINE="1",  # nothing here may need a model hub
        MPLBACKEND="agg",
        TOKENIZERS_PARALLELISM="false",
        # Threads that wait by spinning stand in each other's way on a shared machine.
        OMP_WAIT_POLICY="PASSIVE",
    )
    if line not in _ready:
        if not (programs / "python").exists() and not (programs / "python.exe").exists():
            session.run(sys.executable, "-m", "virtualenv", "-q", str(home), external=True)
        # Compiling at the first import instead: most of what is installed is never imported.
        install = ["install", "-qq", "--no-compile", "-c", "constraints.txt", LINES[line]]
        run(session, programs, "python", "-m", "pip", *install, "-e", ".[dev,docs]")
        _ready.add(line)
    return programs


def run(session: nox.Session, programs: Path, program: str, *args: str) -> None:
    """Run a program of an environment."""
    session.run(str(programs / program), *args, external=True)


@nox.session(venv_backend="none")
def lint(session: nox.Session) -> None:
    """Format, lint, types, and who may import whom."""
    programs = environment(session, NEWEST)
    run(session, programs, "ruff", "format", "--check", ".")
    run(session, programs, "ruff", "check", ".")
    run(session, programs, "mypy")
    run(session, programs, "lint-imports")


@nox.session(venv_backend="none")
@nox.parametrize("transformer_lens", list(LINES), ids=list(LINES))
def tests(session: nox.Session, transformer_lens: str) -> None:
    """The tests, with every model class that the TransformerLens line has."""
    programs = environment(session, transformer_lens)
    # The notebooks have a session of their own, so that they are executed once and not twice.
    # Small models are fastest on one thread, so that two processes use two cores.
    session.env["OMP_NUM_THREADS"] = "1"
    workers = ["-n", "2", "--dist", "loadfile", "-p", "no:benchmark"]
    run(session, programs, "pytest", *workers, "--ignore=tests/test_notebooks.py", *session.posargs)


@nox.session(venv_backend="none")
def notebooks(session: nox.Session) -> None:
    """The notebooks, executed from top to bottom."""
    programs = environment(session, NEWEST)
    run(session, programs, "pytest", "tests/test_notebooks.py")


@nox.session(venv_backend="none")
def benchmarks(session: nox.Session) -> None:
    """What steering costs, printed; each figure is a ratio within one run."""
    programs = environment(session, NEWEST)
    run(session, programs, "pytest", "-s", "tests/benchmarks", *session.posargs)


@nox.session(venv_backend="none")
def docs(session: nox.Session) -> None:
    """The documentation, where a warning is an error."""
    programs = environment(session, NEWEST)
    build = ["-q", "-W", "--keep-going", "-b", "html", "docs", "docs/_build/html"]
    run(session, programs, "sphinx-build", *build)
