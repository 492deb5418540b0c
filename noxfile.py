"""Everything that is checked before a change lands: `nox` runs it all, `nox -s NAME` one part.

A session here runs in the environment of a TransformerLens line rather than in one of its own: an
environment is some 2 GB and a minute or two, and lint, docs and notebooks need the same packages
as the tests. Arguments after `--` go to pytest: `nox -s tests -- -m "not packaged"`.
"""

import os
import re
import sys
import tomllib
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.sessions = ["quick", "docs", "notebooks", "tests"]

ROOT = Path(__file__).parent
# One release for everybody who develops or tests, so that two runs differ in the code and not in
# the kernels, and installed before anything else: a machine with this release on disk takes that.
TORCH = "torch==2.13.0"
NEWEST = "4.x"
# What each line is locked to beyond the bounds of pyproject.toml, and the file that holds the lock.
# Two releases of transformers, for what broke between them (docs/steering.md).
LINES = {
    # TransformerBridge
    NEWEST: (["transformer-lens>=4.3,<5", "transformers==5.24.0"], "constraints.txt"),
    # HookedTransformer and TransformerBridge
    "3.9.0": (["transformer-lens==3.9.0", "transformers==5.23.0"], "constraints-3.9.txt"),
}
# What other releases warn of is theirs; here it is asked whether what comes out is right.
CONTRACTS = [
    *("-p", "no:benchmark", "-W", "default"),
    *("tests/contracts", "tests/packaged/test_contracts.py"),
]

# Every annotation is checked at every call: a third of the time that a test takes, and the same for
# every kind of model. As for every type checker, 2 is good where a float is wanted.
ANNOTATIONS = (
    "--jaxtyping-packages="
    "tl_steer,beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"
)
# From texts to steered text, on one kind of model.
CORE = ["activations", "directions", "steering"]

# Small models are fastest on one thread, so that two processes use two cores.
WORKERS = ["-n", "2", "-p", "no:benchmark"]

_ready: set[str] = set()


def environment(session: nox.Session, line: str) -> Path:
    """The programs of the environment that has this TransformerLens line; made when it is lacking.

    Args:
        session: The session that needs it.
        line: A key of `LINES`.

    Returns:
        The directory with `python`, `pytest` and so on.
    """
    programs = programs_of(session, f"transformer-lens-{line}")
    if line not in _ready:
        pip(session, programs, "-c", LINES[line][1], "-e", ".[dev,docs]")
        _ready.add(line)
    return programs


def programs_of(session: nox.Session, name: str) -> Path:
    """The programs of an environment of this name; made, with nothing in it, when it is lacking."""
    home = ROOT / ".nox" / name
    programs = home / ("Scripts" if os.name == "nt" else "bin")
    session.env.update(
        HF_HUB_OFFLINE="1",  # nothing here may need a model hub
        MPLBACKEND="agg",
        # Every process of the tests imports torch and transformers: compiled once, not each time.
        PYTHONDONTWRITEBYTECODE="",
        TOKENIZERS_PARALLELISM="false",
        # Threads that wait by spinning stand in each other's way on a shared machine.
        OMP_WAIT_POLICY="PASSIVE",
    )
    if not (programs / "python").exists() and not (programs / "python.exe").exists():
        session.run(sys.executable, "-m", "virtualenv", "-q", str(home), external=True)
    return programs


def pip(session: nox.Session, programs: Path, *what: str) -> None:
    """Install into an environment."""
    # Compiling at the first import instead: most of what is installed is never imported.
    run(session, programs, "python", "-m", "pip", "install", "-qq", "--no-compile", *what)


def run(session: nox.Session, programs: Path, program: str, *args: str) -> None:
    """Run a program of an environment."""
    session.run(str(programs / program), *args, external=True)


@nox.session(venv_backend="none")
def quick(session: nox.Session) -> None:
    """Format, lint, types, who may import whom, and the core with its annotations checked."""
    programs = environment(session, NEWEST)
    run(session, programs, "ruff", "format", "--check", ".")
    run(session, programs, "ruff", "check", ".")
    run(session, programs, "mypy")
    run(session, programs, "lint-imports")
    session.env["OMP_NUM_THREADS"] = "1"
    one_kind = ["-m", "not packaged", "-k", "not compatible and not hooked and not hf"]
    rooms = [f"tests/{room}" for room in CORE]
    run(session, programs, "pytest", "-q", ANNOTATIONS, *WORKERS, *one_kind, *rooms)


@nox.session(venv_backend="none")
@nox.parametrize("transformer_lens", list(LINES), ids=list(LINES))
def tests(session: nox.Session, transformer_lens: str) -> None:
    """The tests, with every model class that the TransformerLens line has."""
    # What asks nothing of TransformerLens is the same on every line; `nox -s whole` asks all.
    left_out = "not whole" if transformer_lens == NEWEST else "not whole and not once"
    run_tests(session, transformer_lens, "-m", left_out)


@nox.session(venv_backend="none")
@nox.parametrize("transformer_lens", list(LINES), ids=list(LINES))
def whole(session: nox.Session, transformer_lens: str) -> None:
    """Every test on every line, with every annotation checked."""
    run_tests(session, transformer_lens, ANNOTATIONS)


