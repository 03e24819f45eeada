"""What is installed is pinned, hashed and licensed as the documents say; the version stands in one place."""

import importlib.metadata
import importlib.util
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import vizinho

ROOT = Path(__file__).parents[2]
LOCKS = [ROOT / "requirements.lock", *sorted((ROOT / "deploy" / "locks").glob("*.lock"))]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
BLOCK = re.compile(r"([A-Za-z0-9._-]+)==(\S+)(?: ; [^\\\n]+)?((?: \\\n    --hash=sha256:[0-9a-f]{64})+)\n")


def packages(lock: Path) -> dict[str, Version]:
    """Versions by name; fails where a line is not a pinned package with its hashes."""
    text = re.sub(r"^#.*\n", "", lock.read_text(), flags=re.MULTILINE)
    assert BLOCK.sub("", text) == "", f"{lock.name} has lines that pin nothing by hash"
    return {canonicalize_name(name): Version(version) for name, version, _ in BLOCK.findall(text)}


def licences():
    spec = importlib.util.spec_from_file_location("licences", ROOT / "deploy" / "licences.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_line_of_a_lock_is_a_version_with_hashes(lock):
    assert packages(lock)


def test_the_processor_build_of_torch_is_of_the_locks_version():
    [(name, version)] = packages(ROOT / "deploy" / "locks" / "torch-cpu.lock").items()
    assert packages(ROOT / "requirements.lock")[name] == Version(version.public)


def test_the_lock_has_a_version_for_everything_that_is_asked_for():
    held = packages(ROOT / "requirements.lock")
    extras = {"": PROJECT["project"]["dependencies"], **PROJECT["project"]["optional-dependencies"]}
    own = {extra: packages(ROOT / "deploy" / "locks" / f"{extra}.lock") for extra in ("ray", "speakers")}
    for extra, names in extras.items():
        for wanted in (r for r in map(Requirement, names) if r.name != "vizinho"):  # "all" names other extras
            assert own.get(extra, held)[canonicalize_name(wanted.name)] in wanted.specifier, wanted
    assert not held.keys() & {name for lock in own.values() for name in lock}
    held = packages(ROOT / "deploy" / "locks" / "build.lock")
    for text in (*PROJECT["build-system"]["requires"], "setuptools", "wheel", "editables"):
        assert canonicalize_name(Requirement(text).name) in held


def test_what_is_installed_is_what_the_locks_pin():
    here = {canonicalize_name(d.name): Version(Version(d.version).public) for d in importlib.metadata.distributions()}
    pinned = packages(ROOT / "requirements.lock")
    assert {n: str(here[n]) for n in pinned if n in here} == {n: str(v) for n, v in pinned.items() if n in here}
    needed = {name for names in licences().groups().values() for name in names}
    assert needed <= pinned.keys()
    assert needed <= here.keys()


@pytest.mark.parametrize("file", ["Makefile", "deploy/Dockerfile"])
def test_nothing_is_installed_unchecked(file):
    """Every installation by pip is by hash, or of torch from an index that the user names, or of what lies here."""
    text = re.sub(r"^#.*", "", (ROOT / file).read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    lines = re.findall(r"(?:\$\(PIP\)|pip install)[^\n&]*", text.replace("$(BIN)/python -m pip install", "pip install"))
    lines = [
        line for line in lines if line != "pip install --quiet --disable-pip-version-check --no-deps"
    ]  # PIP itself
    assert len(lines) >= 4
    for line in lines:
        local = re.search(r"--no-index|--editable \.| /src$", line)
        assert "--require-hashes" in line or "--index-url" in line or local, line
        assert "--no-deps" in line or line.startswith("$(PIP)"), line


def test_the_gpl_is_in_extras_alone_and_the_page_of_licences_is_current():
    found = licences()
    groups = found.groups()
    assert not [name for name in groups[""] if found.is_gpl(found.licence(name)) or not found.licence(name)]
    assert {"", *PROJECT["project"]["optional-dependencies"]} - {"all", "ray", "speakers"} == groups.keys()
    assert not [name for names in groups.values() for name in names if not found.licence(name)]
    assert found.is_gpl(found.licence("espeakng-loader"))
    assert [found.is_gpl(t) for t in ("LGPL-2.1-only", "MIT OR GPL-3.0", "GNU General Public License v3")] == [
        False,
        False,
        True,
    ]
    assert found.page() == (ROOT / "docs" / "licences.md").read_text(encoding="utf-8"), "run `make docs`"


def test_the_version_is_semantic_stands_once_and_agrees_with_the_changelog():
    semantic = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?")
    assert semantic.fullmatch(vizinho.__version__)
    assert PROJECT["project"]["dynamic"] == ["version"]
    headings = re.findall(r"^## \[(.+?)\](.*)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    released = [name for name, _ in headings if name != "Unreleased"]
    assert all(semantic.fullmatch(name) for name in released)
    assert all(re.fullmatch(r" - \d{4}-\d\d-\d\d", day) for name, day in headings if name != "Unreleased")
    assert released == sorted(released, key=Version, reverse=True)
    newest = Version(released[0]) if released else None
    current = Version(vizinho.__version__)
    assert current == newest or (headings[0][0] == "Unreleased" and (newest is None or newest < current))
