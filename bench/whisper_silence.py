"""What pooled silence costs and saves: Whisper on short recordings, in whole windows of 30 s and with silence pooled.

Both sides run in one go on the same dev recordings, batch by batch in turns, with the weights as they are; greedy, in
torch. Seconds are of network and decoding together; CER is on the normalised texts.

    .venv/bin/python bench/whisper_silence.py WHISPER MANIFEST --lang pt [--precision bf16] [--threads 1]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from surroundings import describe

from vizinho.audio.io import SAMPLE_RATE, load_audio
from vizinho.corpora.manifest import read_manifest
from vizinho.evaluation.score import error_rates
from vizinho.model.checkpoint import load_donor
from vizinho.model.whisper import most_tokens, prompt_of, write
from vizinho.text.normalize import get_normalizer

BATCH = 16


def main() -> None:
    """Print CER, seconds and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("whisper", type=Path)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--lang", required=True)
    parser.add_argument("--precision", choices=("bf16", "no"), default="bf16")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    print(describe())
    torch.set_num_threads(args.threads)
    checkpoint = load_donor(args.whisper).recogniser
    model, normalize = checkpoint.model, get_normalizer(args.lang)
    dev = sorted((u for u in read_manifest(args.manifest) if u.split == "dev"), key=lambda u: u.duration_seconds)
    texts: dict[str, dict[str, str]] = {"whole": {}, "pooled": {}}
    seconds = dict.fromkeys(texts, 0.0)
    for first in range(0, len(dev), BATCH):
        batch = dev[first : first + BATCH]
        waveforms = [load_audio(u.audio) for u in batch]
        most = [most_tokens(model, w.size / SAMPLE_RATE) for w in waveforms]
        whole = checkpoint.extractor(waveforms, sampling_rate=SAMPLE_RATE, return_tensors="pt")["input_features"]
        windows = {"whole": whole.transpose(1, 2), "pooled": checkpoint.front.extract(waveforms).features}
        for way, features in windows.items():
            begun = time.perf_counter()
            with torch.autocast("cpu", torch.bfloat16, enabled=args.precision == "bf16"):
                written = write(model, features, prompt_of(model, args.lang), most)
            seconds[way] += time.perf_counter() - begun
            decoded = (normalize(checkpoint.tokenizer.decode(w.rows)) for w in written)
            texts[way] |= zip((u.id for u in batch), decoded, strict=True)
    references = {u.id: normalize(u.text) for u in dev}
    for way, hypotheses in texts.items():
        cer, wer = error_rates(references, hypotheses)
        print(f"{way:7} CER {cer:.3f}  WER {wer:.3f}  {seconds[way]:6.1f} s")
    equal = sum(texts["whole"][id_] == texts["pooled"][id_] for id_ in references)
    print(f"equal texts: {equal} of {len(dev)}; whole takes {seconds['whole'] / seconds['pooled']:.1f} times as long")


if __name__ == "__main__":
    main()
