"""The Hugging Face hub by its own client, which fetches over HTTP from a server on loopback that answers as it does."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import donor_zoo
import pytest
from nemo_archive import ARCHIVE
from tones import tone_corpus

SHA = "0123456789abcdef0123456789abcdef01234567"


class Hub(ThreadingHTTPServer):
    """Serves folders under the hub's addresses, and keeps the paths of the files it gave."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.folder, self.given = folder, []


class Answers(BaseHTTPRequestHandler):
    """GET and HEAD of a model's facts and files; 404 for what is not there."""

    server: Hub

    def do_GET(self) -> None:
        parts = self.path.partition("?")[0].strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            folder = self.server.folder / parts[2] / parts[3]
            if not folder.is_dir():
                return self.answer(404, b"", {"X-Error-Code": "RepoNotFound"})
            files = sorted(folder.iterdir())
            facts: object = {"id": f"{parts[2]}/{parts[3]}", "sha": SHA}
            if parts[4] == "tree":
                facts = [{"type": "file", "path": p.name, "size": p.stat().st_size, "oid": p.name} for p in files]
            return self.answer(200, json.dumps(facts).encode(), {"Content-Type": "application/json"})
        path = self.server.folder.joinpath(*parts[:2], *parts[4:])
        if not path.is_file():
            return self.answer(404, b"", {"X-Error-Code": "EntryNotFound"})
        if self.command == "GET":
            self.server.given.append(path.name)
        return self.answer(200, path.read_bytes(), {"ETag": f'"{path.name}"', "X-Repo-Commit": SHA})

    do_HEAD = do_GET  # noqa: N815 (the name http.server asks for)

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(body))}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub(tmp_path) -> Iterator[Hub]:
    with Hub(tmp_path / "served") as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def plan(hub: Hub, tmp_path: Path, ref: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What a user types to see a plan from a model of the hub."""
    corpus = tone_corpus(tmp_path / "speech", count=4)
    command = ["transfer", ref, "--from", "es", "--to", "pt", "--corpus", corpus, "--dry-run"]
    address = f"http://127.0.0.1:{hub.server_address[1]}"
    fresh = {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "hf"), "VIZINHO_HOME": str(tmp_path / "home")}
    return subprocess.run(
        [sys.executable, "-m", "vizinho.cli.main", *map(str, command)],
        env=os.environ
        | {"HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1", "OMP_NUM_THREADS": "1"}
        | fresh
        | environment,
        text=True,
        capture_output=True,
    )


def test_a_model_of_the_hub_is_fetched_by_its_id_and_kept(hub, tmp_path):
    folder = donor_zoo.RECOGNISERS["wav2vec2 layer"](hub.folder / "somebody" / "wav2vec2-es")
    (folder / "pytorch_model.bin").write_bytes(b"not to be fetched")
    made = plan(hub, tmp_path, "somebody/wav2vec2-es")
    assert made.returncode == 0, made.stderr
    assert "model.safetensors" in hub.given
    assert "pytorch_model.bin" not in hub.given
    given = len(hub.given)
    again = plan(hub, tmp_path, "somebody/wav2vec2-es", HF_HUB_OFFLINE="1")
    assert (again.returncode, again.stdout) == (0, made.stdout)
    assert len(hub.given) == given


def test_an_archive_of_the_hub_is_fetched_by_its_id(hub, tmp_path):
    (hub.folder / "nvidia" / "stt_es").mkdir(parents=True)
    (hub.folder / "nvidia" / "stt_es" / "stt_es.nemo").write_bytes(ARCHIVE.read_bytes())
    made = plan(hub, tmp_path, "nvidia/stt_es")
    assert made.returncode == 0, made.stderr
    assert hub.given == ["stt_es.nemo"]


def test_a_model_that_the_hub_has_not_is_one_error(hub, tmp_path):
    made = plan(hub, tmp_path, "somebody/absent")
    assert made.returncode == 2
    assert "somebody/absent: not in the store, no folder here, and the hub says" in " ".join(made.stderr.split())
    assert "Traceback" not in made.stderr
