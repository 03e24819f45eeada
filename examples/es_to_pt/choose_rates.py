"""Chooses learning rates, or between recipes, on dev, for every kind of start and recipe alike; test is not touched.

.venv/bin/python examples/es_to_pt/choose_rates.py scratch 5e-4 1e-3 2e-3
.venv/bin/python examples/es_to_pt/choose_rates.py es 5e-4 1e-3 2e-3
.venv/bin/python examples/es_to_pt/choose_rates.py es 5e-4 1e-3 --spec examples/es_to_pt/baselines.toml \\
    --recipe nemo kaldi

Donors are those that the spec's experiment trained (--folder), or of the store. --steps gives another budget than the
spec's: what scratch would reach with four times the steps.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from itertools import product
from pathlib import Path

from vizinho.experiment.guard import without_test_texts
from vizinho.experiment.read_spec import read_spec
from vizinho.experiment.starts import Arm, Workspace, job_of, start_of
from vizinho.job.fit import fit_job
from vizinho.job.start import make_ready, sound_similarity

SEED = 11
"""Not one of the seeds of the arms, as any given with --seeds should not be."""


def main(options: argparse.Namespace) -> None:
    spec = read_spec(options.spec)
    with tempfile.TemporaryDirectory() as scratch:
        # As the experiment does it: texts of test are no part of any training.
        spec = without_test_texts(spec, Path(scratch)) if spec.drop_test_texts else spec
        for name in options.recipe or spec.recipes_for(options.start)[:1]:
            for rate, seed in product(options.rates, options.seeds):
                arm = Arm(options.start, options.minutes, seed, name)
                job = job_of(spec, arm, start_of(spec, arm, Workspace(options.folder)))
                steps = options.steps or job.options.steps
                job = replace(job, options=replace(job.options, learning_rate=rate, steps=steps))
                with tempfile.TemporaryDirectory() as folder_of_run:
                    result = fit_job(make_ready(job, sound_similarity), Path(folder_of_run)).result
                found = f"dev CER {result.dev_score:.3f} ({result.chosen})"
                print(f"{options.start}, {name}, at {rate:g}, {steps} steps, seed {seed}: {found}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("start", help="es, en or scratch")
    parser.add_argument("rates", nargs="+", type=float)
    parser.add_argument("--spec", type=Path, default=Path("examples/es_to_pt/experiment.toml"))
    parser.add_argument("--folder", type=Path, default=Path("runs/es_to_pt/experiment"), help="where its donors are")
    parser.add_argument("--recipe", nargs="+", help="recipes of the spec; its first if left out")
    parser.add_argument("--seeds", nargs="+", type=int, default=[SEED])
    parser.add_argument("--minutes", type=float, help="of target speech; all if left out")
    parser.add_argument("--steps", type=int)
    main(parser.parse_args())
