"""The arms of the case study with some of the start's weights mixed in, as `vizinho transfer` does it by default.

python examples/people/mixed.py SPEC --experiment runs/people/experiment --out runs/people/mixed

Nothing is trained: the start of each finished arm is made again, shares of it are tried on dev (start_shares), and the
chosen mixture is tested once. Arms from scratch, whose start is random, are taken over as they are. Goes on where it
stopped.
"""

from __future__ import annotations

import argparse
import shutil
from dataclasses import replace
from pathlib import Path

from vizinho.experiment.guard import utterances_of_test, without_test_texts
from vizinho.experiment.read_spec import read_spec
from vizinho.experiment.results import ArmResult, read_value, write_value
from vizinho.experiment.spec import SCRATCH, UNTRAINED, ExperimentSpec, store_name
from vizinho.experiment.starts import Arm, Workspace, arms_of, job_of, start_of
from vizinho.experiment.test_arm import home_of, retention, scored
from vizinho.job.start import dev_set, make_ready, sound_similarity
from vizinho.model.checkpoint import load_checkpoint, save_checkpoint, weights
from vizinho.plan.apply import plant
from vizinho.recognition.recognizer import Recognizer
from vizinho.training.mixing import mix_with_start
from vizinho.training.selection import FitResult
from vizinho.training.speech_task import dev_rates

SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)


def mixed(spec: ExperimentSpec, arm: Arm, space: Workspace, trained: ArmResult, models: Path) -> ArmResult:
    """A finished arm with the share of its start that dev chooses, tested as it is served."""
    start = start_of(spec, arm, space)
    ready = make_ready(job_of(spec, arm, start), sound_similarity)
    model = ready.checkpoint.model
    plant(model, weights(load_checkpoint(space.store.resolve(store_name(arm.name))).model))
    dev = dev_set(ready.dataset.dev, ready.dataset.normalizer)
    before = FitResult((), 0, 0.0, trained.chosen, dev_rates(ready.checkpoint, dev)[0], best_step=0, skipped_batches=0)
    result = mix_with_start(model, ready.start, SHARES, before, lambda: dev_rates(ready.checkpoint, dev)[0], print)
    folder = models / store_name(arm.name)
    shutil.rmtree(folder, ignore_errors=True)
    save_checkpoint(folder, ready.checkpoint)
    recognizer = Recognizer.load(folder)
    return replace(
        trained,
        chosen=result.chosen,
        dev_cer=result.dev_score,
        test=scored(recognizer, utterances_of_test(spec), spec.normalizer(spec.target)),
        retention=retention(spec, recognizer, home_of(spec, arm.start), start),
        interpolation=None,
    )


def main(options: argparse.Namespace) -> None:
    spec = without_test_texts(read_spec(options.spec), options.experiment)
    space = Workspace(options.experiment)
    (options.out / "arms").mkdir(parents=True, exist_ok=True)
    for arm in arms_of(spec):
        source = space.result(arm)
        place = options.out / "arms" / source.name
        if place.is_file() or not source.is_file():
            continue
        result = read_value(ArmResult, source)
        if arm.start != SCRATCH and arm.recipe != UNTRAINED:
            print(arm.name)
            result = mixed(spec, arm, space, result, options.out / "models")
            print(f"{arm.name}: {result.chosen}, dev CER {result.dev_cer:.3f}", flush=True)
        write_value(place, result, exclude={"matched"})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spec", type=Path)
    parser.add_argument("--experiment", type=Path, required=True, help="folder of the finished experiment")
    parser.add_argument("--out", type=Path, required=True)
    main(parser.parse_args())
