"""Writes the lock files: every package pinned, with the hashes of all its files, for every platform and Python.

`make lock` runs it in .venv-tools (uv). Versions that the files pin already stay; UPGRADE=1 takes the newest allowed.

    requirements.lock            everything, the extras included, without what follows
    deploy/locks/ray.lock        what the extra "ray" needs besides
    deploy/locks/speakers.lock   what the extra "speakers" needs besides
    deploy/locks/cuda.lock       what torch's CUDA build needs besides; its processor build needs none of it
    deploy/locks/torch-cpu.lock  that build, as far as it could be had to hash; by hand, when torch's version changes
    deploy/locks/build.lock      what builds our wheel and the packages that come as source only
    deploy/locks/fuzz.lock       atheris, for `make fuzz`
    deploy/locks/tools.lock      uv, pip-audit, cyclonedx-bom: for `make lock`, `make audit`, `make sbom`
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
MAIN = ROOT / "requirements.lock"
LOCKS = ROOT / "deploy" / "locks"
APART = ("ray", "speakers")
"""Extras with a lock of their own."""
BACKPORT = "typing=="
"""Named by Resemblyzer; part of Python since 3.5, and its newest version refuses to be installed there."""
CUDA = re.compile(r"(nvidia|cuda)-|triton\b")
BUILD = ("hatchling>=1.27", "editables>=0.5", "setuptools>=78", "wheel>=0.45")
FUZZ = ("atheris==3.0.0",)  # the newest that has Python 3.11
TOOLS = ("uv>=0.9", "pip-audit>=2.9", "cyclonedx-bom>=7")


def compiled(requirements: list[str], *held: Path) -> list[str]:
    """One block of lines per package ("name==version \\", then its hashes), by name."""
    with tempfile.TemporaryDirectory() as place:
        pins = Path(place) / "pins.txt"
        upgrade = os.environ.get("UPGRADE") == "1"
        pins.write_text("" if upgrade else "".join(_pins(path) for path in held))
        # "fewest": one version of a package for all Pythons, though a newer one may have left the oldest of them.
        command = [
            Path(sys.executable).with_name("uv"), "pip", "compile", *requirements, "--universal", "--generate-hashes",
            "--python-version", "3.11", "--no-annotate", "--no-header", "--no-emit-index-url", "--quiet",
            "--fork-strategy", "fewest", "--constraint", pins,
        ]  # fmt: skip
        done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True)
    if done.returncode:
        sys.exit(f"uv could not resolve:\n{done.stderr}")
    blocks = re.findall(r"^\S.*(?:\n +--hash.*)*", done.stdout, re.MULTILINE)
    return sorted(blocks, key=str.lower)


def _pins(path: Path) -> str:
    lines = path.read_text().splitlines() if path.exists() else []
    return "".join(line.split(" ")[0] + "\n" for line in lines if re.match(r"[\w.-]+==", line))


def without(extras: set[str], blocks: list[str]) -> list[str]:
    """The blocks that the project needs without some of its extras."""
    names = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"].keys() - extras
    with tempfile.TemporaryDirectory() as place:
        held = Path(place) / "all.lock"
        held.write_text("\n".join(blocks))
        return compiled(["pyproject.toml", *(word for name in sorted(names) for word in ("--extra", name))], held)


def written(path: Path, blocks: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("# Made by `make lock`.\n" + "".join(f"{block}\n" for block in blocks))
    print(f"{path.relative_to(ROOT)}: {len(blocks)} packages")


def listed(requirements: tuple[str, ...], path: Path) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(requirements))
        file.flush()
        written(path, compiled([file.name], path))


def main() -> None:
    own = {extra: LOCKS / f"{extra}.lock" for extra in APART}
    everything = compiled(["pyproject.toml", "--all-extras"], MAIN, LOCKS / "cuda.lock", *own.values())
    usual = without(set(APART), everything)
    written(MAIN, [block for block in usual if not CUDA.match(block)])
    written(LOCKS / "cuda.lock", [block for block in usual if CUDA.match(block)])
    for extra, path in own.items():
        others = without({extra}, everything)
        written(path, [block for block in everything if block not in others and not block.startswith(BACKPORT)])
    listed(BUILD, LOCKS / "build.lock")
    listed(TOOLS, LOCKS / "tools.lock")
    listed(FUZZ, LOCKS / "fuzz.lock")


if __name__ == "__main__":
    main()
