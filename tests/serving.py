"""A real server in a process of its own, speech to send it, and a browser to look at its page."""

import base64
import contextlib
import io
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile

ROOT = Path(__file__).parents[1]
KEY = "a-key-for-the-tests-only"
SENTENCE = "buenos días la casa es grande"


@cache
def speech(text: str = SENTENCE, locale: str = "es") -> np.ndarray:
    """16 kHz samples of practice speech, which the bundled donors understand."""
    pytest.importorskip("espeakng_loader", reason="eSpeak NG, an optional extra, makes the speech")
    from vizinho.g2p.espeak import Voice, synthesise

    return synthesise(text, Voice(locale))


def wav(samples: np.ndarray, rate: int = 16_000, subtype: str = "PCM_16") -> bytes:
    made = io.BytesIO()
    soundfile.write(made, samples, rate, format="WAV", subtype=subtype)
    return made.getvalue()


def alike(heard: str, said: str) -> bool:
    """The demo models mishear a letter now and then; what they hear must still be this sentence and no other."""
    return SequenceMatcher(None, heard, said).ratio() > 0.75


def linear16(samples: np.ndarray) -> bytes:
    return (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


@dataclass(frozen=True)
class Running:
    """A server that listens, with `host` as its clients name it."""

    process: subprocess.Popen
    port: int
    log: Path
    key: str

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def ask(self, path: str, body: bytes | None = None, key: str | None = None, **headers: str) -> Answer:
        given = self.key if key is None else key
        sent = {"Authorization": f"Token {given}", "Content-Type": "application/octet-stream"} if given else {}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(f"http://{self.host}{path}", data=body, headers=sent)
        try:
            with urllib.request.urlopen(request, timeout=600) as response:
                return Answer(response.status, dict(response.headers), response.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, dict(error.headers), error.read())

    def metric(self, name: str) -> float:
        lines = self.ask("/metrics").body.decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.partition("{")[0].split(" ")[0] == name)

    def workers(self) -> list[int]:
        lines = self.ask("/metrics").body.decode().splitlines()
        return [int(line.split('"')[1]) for line in lines if line.startswith("vizinho_worker_resident_bytes{")]

    def wait_ready(self, seconds: float = 600) -> None:
        for _ in range(int(seconds * 10)):
            with contextlib.suppress(OSError):
                if self.ask("/readyz").status == 200:
                    return
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        raise AssertionError(f"the server is not ready: {self.log.read_text()}")


@contextlib.contextmanager
def running(*options: str, home: Path, log: Path, key: str = KEY, port: int = 0):
    """`vizinho serve` as a user starts it, on a free port if not on a certain one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = port or probe.getsockname()[1]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "VIZINHO_HOME": str(home)}
    environment |= {"VIZINHO_API_KEYS": key}
    command = [sys.executable, "-m", "vizinho.cli.main", "serve", "--port", str(port), *options]
    with log.open("w") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
    server = Running(process, port, log, key)
    try:
        server.wait_ready()
        yield server
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Browser:
    """Headless Chromium with a file for a microphone, driven by its DevTools protocol."""

    def __init__(self, microphone: bytes) -> None:
        binary = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        if binary is None:
            pytest.skip("no chromium to open the page in")
        self._folder = tempfile.TemporaryDirectory()
        recording = Path(self._folder.name) / "microphone.wav"
        recording.write_bytes(microphone)
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
        flags += ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
        flags += ["--autoplay-policy=no-user-gesture-required", "--remote-debugging-port=0"]
        flags += [
            f"--use-file-for-fake-audio-capture={recording}%noloop",
            f"--user-data-dir={self._folder.name}/profile",
        ]
        self._process = subprocess.Popen(
            [binary, *flags, "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._numbers = itertools.count(1)
        self.problems: list[str] = []

    def __enter__(self):
        from websockets.sync.client import connect

        announced = Path(self._folder.name) / "profile" / "DevToolsActivePort"
        for _ in range(300):
            if announced.is_file() and announced.read_text().strip():
                break
            time.sleep(0.1)
        port = announced.read_text().split()[0]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=30) as answer:
            pages = [p for p in json.load(answer) if p["type"] == "page"]
        # No pings: a browser that gets no processor for a while is not dead.
        self._socket = connect(pages[0]["webSocketDebuggerUrl"], max_size=None, ping_interval=None)
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.downloads = Path(self._folder.name) / "downloads"
        self.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(self.downloads))
        self.call(
            "Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite", "audioCapture"]
        )
        return self

    def __exit__(self, *_):
        with contextlib.suppress(Exception):
            self._socket.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._folder.cleanup()

    def call(self, method: str, **parameters):
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(timeout=60))
            if message.get("method") == "Runtime.exceptionThrown":
                self.problems.append(message["params"]["exceptionDetails"]["text"])
            if message.get("method") == "Log.entryAdded" and message["params"]["entry"]["level"] == "error":
                self.problems.append(message["params"]["entry"]["text"])
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]

    def evaluate(self, expression: str):
        answer = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait_for(self, expression: str, seconds: float = 120):
        for _ in range(int(seconds * 10)):
            if value := self.evaluate(expression):
                return value
            time.sleep(0.1)
        raise AssertionError(f"never true: {expression}; the page: {self.evaluate('document.body.innerText')}")

    def open(self, address: str, width: int = 1200, height: int = 900, scheme: str = "light") -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.call("Page.navigate", url=address)
        self.wait_for("document.readyState === 'complete'")

    def press(self, key: str, code: int, text: str = "") -> None:
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, text=text)

    def choose_file(self, selector: str, path: Path) -> None:
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(path)])

    def screenshot(self) -> bytes:
        return base64.b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"])
