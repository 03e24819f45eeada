"""Reads the archives of nemo_reference.py without NeMo and compares what is heard: features, log-probabilities, texts.

.venv-peers/bin/python bench/peers/nemo_reference.py OUT
.venv/bin/python bench/peers/compare_nemo.py OUT
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

from vizinho.model.checkpoint import load_donor
from vizinho.model.networks import Donor, is_transducer
from vizinho.recognition.engines import TorchEngine
from vizinho.recognition.recognizer import Recognizer

TOKENS = [3, 5, 3, 9]
"""As in nemo_reference.py, which cannot be imported without NeMo."""
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
        donor, by_nemo = load_donor(archive), np.load(archive.with_suffix(".npz"))
        by_vizinho = heard(donor, waveforms)
        gaps = {"features": 0.0, "log_probs": 0.0, "batched": 0.0}
        for name, values in by_vizinho.items():
            expected = by_nemo[name]
            if name.startswith("text"):
                if " ".join(str(expected).split()) != str(values):
                    print(f"{archive.name}: {name} is {values!s:.60}, NeMo's {expected!s:.60}")
                    return 1
                continue
            if values.shape != expected.shape:
                print(f"{archive.name}: {name} is {values.shape}, NeMo's {expected.shape}")
                return 1
            kind = name.rstrip("0123456789")
            gaps[kind] = max(gaps[kind], float(np.abs(values - expected).max()))
        print(
            f"{archive.stem:<14} {len(donor.inventory.tokens):>6} "
            f"{gaps['features']:>10.1e} {gaps['log_probs']:>10.1e} {gaps['batched']:>10.1e}"
        )
        worst = max(worst, gaps["log_probs"], gaps["batched"])
    print(f"{'equal' if worst < TOLERANCE else 'NOT EQUAL'} within {TOLERANCE:g}; transducers write NeMo's texts")
    return 0 if worst < TOLERANCE else 1


def heard(donor: Donor, waveforms: list[np.ndarray]) -> dict[str, np.ndarray]:
    """What vizinho makes of waveforms, by the names that nemo_reference.py writes."""
    values: dict[str, np.ndarray] = {}
    batched = outputs(donor, waveforms)
    for number, samples in enumerate(waveforms):
        inputs = donor.recogniser.front.extract([samples])
        values[f"features{number}"] = inputs.features[0][inputs.mask[0]].numpy()
        values[f"log_probs{number}"] = outputs(donor, [samples])[0]
        values[f"batched{number}"] = batched[number]
        if is_transducer(donor.model):
            values[f"text{number}"] = np.array(Recognizer.of(donor.recogniser).transcribe(samples).text)
    return values


def outputs(donor: Donor, waveforms: list[np.ndarray]) -> list[np.ndarray]:
    """Log-probabilities (T', V) of each waveform; of transducers logits (T', U + 1, V + D) for TOKENS."""
    if not is_transducer(donor.model):
        return TorchEngine(donor.recogniser).log_probs(waveforms)
    front, tokens = donor.recogniser.front, torch.tensor([[donor.recogniser.blank, *TOKENS]] * len(waveforms))
    inputs = front.extract(waveforms)
    with torch.inference_mode():
        audio = donor.model.get_audio_features(inputs.features, inputs.mask)
        logits = donor.model(encoder_outputs=audio, decoder_input_ids=tokens).logits.numpy()
    counts = [front.output_frames(int(steps)) for steps in inputs.mask.sum(dim=1)]
    return [of_one[:count] for of_one, count in zip(logits, counts, strict=True)]


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
