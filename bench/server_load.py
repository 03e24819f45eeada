"""How much one server takes: recordings and streams by many clients on loopback, and memory over an hour of audio.

Prints throughput, percentiles of latency, errors, how many streams keep up with real time, and resident memory before
and after. Bounded in clients and time; nothing but this machine is involved.

    python bench/server_load.py --workers 2 --speech es.jsonl

With --speech, recordings of a manifest are joined without their pauses, which is the hardest that people can be: the
network has something to do in every chunk. Without, eSpeak NG speaks sentences with a second of pause between them.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import itertools
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from stream_batches import streaming_copy
from surroundings import describe

SAMPLE_RATE = 16_000
STEP_SECONDS = 0.1
"""Audio in one message of a stream."""
LATE_SECONDS = 1.0
"""A stream keeps up while its messages come within this after the audio that they are about."""
SENTENCES = (
    "buenos días la casa es grande",
    "el perro pequeño come pan",
    "mañana vamos al mercado",
    "cuánto cuesta el libro",
)


@dataclass(frozen=True)
class Server:
    process: subprocess.Popen[bytes]
    port: int
    key: str

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        try:
            connection.request(method, path, body, {"Authorization": f"Token {self.key}"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def resident_megabytes(self) -> float:
        """Of the server and its workers."""
        _, page = self.ask("GET", "/metrics")
        workers = [
            float(line.rpartition(" ")[2])
            for line in page.decode().splitlines()
            if line.startswith("vizinho_worker_resident_bytes{")
        ]
        own = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        return (own + sum(workers)) / 1e6


@contextlib.contextmanager
def serving(workers: int, model: str, source: Path | None = None, *more: str) -> Iterator[Server]:
    """A server, of the source code in another folder if one is named."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    key = secrets.token_urlsafe(32)
    options = [
        "--port",
        str(port),
        "--workers",
        str(workers),
        "--requests-per-minute",
        "1000000",
        "--max-streams",
        "256",
    ]
    command = [sys.executable, "-m", "vizinho.cli.main", "serve", model, *options, *more]
    code = {} if source is None else {"PYTHONPATH": str(source)}
    process = subprocess.Popen(command, env={**os.environ, "VIZINHO_API_KEYS": key, **code})
    server = Server(process, port, key)
    try:
        while True:
            with contextlib.suppress(OSError):
                if server.ask("GET", "/readyz")[0] == 200:
                    break
            assert process.poll() is None, "the server did not start"
            time.sleep(0.2)
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


PEOPLE: list[Path] = []
"""Recordings that are joined, if there are any."""
MARGIN = SAMPLE_RATE // 20
"""Samples around what is louder than a hundredth of a recording's peak."""


def joined(seconds: float, first: int = 0) -> np.ndarray:
    """So much of the recordings in PEOPLE from one on, without the silence at their ends."""
    from vizinho.audio.io import load_audio

    parts, size = [], 0
    for path in itertools.cycle(PEOPLE[first % len(PEOPLE) :] + PEOPLE[: first % len(PEOPLE)]):
        samples = load_audio(path)
        loud = np.flatnonzero(np.abs(samples) > 0.01 * np.abs(samples).max())
        parts.append(samples[max(0, loud[0] - MARGIN) : loud[-1] + MARGIN])
        size += parts[-1].size
        if size >= seconds * SAMPLE_RATE:
            return np.concatenate(parts)[: int(seconds * SAMPLE_RATE)]
    raise AssertionError("a cycle does not end")


def speech(seconds: float, first: int = 0) -> np.ndarray:
    """So much speech: of people, from a recording on, or in sentences with pauses between them."""
    if PEOPLE:
        return joined(seconds, first)
    from vizinho.g2p.espeak import Voice, synthesise

    parts, size, number = [], 0, 0
    while size < seconds * SAMPLE_RATE:
        parts += [synthesise(SENTENCES[number % len(SENTENCES)], Voice("es")), np.zeros(SAMPLE_RATE, np.float32)]
        size += parts[-1].size + parts[-2].size
        number += 1
    return np.concatenate(parts)[: int(seconds * SAMPLE_RATE)]


def linear16(samples: np.ndarray) -> bytes:
    return (samples * 32767).astype("<i2").tobytes()


def percentiles(values: list[float]) -> str:
    return " ".join(f"p{p} {np.percentile(values, p):.3f} s" for p in (50, 95, 99))


def recordings(
    server: Server, model: str, clients: int, seconds_each: float, bound_seconds: float
) -> dict[str, object]:
    """Many clients that each send one recording after another for a while."""
    path = f"/v1/listen?model={model}&encoding=linear16&sample_rate={SAMPLE_RATE}"
    body = linear16(speech(seconds_each))
    until = time.monotonic() + bound_seconds

    def client(_: int) -> list[tuple[float, int]]:
        timed = []
        while time.monotonic() < until:
            began = time.monotonic()
            status, _body = server.ask("POST", path, body)
            timed.append((time.monotonic() - began, status))
        return timed

    began = time.monotonic()
    with ThreadPoolExecutor(clients) as pool:
        answers = [answer for timed in pool.map(client, range(clients)) for answer in timed]
    took = time.monotonic() - began
    good = [latency for latency, status in answers if status == 200]
    errors = len(answers) - len(good)
    rate = len(good) * seconds_each / took
    print(
        f"{clients} clients, recordings of {seconds_each:.0f} s: {len(good)} answers in {took:.1f} s, "
        f"{rate:.0f} times real time, {percentiles(good)}, {errors} errors"
    )
    return {"clients": clients, "answers": len(good), "errors": errors, "times_real_time": rate}


