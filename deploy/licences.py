"""What licences the packages have that vizinho stands on: `python deploy/licences.py` prints docs/licences.md.

Read from the installed packages' own metadata. A package that only an extra needs is listed under that extra.
"""

from __future__ import annotations

import importlib.metadata as metadata
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).parent.parent / "pyproject.toml"
EXTRAS = (
    "serve",
    "compare",
    "text",
    "lhotse",
    "tensorboard",
    "media",
    "streams",
    "field",
    "whisper",
    "wyoming",
    "speak",
    "voices",
    "dev",
)
OTHERWISE = {
    "locate": "MIT (its LICENSE file; its metadata say proprietary)",
    "espeakng-loader": "GPL-3.0-or-later (it carries eSpeak NG; its metadata say nothing)",
    "babel": "BSD-3-Clause; its data, of the CLDR, are under Unicode-3.0",
    "gflanguages": "Apache-2.0 (its LICENSE.txt; its metadata say nothing)",
    "gfmetadata": "Apache-2.0 (its LICENSE; its metadata say nothing)",
    "pympi-ling": "MIT (its LICENSE; its metadata say nothing)",
    "av": "BSD-3-Clause; its wheel carries FFmpeg with x264 and x265, which are GPL-2.0-or-later",
}
"""Where the metadata say too little or what is not so."""
HEAD = """# Licences

Made by `make docs` from the metadata of what is installed. vizinho itself is Apache-2.0. `pip install vizinho` brings
the packages of the first table; the others come with the extra that their table is named after. What the extras
`ray` and `speakers` add (locks of their own) is not installed by `make install` and not listed; of `speakers` the
weights of Resemblyzer are used (Apache-2.0).
"""


def needed(name: str, extras: tuple[str, ...] = ()) -> set[str]:
    """Names of all packages that `name` with these extras needs here, itself not among them."""
    found: set[str] = set()
    waiting = [(name, extras)]
    seen = set(waiting)
    while waiting:
        for requirement in _requirements(*waiting.pop()):
            found.add(canonicalize_name(requirement.name))
            step = (canonicalize_name(requirement.name), tuple(sorted(requirement.extras)))
            if step not in seen:
                seen.add(step)
                waiting.append(step)
    return found


def _requirements(name: str, extras: tuple[str, ...]) -> Iterator[Requirement]:
    if name == "vizinho":  # from the file: what is installed may be of before its last change
        project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
        optional = project["optional-dependencies"]
        yield from map(Requirement, [*project["dependencies"], *(r for e in extras for r in optional.get(e, ()))])
        return
    for text in metadata.requires(name) or ():
        requirement = Requirement(text)
        if requirement.marker is None or any(requirement.marker.evaluate({"extra": e}) for e in ("", *extras)):
            yield requirement


def licence(name: str) -> str:
    """Licence of an installed package: its SPDX expression, else its classifiers, else the line it gives itself."""
    found = metadata.metadata(name)
    said = found.get("License-Expression")
    classes = [c.rpartition(" :: ")[2] for c in found.get_all("Classifier") or () if c.startswith("License ::")]
    line = (found.get("License") or "").strip().splitlines()[:1]
    return OTHERWISE.get(name) or said or ", ".join(c for c in classes if c != "OSI Approved") or "".join(line)


def is_gpl(text: str) -> bool:
    """Whether a licence is the GPL (or AGPL) and no choice beside it; the LGPL is not."""
    return all(re.search(r"\bA?GPL|GNU (Affero )?General Public", part) for part in text.split(" OR "))


def groups() -> dict[str, list[str]]:
    """Names by the extra that first needs them; "" is what everybody gets."""
    found, known = {}, {"vizinho"}
    for extra in ("", *EXTRAS):
        names = needed("vizinho", (extra,)) - known
        known |= names
        found[extra] = sorted(names)
    return found


def page() -> str:
    parts = [HEAD]
    for extra, names in groups().items():
        parts.append(
            f"## {f'Extra `{extra}`' if extra else 'Everybody'}\n\n| package | version | licence |\n|---|---|---|"
        )
        parts += [f"| {n} | {metadata.version(n).partition('+')[0]} | {licence(n) or '**not said**'} |" for n in names]
        parts.append("")
    return "\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(page())
