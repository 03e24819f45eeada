"""How fast a model transcribes: ours against Hugging Face's pipeline, sherpa-onnx and a plain onnxruntime loop.

One run, the same weights, the same recordings (already decoded to 16 kHz), one thread each. Every round runs every
side, in an order that turns, so a machine that slows down slows all of them; medians, and the ratios within each round,
are printed. Processor time of the process counts: others may use the machine too. `--clock wall` for the clock's.

    .venv/bin/python bench/inference.py [--model es-demo] [--files 300] [--rounds 5] [--corpus MANIFEST]

- ours: Recognizer.transcribe, file by file; "batched" is Recognizer.transcribe_many, "torch" does without
  onnxruntime, "int8" is the quantised export (not the same weights any more).
- pipeline: transformers.pipeline("automatic-speech-recognition") given arrays; "batched" sorted, 16 at a time.
- sherpa-onnx: OfflineRecognizer.from_nemo_ctc on our export, with its own features; "batched" 16 at a time.
- plain loop: ParakeetForCTC exported as it is, Hugging Face's processor, onnxruntime, one file at a time.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from surroundings import describe
from transformers import AutoProcessor, pipeline
from transformers.utils.logging import disable_progress_bar

from vizinho.audio.io import SAMPLE_RATE, Waveform, load_audio
from vizinho.corpora.manifest import fingerprint, read_manifest
from vizinho.evaluation.score import score
from vizinho.model.checkpoint import load_checkpoint
from vizinho.recognition.engines import load_export
from vizinho.recognition.export import export
from vizinho.recognition.graphs import GRAPHS, TOKENS
from vizinho.recognition.recognizer import Recognizer
from vizinho.recognition.stream import Final, Partial, SpeechStarted, StreamSession
from vizinho.records import Utterance
from vizinho.store.store import Store
from vizinho.text.normalize import get_normalizer

Side = Callable[[Sequence[Waveform]], list[str]]
BATCH = 16
CLOCKS = {"cpu": time.process_time, "wall": time.perf_counter}


def in_batches(waveforms: Sequence[Waveform], run: Side) -> list[str]:
    """Run a side on batches of similar length and put its texts back in order."""
    order = sorted(range(len(waveforms)), key=lambda i: waveforms[i].size)
    texts = [""] * len(waveforms)
    for start in range(0, len(order), BATCH):
        chosen = order[start : start + BATCH]
        for number, text in zip(chosen, run([waveforms[i] for i in chosen]), strict=True):
            texts[number] = text
    return texts


def our_sides(model: Path, exports: Path) -> dict[str, Side]:
    transcribers = {
        "ours": Recognizer.load(exports / "fp32"),
        "ours, int8": Recognizer.load(exports / "int8"),
        "ours, torch": Recognizer.load(model, "torch"),
    }

    def one_by_one(transcriber: Recognizer) -> Side:
        return lambda waveforms: [transcriber.transcribe(w).text for w in waveforms]

    sides = {name: one_by_one(transcriber) for name, transcriber in transcribers.items()}
    batched = transcribers["ours"]
    sides["ours, batched"] = lambda waveforms: [t.text for t in batched.transcribe_many(waveforms)]
    return sides


def pipeline_sides(model: Path) -> dict[str, Side]:
    recognize = pipeline("automatic-speech-recognition", model=str(model), device="cpu")

    def inputs(waveforms: Sequence[Waveform]) -> list[dict[str, Any]]:
        return [{"raw": w, "sampling_rate": SAMPLE_RATE} for w in waveforms]

    def together(waveforms: Sequence[Waveform]) -> list[str]:
        return [found["text"] for found in recognize(inputs(waveforms), batch_size=BATCH)]

    return {
        "pipeline": lambda waveforms: [recognize(one)["text"] for one in inputs(waveforms)],
        "pipeline, batched": lambda waveforms: in_batches(waveforms, together),
    }


def sherpa_sides(exports: Path) -> dict[str, Side]:
    import sherpa_onnx

    folder = exports / "fp32"
    recognizer = sherpa_onnx.OfflineRecognizer.from_nemo_ctc(
        model=str(folder / GRAPHS["fp32"]), tokens=str(folder / TOKENS), num_threads=1
    )

    def together(waveforms: Sequence[Waveform]) -> list[str]:
        streams = [recognizer.create_stream() for _ in waveforms]
        for stream, samples in zip(streams, waveforms, strict=True):
            stream.accept_waveform(SAMPLE_RATE, samples)
        recognizer.decode_streams(streams)
        return [stream.result.text for stream in streams]

    return {
        "sherpa-onnx": lambda waveforms: [together([w])[0] for w in waveforms],
        "sherpa-onnx, batched": lambda waveforms: in_batches(waveforms, together),
    }


def plain_loop(model: Path, exports: Path) -> Side:
    """What one writes first: the network exported as it is, and the processor it came with."""
    network, path = load_checkpoint(model).model, exports / "plain.onnx"

    class Plain(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, features: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            return self.network(features, attention_mask=mask).logits

    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Plain().eval(),
            (torch.zeros(2, 300, 80), torch.arange(300) < torch.tensor([[300], [200]])),
            str(path),
            dynamo=False,
            opset_version=17,
            input_names=["features", "mask"],
            output_names=["logits"],
            dynamic_axes={name: {0: "B", 1: name} for name in ("features", "mask", "logits")},
        )
    processor = AutoProcessor.from_pretrained(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options)

    def one(samples: Waveform) -> str:
        made = processor(samples, sampling_rate=SAMPLE_RATE)
        inputs = {"features": made["input_features"].numpy(), "mask": made["attention_mask"].numpy()}
        return str(processor.batch_decode(session.run(None, inputs)[0].argmax(axis=-1))[0])

    return lambda waveforms: [one(w) for w in waveforms]


def race(sides: dict[str, Side], waveforms: Sequence[Waveform], rounds: int, clock: str) -> dict[str, list[float]]:
    """Seconds of each side in each round; the order turns by one from round to round."""
    names, read = list(sides), CLOCKS[clock]
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for side in sides.values():
        side(waveforms[:20])
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            begun = read()
            sides[name](waveforms)
            seconds[name].append(read() - begun)
    return seconds


def print_race(seconds: dict[str, list[float]], audio_seconds: float, clock: str) -> None:
    print(f"{'side':<22} {'median s':>9} {'x real time':>12} {'ours is faster by':>18}   ({clock} time)")
    for name, found in seconds.items():
        ratios = [theirs / ours for theirs, ours in zip(found, seconds["ours"], strict=True)]
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        median = statistics.median(found)
        print(f"{name:<22} {median:>9.2f} {audio_seconds / median:>12.0f} {spread:>18}")
    batched = [
        f"{other} {statistics.median(t / o for t, o in zip(seconds[other], seconds['ours, batched'], strict=True)):.2f}"
        for other in ("pipeline, batched", "sherpa-onnx, batched")
    ]
    print(f"batched against batched, ours is faster by: {'; '.join(batched)}")


def print_errors(sides: dict[str, Side], waveforms: Sequence[Waveform], utterances: Sequence[Utterance]) -> None:
    """CER of every side and how often it says something else than ours; outside the timed rounds."""
    normalize = get_normalizer(utterances[0].lang)
    references = {u.id: normalize(u.text) for u in utterances}
    ours = sides["ours"](waveforms)
    for name, side in sides.items():
        texts = [normalize(text) for text in side(waveforms)]
        heard = dict(zip(references, texts, strict=True))
        scores = score(references, heard, normalizer=normalize.name, data_fingerprint=fingerprint(utterances))
        others = sum(a != normalize(b) for a, b in zip(texts, ours, strict=True))
        interval = f"{scores.cer_ci.low:.4f} to {scores.cer_ci.high:.4f}"
        print(f"{name:<22} CER {scores.cer:.4f} ({interval}), {others} of {len(texts)} texts differ from ours")


def where_time_goes(exports: Path, waveforms: Sequence[Waveform]) -> None:
    """Shares of our time: matrix products and the rest of the network, features, decoding."""
    engine, transcriber = load_export(exports / "fp32"), Recognizer.load(exports / "fp32")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_profiling, options.profile_file_prefix = True, str(exports / "profile")
    session = onnxruntime.InferenceSession(str(exports / "fp32" / GRAPHS["fp32"]), options)
    inputs = [engine.features([w]) for w in waveforms]
    for one in inputs:
        session.run(None, one)
    rows = json.loads(Path(session.end_profiling()).read_text())
    kernels: Counter[str] = Counter()
    for row in rows:
        if row.get("cat") == "Node" and row["name"].endswith("kernel_time"):
            kernels[row["args"]["op_name"]] += row["dur"]
    products = sum(kernels[name] for name in ("Gemm", "MatMul", "FusedMatMul", "Conv")) / sum(kernels.values())
    spent = {"features": 0.0, "network": 0.0, "all": 0.0}
    for samples in waveforms:
        moments = [time.process_time()]
        made = engine.features([samples])
        moments.append(time.process_time())
        engine.run(made)
        moments.append(time.process_time())
        transcriber.transcribe(samples)
        moments.append(time.process_time())
        for name, (begun, ended) in zip(spent, pairwise(moments), strict=True):
            spent[name] += ended - begun
    features, network = spent["features"] / spent["all"], spent["network"] / spent["all"]
    rest = max(0.0, 1.0 - network - features)
    print(
        f"of our time: {network * products:.0%} matrix products and convolutions, {network * (1 - products):.0%} other "
        f"operations of the network, {features:.0%} features, {rest:.0%} decoding and the rest"
    )


def first_partials(exports: Path, waveforms: Sequence[Waveform]) -> None:
    """When a stream's first words come: audio heard after speech began, and what computing the answer takes."""
    transcriber = Recognizer.load(exports / "fp32")
    heard, computed, final = [], [], []
    for samples in waveforms:
        session, began, waiting = StreamSession(transcriber), 0.0, True
        audio = np.concatenate([samples, np.zeros(SAMPLE_RATE, np.float32)])
        for start in range(0, audio.size, SAMPLE_RATE // 10):
            begun = time.process_time()
            events = session.accept(audio[start : start + SAMPLE_RATE // 10])
            taken = time.process_time() - begun
            for event in events:
                if isinstance(event, SpeechStarted):
                    began = event.at_seconds
                elif isinstance(event, Partial) and waiting:
                    waiting = False
                    heard.append(session.seconds - began)
                    computed.append(1000 * taken)
                elif isinstance(event, Final):
                    final.append(1000 * taken)
    for name, values, unit in (
        ("audio until the first partial words", heard, "s"),
        ("computing them", computed, "ms"),
        ("computing final words", final, "ms"),
    ):
        middle, high = np.percentile(values, [50, 95])
        print(f"stream, {name}: median {middle:.2f} {unit}, p95 {high:.2f} {unit}, {len(values)} of them")


def two_cores(model: str, utterances: Sequence[Utterance]) -> None:
    """The command on all files of the corpus, one job and two; reading, writing and the start of Python included."""
    with tempfile.TemporaryDirectory() as place:
        files = [str(u.audio) for u in utterances]
        audio_seconds = sum(u.duration_seconds for u in utterances)
        taken = {}
        for jobs in (1, 2):
            command = ["transcribe", model, *files, "--out", f"{place}/{jobs}", "--jobs", str(jobs)]
            begun = time.perf_counter()
            subprocess.run([sys.executable, "-m", "vizinho.cli.main", *command], check=True, capture_output=True)
            taken[jobs] = time.perf_counter() - begun
    rates = ", ".join(f"--jobs {jobs}: {t:.1f} s ({audio_seconds / t:.0f} x real time)" for jobs, t in taken.items())
    print(f"vizinho transcribe on {len(files)} files, by the clock: {rates}; load {os.getloadavg()[0]:.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="es-demo")
    parser.add_argument("--files", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5, help="0 leaves the race out")
    parser.add_argument("--clock", choices=list(CLOCKS), default="cpu")
    parser.add_argument("--corpus", type=Path, help="manifest; Spanish recordings beside the project if left out")
    arguments = parser.parse_args()
    print(describe())
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    disable_progress_bar()
    torch.set_num_threads(1)
    corpus = arguments.corpus or Path(os.environ.get("VIZINHO_SHARED", "../shared")) / "speech" / "es.jsonl"
    everything = read_manifest(corpus)
    utterances = [u for u in everything if get_normalizer(u.lang)(u.text)]
    utterances = utterances[:: max(1, len(utterances) // arguments.files)][: arguments.files]
    waveforms = [load_audio(u.audio) for u in utterances]
    audio_seconds = sum(w.size for w in waveforms) / SAMPLE_RATE
    model = Store().resolve(arguments.model)
    with tempfile.TemporaryDirectory() as place:
        exports = Path(place)
        for precision in GRAPHS:
            export(model, exports / precision, precision)
        sides = our_sides(model, exports) | pipeline_sides(model) | sherpa_sides(exports)
        sides["plain loop"] = plain_loop(model, exports)
        longest = np.max([w.size for w in waveforms]) / SAMPLE_RATE
        print(f"{arguments.model}: {len(waveforms)} recordings, {audio_seconds:.0f} s, the longest {longest:.1f} s")
        if arguments.rounds:
            print_race(race(sides, waveforms, arguments.rounds, arguments.clock), audio_seconds, arguments.clock)
        where_time_goes(exports, waveforms)
        first_partials(exports, waveforms)
        print_errors(sides, waveforms, utterances)
    two_cores(arguments.model, everything)


if __name__ == "__main__":
    main()