async def live(server: Server, model: str, data: bytes, delay_seconds: float) -> tuple[list[float], list[str], float]:
    """One stream in real time: how late each answer came after the audio it is about, what went wrong, and when words
    came first, from the beginning of speech."""
    from websockets.asyncio.client import connect

    address = f"ws://127.0.0.1:{server.port}/v1/listen?model={model}&encoding=linear16&sample_rate={SAMPLE_RATE}&interim_results=true"
    late: list[float] = []
    problems: list[str] = []
    first = float("inf")
    step = int(STEP_SECONDS * SAMPLE_RATE) * 2
    await asyncio.sleep(delay_seconds)
    async with connect(address, additional_headers={"Authorization": f"Token {server.key}"}) as stream:
        began = time.monotonic()

        async def listen() -> None:
            nonlocal first
            async for text in stream:
                message = json.loads(text)
                if message["type"] == "Results" and message["channel"]["alternatives"][0]["words"]:
                    first = min(first, time.monotonic() - began - MARGIN / SAMPLE_RATE * bool(PEOPLE))
                    audio_until = message["start"] + message["duration"]
                    late.append(time.monotonic() - began - audio_until)
                elif message["type"] == "Error":
                    problems.append(message["description"])

        listening = asyncio.create_task(listen())
        for number, start in enumerate(range(0, len(data), step), start=1):
            await asyncio.sleep(max(0.0, began + number * STEP_SECONDS - time.monotonic()))
            await stream.send(data[start : start + step])
        await stream.send('{"type": "CloseStream"}')
        await listening
    return late, problems, first


def streams(server: Server, model: str, count: int, seconds: float) -> tuple[bool, str]:
    """Whether `count` streams at once keep up with real time: nine of ten answers within LATE_SECONDS, no error."""
    data = [linear16(speech(seconds, 7 * number)) for number in range(count)]

    async def all_of_them() -> list[tuple[list[float], list[str], float]]:
        return await asyncio.gather(*(live(server, model, data[i], i * 0.37 % 1) for i in range(count)))

    results = asyncio.run(all_of_them())
    late = [seconds_late for values, _, _ in results for seconds_late in values]
    problems = [problem for _, some, _ in results for problem in some]
    good = bool(late) and not problems and float(np.percentile(late, 95)) <= LATE_SECONDS
    return (
        good,
        f"{count} streams of {seconds:.0f} s: answers after their audio {percentiles(late)}, first words after "
        f"{percentiles([when for _, _, when in results])} of speech, {len(problems)} errors",
    )


def most_streams(server: Server, model: str, seconds: float, most: int) -> int:
    """The largest number of streams that keep up: doubled until they do not, then halved in."""

    def keep_up(count: int) -> bool:
        good, report = streams(server, model, count, seconds)
        print(("kept up: " if good else "too many: ") + report)
        return good

    best, count = 0, 1
    while count <= most and keep_up(count):
        best, count = count, 2 * count
    step = best // 2
    while step >= max(1, best // 8) and best:
        if best + step <= most and keep_up(best + step):
            best += step
        step //= 2
    return best


def hour(server: Server, model: str, minutes: int) -> None:
    """Recordings of ten minutes one after another, faster than real time; memory after each."""
    body = linear16(speech(600))
    path = f"/v1/listen?model={model}&encoding=linear16&sample_rate={SAMPLE_RATE}"
    memory = [server.resident_megabytes()]
    began = time.monotonic()
    for _ in range(max(1, minutes // 10)):
        status, _body = server.ask("POST", path, body)
        assert status == 200
        time.sleep(0.6)  # memory is looked at twice a second
        memory.append(server.resident_megabytes())
    took = time.monotonic() - began
    print(
        f"{minutes} min of audio in {took:.0f} s; resident MB before and after each ten minutes: "
        + " ".join(f"{m:.0f}" for m in memory)
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--model", default="es-demo")
    options.add_argument("--workers", type=int, default=2)
    options.add_argument("--seconds", type=float, default=15.0, help="time for each level of load")
    options.add_argument("--minutes", type=int, default=60, help="audio of the memory run")
    options.add_argument("--most-streams", type=int, default=128)
    options.add_argument("--speech", type=Path, help="manifest of recordings to join")
    options.add_argument("--streaming", action="store_true", help="the demo donor as if trained to stream, as MODEL")
    options.add_argument("--engine", default="onnx", help="that computes the networks")
    options.add_argument(
        "--source", type=Path, help="folder of another version's source code, whose server is measured"
    )
    options.add_argument("--only-streams", action="store_true", help="leave recordings and memory out")
    arguments = options.parse_args()
    print(describe())
    if arguments.speech:
        rows = map(json.loads, arguments.speech.read_text(encoding="utf-8").splitlines())
        PEOPLE.extend(arguments.speech.parent / row["audio"] for row in rows)
    model, seconds = Path(arguments.model).name, arguments.seconds  # a folder is served by its own name
    parts: list[Callable[[Server], object]] = [
        lambda s: recordings(s, model, 1, 5.0, seconds),
        lambda s: recordings(s, model, 8, 5.0, seconds),
        lambda s: recordings(s, model, 32, 5.0, seconds),
        lambda s: print(
            f"most streams at once in real time: {most_streams(s, model, seconds, arguments.most_streams)}"
        ),
        lambda s: hour(s, model, arguments.minutes),
    ]
    parts = parts[3:4] if arguments.only_streams else parts
    with tempfile.TemporaryDirectory() as home:
        os.environ.setdefault("VIZINHO_HOME", home)
        folder, more = arguments.model, ["--engine", arguments.engine]
        if arguments.streaming:
            folder, more = str(streaming_copy(Path(home) / model)), [*more, "--lang", "es"]
        with serving(arguments.workers, folder, arguments.source, *more) as server:
            print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before the start")
            for part in parts:
                part(server)


if __name__ == "__main__":
    main()
