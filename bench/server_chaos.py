"""What honest clients of one server see while its workers are killed, the disk is full and other peers misbehave.

Three parts: honest clients alone; the same beside peers that are slow, cut off, send too much, and open upgrades that
lead nowhere; two-minute recordings while a worker is killed every 1.5 s and no file can be written. Each request of an
honest client must end: with its text, or with 503 and Retry-After. Bounded in time; only loopback is involved.

    taskset -c 0 python bench/server_chaos.py
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import random
import resource
import signal
import socket
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from server_load import SAMPLE_RATE, Server, linear16, serving, speech
from surroundings import describe

KILL_SECONDS = 1.5
UPGRADE = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAA\r\n"
MISCHIEF = (
    "an upgrade",
    "an upgrade",
    "an upgrade",
    "a slow body",
    "a body cut off",
    "a body too large",
    "half a head",
)
_GIVE_UP_SECONDS = 300.0
"""A request that takes longer counts as lost."""


@dataclass(frozen=True)
class Outcome:
    """How one honest request ended."""

    status: int  # 0: no answer
    seconds: float
    retry_after: bool = False
    text: str = ""


@dataclass
class Phase:
    """The honest requests of one part."""

    outcomes: list[Outcome] = field(default_factory=list)

    def percentile(self, percent: float) -> float:
        return float(np.percentile([o.seconds for o in self.outcomes if o.status == 200] or [np.nan], percent))

    @property
    def lost(self) -> list[Outcome]:
        """Requests that ended neither with text nor with a refusal that says when to come again."""
        ended = [o for o in self.outcomes if (o.text if o.status == 200 else o.status == 503 and o.retry_after)]
        return [o for o in self.outcomes if o not in ended]

    @property
    def texts(self) -> set[str]:
        """All send the same recording, so there must be one text."""
        return {o.text for o in self.outcomes if o.status == 200}

    def line(self, name: str) -> str:
        counts = " ".join(f"{status}: {n}" for status, n in sorted(Counter(o.status for o in self.outcomes).items()))
        longest = max((o.seconds for o in self.outcomes), default=0.0)
        times = f"p50 {self.percentile(50):.2f} s, p95 {self.percentile(95):.2f} s, longest wait {longest:.1f} s"
        return f"{name}: {counts}; {times}; lost {len(self.lost)}, {len(self.texts)} different texts"


def request(server: Server, path: str, body: bytes) -> Outcome:
    """One honest request."""
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=_GIVE_UP_SECONDS)
    try:
        connection.request("POST", path, body, {"Authorization": f"Token {server.key}"})
        answer = connection.getresponse()
        data = answer.read()
        retry_after = answer.getheader("retry-after") is not None
        text = transcript(data) if answer.status == 200 else ""
        return Outcome(answer.status, time.monotonic() - began, retry_after, text)
    except (OSError, http.client.HTTPException):
        return Outcome(0, time.monotonic() - began)
    finally:
        connection.close()


def transcript(data: bytes) -> str:
    """The text of an answer."""
    text: str = json.loads(data)["results"]["channels"][0]["alternatives"][0]["transcript"]
    return text


def honest(server: Server, model: str, clients: int, seconds_each: float, until: Callable[[], bool]) -> Phase:
    """Clients that send one recording after another, each at least one."""
    path = f"/v1/listen?model={model}&encoding=linear16&sample_rate={SAMPLE_RATE}"
    body, phase = linear16(speech(seconds_each)), Phase()

    def client(_: int) -> None:
        while True:
            phase.outcomes.append(request(server, path, body))
            if until():
                return

    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(client, range(clients)))
    return phase


def for_seconds(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() >= end


@contextlib.contextmanager
def beside(work: Callable[[threading.Event], None]) -> Iterator[None]:
    """Run something in a thread until the block ends."""
    stop = threading.Event()
    thread = threading.Thread(target=work, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def misbehave(port: int, kind: str, address: str) -> socket.socket:
    """One peer that asks for trouble; its connection stays open."""
    post = "POST /v1/listen HTTP/1.1\r\nHost: x\r\nAuthorization: Token nobody\r\nContent-Length: {}\r\n\r\n"
    data = {
        "an upgrade": f"GET /v1/listen?keyterm={'a' * 9000} HTTP/1.1\r\nHost: x\r\n{UPGRADE}\r\n",
        "a slow body": post.format(1000) + "x",
        "a body cut off": post.format(100_000) + "x" * 5000,
        "a body too large": post.format(10**10) + "x" * 100_000,
        "half a head": "GET /v1/listen?" + "a" * 500,
    }[kind]
    peer = socket.create_connection(("127.0.0.1", port), timeout=5, source_address=(address, 0))
    with contextlib.suppress(OSError):
        peer.sendall(data.encode())
    if kind == "a body cut off":
        peer.close()
    return peer


def mischief(server: Server, count: int) -> Callable[[threading.Event], None]:
    """`count` peers that misbehave at once, and others in their place as the server closes their connections."""

    def work(stop: threading.Event) -> None:
        peers: list[socket.socket] = []
        while not stop.is_set():
            with contextlib.suppress(OSError):
                number = len(peers)
                # Places for connections are counted by address; those of honest clients are at 127.0.0.1.
                address = f"127.0.0.{2 + number % 4}"
                peers.append(misbehave(server.port, MISCHIEF[number % len(MISCHIEF)], address))
            if len(peers) >= count:
                for peer in peers[: count // 4]:
                    peer.close()
                del peers[: count // 4]
                stop.wait(0.5)
        for peer in peers:
            peer.close()

    return work


def kills(server: Server) -> Callable[[threading.Event], None]:
    """A worker is killed every KILL_SECONDS."""

    def work(stop: threading.Event) -> None:
        draw = random.Random(1)
        while not stop.wait(KILL_SECONDS):
            if workers := workers_of(server):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(draw.choice(workers), signal.SIGKILL)

    return work


def workers_of(server: Server) -> list[int]:
    _, page = server.ask("GET", "/metrics")
    lines = page.decode().splitlines()
    return [int(line.split('"')[1]) for line in lines if line.startswith("vizinho_worker_resident_bytes{")]


@contextlib.contextmanager
def full_disk(server: Server) -> Iterator[None]:
    """No process of the server can write a file."""
    before = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, before)


def storm(server: Server, model: str, clients: int, audio_seconds: float, seconds: float) -> Phase:
    """Long recordings while workers are killed and no file can be written."""
    with full_disk(server), beside(kills(server)):
        return honest(server, model, clients, audio_seconds, for_seconds(seconds))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--model", default="es-demo")
    options.add_argument("--workers", type=int, default=2)
    options.add_argument("--seconds", type=float, default=30.0, help="time for each part")
    options.add_argument("--clients", type=int, default=24, help="of the last part; the others have 4")
    options.add_argument("--peers", type=int, default=512, help="that misbehave at once")
    arguments = options.parse_args()
    print(describe())
    model, seconds = arguments.model, arguments.seconds
    with tempfile.TemporaryDirectory() as home:
        os.environ.setdefault("VIZINHO_HOME", home)
        with serving(arguments.workers, model) as server:
            print(f"{len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f} before the start")
            print(honest(server, model, 4, 5.0, for_seconds(seconds)).line("alone"), flush=True)
            with beside(mischief(server, arguments.peers)):
                print(honest(server, model, 4, 5.0, for_seconds(seconds)).line("beside bad peers"), flush=True)
            shaken = storm(server, model, arguments.clients, 120.0, seconds)
            print(shaken.line("a kill every 1.5 s, disk full"), flush=True)
            began = time.monotonic()
            print(honest(server, model, 4, 5.0, for_seconds(seconds / 2)).line("afterwards"), flush=True)
            print(f"{time.monotonic() - began:.1f} s for that; load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
