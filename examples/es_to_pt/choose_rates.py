"""Chooses the learning rates of the case study on dev, for the transfers and for scratch alike; test is not touched.

.venv/bin/python examples/es_to_pt/choose_rates.py scratch 5e-4 1e-3 2e-3
.venv/bin/python examples/es_to_pt/choose_rates.py es 5e-4 1e-3 2e-3

--steps gives another budget than the spec's: what scratch would reach with four times the steps.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

from vizinho.experiment.spec import read_spec
from vizinho.jobs import Job, make_ready, run, sound_similarity

FOLDER = Path("runs/es_to_pt/experiment")


def main(start: str, rates: list[float], steps: int | None) -> None:
    spec = read_spec(Path("examples/es_to_pt/experiment.toml"))
    donor = next((d for d in spec.donors if d.name == start), None)
    base = spec.scratch if donor is None else spec.training
    base = replace(base, steps=steps or base.steps)
    for rate in rates:
        job = Job(
            spec.target,
            spec.corpora,
            FOLDER / "donors" / start if donor else None,
            donor.language if donor else None,
            preset=spec.preset,
            options=replace(base, learning_rate=rate, seed=11),
        )
        with tempfile.TemporaryDirectory() as folder:
            result = run(make_ready(job, sound_similarity), Path(folder)).result
        found = f"dev CER {result.chosen_dev_cer:.3f} ({result.chosen})"
        print(f"{start} at {rate:g}, {base.steps} steps: {found}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("start", help="es, en or scratch")
    parser.add_argument("rates", nargs="+", type=float)
    parser.add_argument("--steps", type=int)
    arguments = parser.parse_args()
    main(arguments.start, arguments.rates, arguments.steps)
