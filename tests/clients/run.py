"""Runs examples of the official clients against a server on loopback, and writes what came of each into the docs.

    python tests/clients/run.py ENVIRONMENTS --install     # once; the folder lies outside the project
    python tests/clients/run.py ENVIRONMENTS --write       # all examples, and the table of docs/serving.md

ENVIRONMENTS/NAME is a virtual environment, or a folder of Node packages, of one client. Clients that are not installed
are named and left out. The examples are written from the clients' documentation, with the models' names that stand
there (`--alias` gives them to the demo donor). No client is part of the project, and no test needs this.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import create_connection, create_server, socket

import av
import numpy as np
import soundfile
import soxr

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1] / "src")]
from serving import KEY, SENTENCE, alike, linear16, running, speech, wav  # noqa: E402

DOCUMENT = HERE.parents[1] / "docs" / "serving.md"
BEGIN, END = "<!-- clients: written by tests/clients/run.py -->\n", "<!-- end of clients -->\n"
RUNS = "runs"
LIMIT_SECONDS = 600.0
"""For all examples of a client."""
MODELS = ("nova-2", "nova-3", "nova-3-general", "flux-general-en", "whisper-1", "gpt-4o-transcribe")
MODELS += ("gpt-4o-mini-transcribe", "gpt-4o-transcribe-diarize", "gpt-live-transcribe", "gpt-realtime-whisper")
"""Names that stand in the examples."""


@dataclass(frozen=True)
class Client:
    """A client's packages, and the script with its examples."""

    name: str
    title: str
    packages: tuple[str, ...]
    script: str

    @property
    def is_node(self) -> bool:
        return self.script.endswith(".mjs")


CLIENTS = (
    Client("deepgram-7", "deepgram-sdk (Python)", ("deepgram-sdk>=7,<8",), "deepgram_python.py"),
    Client("deepgram-6", "deepgram-sdk (Python)", ("deepgram-sdk>=6,<7",), "deepgram_python.py"),
    Client("deepgram-3", "deepgram-sdk (Python)", ("deepgram-sdk>=3,<4",), "deepgram_python_3.py"),
    Client("deepgram-js", "@deepgram/sdk (JavaScript)", ("@deepgram/sdk@5",), "deepgram.mjs"),
    Client("openai", "openai (Python)", ("openai[realtime]>=3,<4",), "openai_python.py"),
    Client("openai-js", "openai (JavaScript)", ("openai@7", "ws"), "openai.mjs"),
    Client(
        "livekit",
        "livekit-agents (Python)",
        ("livekit-agents>=1", "livekit-plugins-deepgram", "livekit-plugins-openai"),
        "livekit_agents.py",
    ),
    Client("pipecat", "pipecat-ai (Python)", ("pipecat-ai[deepgram,openai]>=1",), "pipecat_services.py"),
    Client("wyoming", "wyoming (Python)", ("wyoming>=1",), "wyoming_client.py"),
)


@dataclass(frozen=True)
class Outcome:
    """What came of one example of a client's version."""

    client: str
    version: str
    example: str
    result: str


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("environments", type=Path, help="folder with one environment for each client")
    options.add_argument("--install", action="store_true", help="make the environments")
    options.add_argument("--write", action="store_true", help="write the table into docs/serving.md")
    options.add_argument("--client", default="", help="only clients whose names contain this")
    options.add_argument("--example", default="", help="only examples whose names contain this")
    arguments = options.parse_args()
    environments = arguments.environments.resolve()
    clients = [client for client in CLIENTS if arguments.client in client.name]
    if arguments.install:
        for client in clients:
            install(client, environments / client.name)
        return 0
    missing = [client for client in clients if not (environments / client.name).is_dir()]
    for client in missing:
        print(f"left out, not installed: {client.name}", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as values:
        outcomes = [
            outcome
            for client in clients
            if client not in missing
            for outcome in outcomes_of(client, environments / client.name, values, arguments.example)
        ]
    if arguments.write:
        write(outcomes, DOCUMENT)
    return int(any(outcome.result != RUNS for outcome in outcomes))


def install(client: Client, environment: Path) -> None:
    """Make a client's environment."""
    if client.is_node:
        environment.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "install", "--no-audit", "--no-fund", *client.packages], cwd=environment, check=True)
        return
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    subprocess.run([environment / "bin" / "pip", "install", "--quiet", *client.packages], check=True)


def outcomes_of(client: Client, environment: Path, values: dict[str, str], wanted: str) -> Iterator[Outcome]:
    """Run a client's examples."""
    number = version(client, environment)
    variables = {**os.environ, "VIZINHO_EXAMPLES": json.dumps(values), "NODE_EXTRA_CA_CERTS": values["authority"]}
    variables.pop("PYTHONPATH", None)
    if client.is_node:
        # Packages are looked up from the script's folder upwards.
        for script in HERE.glob("*.mjs"):
            shutil.copy(script, environment)
        command = ["node", str(environment / client.script), wanted]
    else:
        command = [str(environment / "bin" / "python"), str(HERE / client.script), wanted]
    process = subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    limit = threading.Timer(LIMIT_SECONDS, process.kill)
    limit.start()
    for line in process.stdout:
        if line.startswith('{"example"'):
            values_of_line = json.loads(line)
            outcome = Outcome(client.title, number, values_of_line["example"], result_of(values_of_line))
            print(f"{client.title} {number}: {outcome.example}: {outcome.result}", flush=True)
            yield outcome
    limit.cancel()
    if process.wait():
        yield Outcome(client.title, number, "all", f"fails: the script ended with {process.returncode}")
        print(f"{client.title} {number}: ended with {process.returncode}")


