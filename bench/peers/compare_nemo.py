"""Reads the archives of nemo_reference.py without NeMo and compares what is heard: features and log-probabilities.

.venv-peers/bin/python bench/peers/nemo_reference.py OUT
.venv/bin/python bench/peers/compare_nemo.py OUT
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

from vizinho.model.checkpoint import load_donor
from vizinho.recognition.engines import TorchEngine

TOLERANCE = 1e-4
"""Largest difference of two log-probabilities that counts as equal: float32 rounding in another order of summation."""


def main(folder: Path) -> int:
    torch.set_num_threads(1)
    waveforms = list(np.load(folder / "waveforms.npz").values())
    worst = 0.0
    print(
        f"{'model':<14} {'tokens':>6} {'features':>10} {'log-probs':>10} {'batched':>10}  largest difference from NeMo"
    )
    for archive in sorted(folder.glob("*.nemo")):
        donor, theirs = load_donor(archive), np.load(archive.with_suffix(".npz"))
        recogniser = TorchEngine(donor.recogniser)
        batched = recogniser.log_probs(waveforms)
        gaps = {"features": 0.0, "log_probs": 0.0, "batched": 0.0}
        for number, samples in enumerate(waveforms):
            made = donor.recogniser.front.extract([samples])
            ours = {
                "features": made.features[0][made.mask[0]].numpy(),
                "log_probs": recogniser.log_probs([samples])[0],
                "batched": batched[number],
            }
            for name, values in ours.items():
                expected = theirs[f"{name}{number}"]
                if values.shape != expected.shape:
                    print(f"{archive.name}: {name} of waveform {number} is {values.shape}, NeMo's {expected.shape}")
                    return 1
                gaps[name] = max(gaps[name], float(np.abs(values - expected).max()))
        print(
            f"{archive.stem:<14} {len(donor.inventory.tokens):>6} "
            f"{gaps['features']:>10.1e} {gaps['log_probs']:>10.1e} {gaps['batched']:>10.1e}"
        )
        worst = max(worst, gaps["log_probs"], gaps["batched"])
    print(f"{'equal' if worst < TOLERANCE else 'NOT EQUAL'} within {TOLERANCE:g}")
    return 0 if worst < TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
