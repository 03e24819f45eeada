"""Writes the transfers that the package carries: results of the atlas's experiments, and how near the languages are.

python examples/atlas/matrix.py --runs runs/atlas --out src/vizinho/languages/transfers.json

Words are those that everybody has (lists, samples); recordings are the real ones that donors and targets learnt from.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from vizinho.languages.compare import compare
from vizinho.languages.measured import Measured, read_measured, write_atlas
from vizinho.languages.sources import Inputs


def with_nearness(transfers: list[Measured], speech: dict[str, Path], cache: Path) -> list[Measured]:
    """Transfers to one target with the nearness of its donors by every measure."""
    target, donors = transfers[0].target, [m.donor for m in transfers]
    comparison = compare(target, donors, Inputs(speech=speech), cache=cache)
    nearness = {
        donor: {f"{r.level}/{m.name}": m.nearness for r in results for m in r.measures}
        for donor, results in comparison.results.items()
    }
    return [replace(m, nearness=nearness[m.donor]) for m in transfers]


def main(runs: Path, out: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        # A target that is a donor too is known by the donor's recordings.
        speech = {}
        for kind in ("target", "donor"):
            for manifest in sorted(runs.glob(f"{kind}.*.jsonl")):
                code = manifest.name.split(".")[1]
                speech[code] = Path(shutil.copy(manifest, Path(folder) / f"{code}.jsonl"))  # its paths are absolute
        transfers = []
        for results in sorted(runs.glob("*/results.json")):
            transfers += with_nearness(read_measured(results), speech, runs / "compare")
            print(results, len(transfers))
    write_atlas(sorted(transfers, key=lambda m: (m.target, m.donor)), out)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, required=True, help="folder of the atlas's corpora and experiments")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    main(options.runs, options.out)
