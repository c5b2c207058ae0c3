"""What users install is the wheel: it is built, installed beside nothing of the source tree, and used."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PACKAGES = ("peergos_collab", "transports", "tui")
PART_OF_THE_SUITE = ("support/sources.py", "unit/test_imports.py", "unit/codec/test_codec_words.py")

pytestmark = pytest.mark.xdist_group("wheel")


def _run(*command: str | Path, cwd: Path) -> str:
    """Runs to the end with no path of the source tree in sight; returns stdout."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST", "LATE"))
    }
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this tree with the backend that is installed here."""
    target = tmp_path_factory.mktemp("wheel")
    _run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", target, ROOT, cwd=target)
    [built] = target.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin directory of a fresh environment that has the wheel.

    Dependencies are those of the environment that runs the tests, reached by a path line. A path
    file does not follow further path files, so an editable install of this tree stays out.
    """
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    _run(
        *(sys.executable, "-m", "pip", "--python", python),
        *("install", "--quiet", "--no-index", "--no-deps", "--disable-pip-version-check", wheel),
        cwd=home,
    )
    [packages] = home.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", "utf-8")
    return home / "bin"


def test_the_wheel_holds_every_file_of_the_three_packages_and_nothing_else(wheel: Path) -> None:
    """Style sheets and type markers are in; tests, benchmarks and documents are not."""
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if ".dist-info/" not in name}
    source = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }

    assert inside == source


def test_the_wheel_carries_the_licence(wheel: Path) -> None:
    """Apache-2.0 asks for licence and notice in every copy."""
    with zipfile.ZipFile(wheel) as archive:
        names = {name.rpartition("/")[2] for name in archive.namelist()}

    assert {"LICENSE", "NOTICE"} <= names


def test_the_installed_package_is_not_the_source_tree(installed: Path, tmp_path: Path) -> None:
    """Guards the other tests here: what they run lies in the fresh environment."""
    code = f"import {', '.join(PACKAGES)}\nfor m in ({', '.join(PACKAGES)}): print(m.__file__)"
    found = _run(installed / "python", "-c", code, cwd=tmp_path).split()

    assert [path for path in found if not Path(path).is_relative_to(installed.parent)] == []


@pytest.mark.parametrize("command", ["pgc", "peergos-collab"])
def test_the_command_says_its_version(installed: Path, tmp_path: Path, wheel: Path, command: str) -> None:
    """Both names of the command are installed and report the version of the wheel."""
    said = _run(installed / command, "--version", cwd=tmp_path)

    assert wheel.name.split("-")[1] in said


def test_the_command_explains_itself(installed: Path, tmp_path: Path) -> None:
    """``pgc --help`` works from the wheel and lists its commands."""
    said = _run(installed / "pgc", "--help", cwd=tmp_path)

    assert {"init", "doc", "chat", "share", "join"} <= set(re.findall(r"\w+", said))


def test_every_entry_point_loads(installed: Path, tmp_path: Path) -> None:
    """Transports and faces are found by name, and what the names stand for exists."""
    code = (
        "from importlib.metadata import entry_points\n"
        "for group in ('peergos_collab.transports', 'peergos_collab.faces'):\n"
        "    for entry in entry_points(group=group): entry.load(); print(entry.name)"
    )
    found = _run(installed / "python", "-c", code, cwd=tmp_path).split()

    assert sorted(found) == ["lan", "tui", "webrtc", "websocket"]


def test_a_part_of_the_suite_passes_against_the_wheel(installed: Path, tmp_path: Path) -> None:
    """The tests run away from the source tree, so that only the installed packages can be imported."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for part in ("conftest.py", *PART_OF_THE_SUITE):
        target = tmp_path / "tests" / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / "tests" / part).is_dir():
            shutil.copytree(ROOT / "tests" / part, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / "tests" / part, target)
    said = _run(installed / "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests", cwd=tmp_path)

    assert re.search(r"\d+ passed", said)


def _closure(name: str, extras: set[str], seen: set[tuple[str, str]]) -> set[str]:
    """Everything an install of ``name`` brings on this platform, by canonical name."""
    names = set[str]()
    for line in requires(name) or ():
        wanted = Requirement(line)
        if wanted.marker and not any(wanted.marker.evaluate({"extra": extra}) for extra in extras):
            continue
        key = (canonicalize_name(wanted.name), ",".join(sorted(wanted.extras)))
        names.add(key[0])
        if key not in seen:
            seen.add(key)
            names |= _closure(wanted.name, {"", *wanted.extras}, seen)
    return names


def test_everything_that_is_installed_is_pinned() -> None:
    """constraints.txt pins the whole closure exactly, and names no index, address or path."""
    try:
        needed = _closure("peergos-collab", {"", "test"}, set())
    except PackageNotFoundError as missing:
        pytest.skip(f"not installed in this environment: {missing}")
    lines = [
        line
        for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    pins = {
        canonicalize_name(Requirement(line).name) for line in lines if re.fullmatch(r"[\w.-]+==[\w.]+", line)
    }

    assert len(pins) == len(lines)
    assert needed - pins == set()