def result_of(line: dict[str, str | None]) -> str:
    """Whether an example ran and brought the sentence; examples without a text bring None."""
    if error := line.get("error"):
        return "fails: " + " ".join(error.split())[:120].replace("|", "/")
    text = line["text"]
    spoken = re.sub(r"[^\w\s]", "", text.lower()) if text is not None else SENTENCE
    return RUNS if alike(spoken, SENTENCE) else f"other text: {text[:80]}"


def version(client: Client, environment: Path) -> str:
    """Of the client's main package."""
    name = re.split(r"[\[<>=]", client.packages[0])[0] if not client.is_node else client.title.partition(" ")[0]
    if client.is_node:
        return str(json.loads((environment / "node_modules" / name / "package.json").read_text())["version"])
    code = f"import importlib.metadata as m; print(m.version({name!r}))"
    done = subprocess.run([environment / "bin" / "python", "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def table(outcomes: list[Outcome]) -> str:
    """A row for each example of a client, with all versions that have this result."""
    versions: dict[tuple[str, str, str], list[str]] = {}
    for outcome in outcomes:
        versions.setdefault((outcome.client, outcome.example, outcome.result), []).append(outcome.version)
    rows = "".join(
        f"| {client} {', '.join(numbers)} | {example} | {result} |\n"
        for (client, example, result), numbers in versions.items()
    )
    return f"| client | example | result |\n|---|---|---|\n{rows}"


def write(outcomes: list[Outcome], document: Path) -> None:
    """Put the table in its place."""
    before, _, rest = document.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    document.write_text(f"{before}{BEGIN}{table(outcomes)}{END}{after}", encoding="utf-8")


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[dict[str, str]]:
    """Recordings, a server that has them fetched and calls back, and TLS before it; what scripts need to know."""
    record(folder)
    certificate, secret = authority(folder)
    with files(folder) as place:
        aliases = [part for model in MODELS for part in ("--alias", f"{model}=es-demo")]
        remote = ["--fetch-host", place, "--fetch-private", "--callback-host", place]
        with create_server(("127.0.0.1", 0)) as free:
            wyoming = str(free.getsockname()[1])
        options = [*aliases, *remote, "--workers", "1", "--requests-per-minute", "6000", "--wyoming", wyoming]
        with (
            running("es-demo", "en-demo", *options, home=folder / "home", log=folder / "log.txt") as server,
            tls(server.host, certificate, secret) as secure,
        ):
            yield {
                "host": server.host,
                "tls": secure,
                "key": KEY,
                "files": f"http://{place}",
                "folder": str(folder),
                "authority": str(certificate),
                "wyoming": wyoming,
            }


def record(folder: Path) -> None:
    """The sentence, with and without a pause after it, in what clients send."""
    samples = speech(SENTENCE)
    paused = np.concatenate([samples, np.zeros(24_000, np.float32)])
    (folder / "speech.wav").write_bytes(wav(samples))
    (folder / "pause.wav").write_bytes(wav(paused))
    soundfile.write(folder / "pause.flac", paused, 16_000)
    soundfile.write(folder / "pause.mp3", paused, 16_000)
    soundfile.write(folder / "pause.ogg", paused, 16_000, subtype="OPUS")
    webm(folder / "pause.webm", paused)
    (folder / "short.raw").write_bytes(linear16(samples))
    (folder / "speech.raw").write_bytes(linear16(paused))
    (folder / "speech-24k.raw").write_bytes(linear16(soxr.resample(paused, 16_000, 24_000)))


def webm(path: Path, samples: np.ndarray) -> None:
    """Opus in WebM, as browsers record it: 16 kHz samples in, 48 kHz inside."""
    data = (soxr.resample(samples, 16_000, 48_000) * 32_767).astype("<i2")
    with av.open(str(path), "w", format="webm", options={"cluster_time_limit": "100"}) as container:
        stream = container.add_stream("libopus", rate=48_000)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(data[None], format="s16", layout="mono")
        frame.sample_rate = 48_000
        for frame_or_end in (frame, None):
            container.mux(stream.encode(frame_or_end))


class _Files(BaseHTTPRequestHandler):
    """Serves a folder's recordings, and keeps what is posted to /received/NAME."""

    folder: Path
    received: dict[str, bytes]

    def do_GET(self) -> None:
        name = self.path.rpartition("/")[2]
        is_answer = self.path.startswith("/received/")
        body = self.received.get(name, b"") if is_answer else (self.folder / name).read_bytes()
        self._answer(body)

    def do_POST(self) -> None:
        self.received[self.path.rpartition("/")[2]] = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(b"")

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextlib.contextmanager
def files(folder: Path) -> Iterator[str]:
    """A server of the folder; yields its host and port."""
    handler = type("Files", (_Files,), {"folder": folder, "received": {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


def authority(folder: Path) -> tuple[Path, Path]:
    """A certificate for localhost that signs itself, and its key."""
    certificate, secret = folder / "certificate.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(secret), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, secret


@contextlib.contextmanager
def tls(host: str, certificate: Path, secret: Path) -> Iterator[str]:
    """TLS before the server, as a proxy gives it: OpenAI's JavaScript client opens realtime sessions no other way."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, secret)
    listener = create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                accepted, _ = listener.accept()
                threading.Thread(target=pass_on, args=(accepted,), daemon=True).start()

    def pass_on(accepted: socket) -> None:
        name, _, port = host.partition(":")
        with contextlib.suppress(OSError), context.wrap_socket(accepted, server_side=True) as outer:
            inner = create_connection((name, int(port)))
            threading.Thread(target=pump, args=(inner, outer), daemon=True).start()
            pump(outer, inner)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"localhost:{listener.getsockname()[1]}"
    finally:
        listener.close()


def pump(source: socket, target: socket) -> None:
    """Bytes from one socket to another, until either ends."""
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)


if __name__ == "__main__":
    sys.exit(main())
