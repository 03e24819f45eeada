"""What streaming costs: error rates of one model on whole utterances and in chunks, and the time a chunk takes.

    .venv/bin/python bench/streaming.py es.clean.jsonl --lang es --models es-stream es-whole

Utterances are those that `vizinho transfer` holds out of a corpus without a dev split, or its dev split: these are dev
figures. "whole" is the ordinary forward pass; "N frames" computes chunk by chunk, with features normalised by what was
heard so far, as `vizinho serve` does for live audio.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import torch
from surroundings import describe

from vizinho.audio.io import SAMPLE_RATE, Waveform, load_audio
from vizinho.audio.logmel import LogMel
from vizinho.decoding.greedy import LogProbs
from vizinho.evaluation.score import score
from vizinho.job.data import read_dataset
from vizinho.model.fast import Chunks
from vizinho.recognition.engines import TorchEngine
from vizinho.recognition.live import Live, TorchChunks
from vizinho.recognition.recognizer import Recognizer
from vizinho.store.store import Store

LEFT = 4
BLOCK = SAMPLE_RATE // 10
"""Samples that come at a time, as from a microphone."""


def streamed(engine: TorchEngine, samples: Waveform, chunks: Chunks) -> tuple[LogProbs, list[float]]:
    """Log-probabilities (T, V), and the seconds of computing that each block took that completed a chunk."""
    features = LogMel.of(engine.checkpoint.extractor.to_dict())
    size, model = chunks.frames * engine.checkpoint.subsampling, engine.checkpoint.model
    live = Live(TorchChunks(model, chunks), features, size, int(model.config.vocab_size))
    seconds, known = [], 0
    for start in range(0, samples.size, BLOCK):
        began = time.perf_counter()
        found = live.feed(samples[start : start + BLOCK])
        if len(found) > known:
            seconds.append(time.perf_counter() - began)
            known = len(found)
    return live.finish(), seconds


def main(corpus: Path, language: str, models: list[str], sizes: list[int], seed: int) -> None:
    print(describe())
    torch.set_num_threads(1)
    data = read_dataset((corpus,), language, None, seed)
    references = {u.id: data.normalizer(u.text) for u in data.dev}
    chosen = [u for u in data.dev if references[u.id]]
    waveforms = {u.id: load_audio(u.audio) for u in chosen}
    print(
        f"{len(chosen)} utterances held out, {sum(w.size for w in waveforms.values()) / SAMPLE_RATE / 60:.1f} minutes"
    )
    print("| model | computed | CER | WER | a chunk takes | wait for the last word |\n|---|---|---|---|---|---|")
    for name in models:
        engine = TorchEngine.load(Store().resolve(name))
        recognizer = Recognizer(engine)
        for size in (0, *sizes):
            took: list[float] = []
            texts = {}
            for id_, samples in waveforms.items():
                if size:
                    frames, seconds = streamed(engine, samples, Chunks(size, LEFT))
                    took += seconds
                else:
                    frames = engine.log_probs([samples])[0]
                texts[id_] = data.normalizer(" ".join(w.text for w in recognizer.words_of(frames, 0.0)))
            found = score(
                {i: references[i] for i in texts}, texts, normalizer=data.normalizer.name, data_fingerprint=""
            )
            way = f"{size} frames, {size * engine.frame_seconds:.2f} s" if size else "whole"
            each = f"{1000 * statistics.median(took):.0f} ms" if took else "-"
            wait = f"{size * engine.frame_seconds + (statistics.median(took) if took else 0):.2f} s" if size else "-"
            ci = f"[{found.cer_ci.low:.3f}, {found.cer_ci.high:.3f}]"
            print(f"| {name} | {way} | {found.cer:.3f} {ci} | {found.wer:.3f} | {each} | {wait} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--lang", default="es")
    parser.add_argument("--models", nargs="+", default=["es-stream", "es-whole"])
    parser.add_argument("--frames", nargs="+", type=int, default=[8, 16, 32])
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    main(arguments.corpus, arguments.lang, arguments.models, arguments.frames, arguments.seed)