def run_tests(session: nox.Session, line: str, *args: str) -> None:
    """Run a line's tests, but for the notebooks, which are executed once, by their own session."""
    programs = environment(session, line)
    session.env["OMP_NUM_THREADS"] = "1"
    apart = ["--dist", "loadfile", "--ignore=tests/test_notebooks.py"]
    run(session, programs, "pytest", *WORKERS, *apart, *args, *session.posargs)


@nox.session(venv_backend="none")
@nox.parametrize("transformer_lens", list(LINES), ids=list(LINES))
def architectures(session: nox.Session, transformer_lens: str) -> None:
    """Every architecture beside plain transformers; `-- --write-table` writes what docs say."""
    programs = environment(session, transformer_lens)
    session.env["OMP_NUM_THREADS"] = "1"
    every = ["-p", "no:benchmark", "--every-architecture", "tests/architectures"]
    run(session, programs, "pytest", *every, *session.posargs)


@nox.session(venv_backend="none")
@nox.parametrize("transformer_lens", list(LINES), ids=list(LINES))
def arguments(session: nox.Session, transformer_lens: str) -> None:
    """Everything that could be given to every public parameter, and not only a part of it."""
    programs = environment(session, transformer_lens)
    every = ["-p", "no:benchmark", "--every-argument", "tests/contracts/test_13_any_argument.py"]
    run(session, programs, "pytest", *every, *session.posargs)


@nox.session(venv_backend="none")
def notebooks(session: nox.Session) -> None:
    """The notebooks, executed from top to bottom, and as they are stored."""
    programs = environment(session, NEWEST)
    session.env["OMP_NUM_THREADS"] = "1"
    run(session, programs, "pytest", *WORKERS, "tests/test_notebooks.py")


@nox.session(venv_backend="none")
def store_notebooks(session: nox.Session) -> None:
    """Execute notebooks and store them with their outputs; all, or `-- notebooks/01….ipynb`."""
    programs = environment(session, NEWEST)
    which = session.posargs or [str(path) for path in sorted(ROOT.glob("notebooks/*.ipynb"))]
    run(session, programs, "python", "tests/stored_notebooks.py", *which)


@nox.session(venv_backend="none")
def benchmarks(session: nox.Session) -> None:
    """What steering costs, printed; each figure is a ratio within one run."""
    programs = environment(session, NEWEST)
    run(session, programs, "pytest", "-s", "tests/benchmarks", *session.posargs)


@nox.session(venv_backend="none")
@nox.parametrize("python", ["3.12", "3.13"])
def pythons(session: nox.Session, python: str) -> None:
    """The core on other releases of Python; a build of torch for each is fetched."""
    home = ROOT / ".nox" / f"python-{python}"
    if not home.exists():
        session.run(f"python{python}", "-m", "venv", str(home), external=True)
    programs = programs_of(session, home.name)
    pip(session, programs, TORCH)
    pip(session, programs, *LINES[NEWEST][0], "-e", ".[dev]")
    rooms = [f"tests/{room}" for room in CORE]
    run(session, programs, "pytest", *WORKERS, "-m", "not packaged", *rooms, *session.posargs)


@nox.session(venv_backend="none")
def docs(session: nox.Session) -> None:
    """The documentation, where a warning is an error."""
    programs = environment(session, NEWEST)
    build = ["-q", "-W", "--keep-going", "-b", "html", "docs", "docs/_build/html"]
    run(session, programs, "sphinx-build", *build)


@nox.session(venv_backend="none")
def lock(session: nox.Session) -> None:
    """Write the constraints files: the newest releases that fit, of every package of a line."""
    for line, (wanted, file) in LINES.items():
        programs = programs_of(session, f"lock-{line}")
        pip(session, programs, TORCH)
        pip(session, programs, *wanted, "-e", ".[dev,docs]")
        freeze = [str(programs / "python"), "-m", "pip", "freeze", "--exclude-editable"]
        frozen = session.run(*freeze, external=True, silent=True)
        # A build of torch brings its own CUDA, and its own suffix; neither is for everybody.
        pins = [
            re.sub(r"\+\w+$", "", pin)
            for pin in str(frozen).splitlines()
            if re.match(r"[\w.-]+==", pin) and not re.match("nvidia-|cuda-|triton", pin)
        ]
        head = f"# Every package that the tests of TransformerLens {line} run with: nox -s lock"
        (ROOT / file).write_text("\n".join([head, *pins, ""]), encoding="utf-8")


@nox.session(venv_backend="none")
def newest(session: nox.Session) -> None:
    """The contracts on the newest release of everything, also past the bounds of pyproject.toml."""
    programs = programs_of(session, "newest")
    pip(session, programs, TORCH)
    pip(session, programs, "--upgrade", "-e", ".[dev]")
    # Without a look at what asks for less: this is how the next break is seen before it is met.
    pip(session, programs, "--upgrade", "--no-deps", "transformers", "transformer-lens")
    run(session, programs, "pytest", *CONTRACTS, *session.posargs)


@nox.session(venv_backend="none")
def oldest(session: nox.Session) -> None:
    """The contracts on the lowest release of every dependency that pyproject.toml allows."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lowest = [re.sub(r">=([\d.]+).*", r"==\1", each) for each in project["dependencies"]]
    programs = programs_of(session, "oldest")
    pip(session, programs, *lowest, "-e", ".[dev]")
    run(session, programs, "pytest", *CONTRACTS, *session.posargs)
