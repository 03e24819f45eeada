"""docs/field.md, command by command: from an ELAN folder to a served model, on the tone language."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from commands import RECIPE, vizinho
from fieldwork import eaf
from serving import running
from tones import tone_corpus, tone_speech

from vizinho.audio.io import SAMPLE_RATE, save_audio
from vizinho.corpora.manifest import read_manifest
from vizinho.evaluation.score import error_rates

pytestmark = pytest.mark.pipeline
GUIDE = Path(__file__).parents[2] / "docs" / "field.md"
TONES = RECIPE.replace("steps = 200", "steps = 120")


def guide() -> list[list[str]]:
    """The commands of the page, as a shell would split them."""
    block = re.search(r"## Ten commands\n\n```\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)[1]
    return [shlex.split(line)[1:] for line in block.strip().splitlines()]


def visit(folder: Path, name: str, turns: int, seed: int, transcribed: bool = True) -> list[tuple[float, float, str]]:
    """A recording of turns by two speakers with pauses, and its ELAN file with a transcription and a translation."""
    rng = np.random.default_rng(seed)
    parts, spans, time = [], [], 0.0
    for number in range(turns):
        text = " ".join("".join(rng.choice(list("abcdef"), size=rng.integers(2, 5))) for _ in range(2))
        samples = tone_speech(text, seed=seed * 100 + number)
        pause = np.zeros(SAMPLE_RATE // 4, np.float32)
        spans.append((time, time + samples.size / SAMPLE_RATE, text))
        parts += [samples, pause]
        time += (samples.size + pause.size) / SAMPLE_RATE
    save_audio(folder / f"{name}.wav", np.concatenate(parts))
    if transcribed:
        written = [(start, end, f"{text} [laugh]" if n == 1 else text) for n, (start, end, text) in enumerate(spans)]
        meant = [(start, end, "something else entirely") for start, end, _ in spans]
        people = [("ana", written[0::2]), ("ben", written[1::2])]
        tiers = [(f"tx@{who}", who, theirs) for who, theirs in people]
        eaf(folder / f"{name}.eaf", [*tiers, ("ft@ana", "ana", meant[0::2])], f"./{name}.wav")
    return spans


def corrected(folder: Path, spans: list[tuple[float, float, str]], name: str) -> float:
    """Correct a draft as a person would in ELAN; returns its character error rate."""
    import pympi

    document = pympi.Eaf(str(folder / f"{name}.eaf"))
    drafted = sorted(document.get_annotation_data_for_tier("speech"))
    error_rate, _ = error_rates({"v": " ".join(t for *_, t in spans)}, {"v": " ".join(d[2] for d in drafted)})
    media = document.media_descriptors[0]
    assert media["RELATIVE_MEDIA_URL"] == f"./../recordings/{name}.wav"
    eaf(folder / f"{name}.eaf", [("speech", "ana", spans), ("words", "", [])], media["RELATIVE_MEDIA_URL"])
    return error_rate


def test_the_ten_commands_lead_to_a_served_model(tmp_path, monkeypatch):
    home = tmp_path / "home"
    monkeypatch.chdir(tmp_path)
    visits = Path("visits")
    for seed, name in enumerate(("market", "river", "test/harvest"), start=1):
        visit(visits, name, 14, seed)
    spans = visit(Path("recordings"), "feast", 10, 9, transcribed=False)
    Path("tones.toml").write_text(TONES)
    donor = tone_corpus(tmp_path / "es", count=24, lang="es", letters="abcde")
    assert vizinho("train", "--lang", "es", "--corpus", donor, "--preset", "micro", "--recipe", "tones.toml",
                   "--name", "es", "--quiet", home=home).returncode == 0  # fmt: skip

    commands = guide()
    assert len(commands) == 10
    *before, serve = commands
    for command in before:
        if command[0] == "transfer":
            command = ["es@1" if word == "es-demo" else word for word in command] + ["--recipe", "tones.toml"]
        if command[:2] == ["corpus", "convert"] and command[2] == "drafts":
            assert corrected(Path("drafts"), spans, "feast") < 0.5
        done = vizinho(*command, home=home)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        if command[:3] == ["corpus", "convert", "visits"]:
            assert "  * tx*: 42 texts" in done.stdout
            assert "    ft*: 21 texts" in done.stdout
            assert "note: event, 3: [laugh] (3)" in done.stdout

    rows = read_manifest(Path("gl.clean.jsonl"))
    assert ({u.split for u in rows}, {u.speaker for u in rows}) == ({"train", "test"}, {"ana", "ben"})
    assert [u.text for u in read_manifest(Path("drafts.clean.jsonl"))] == [text for *_, text in spans]
    shown = vizinho("models", "list", "--json", home=home).stdout
    assert "gl" in shown
    scores = json.loads(vizinho("evaluate", "gl@2", "--corpus", "gl.clean.jsonl", "--json", home=home).stdout)
    assert scores["utterances"] == 14
    assert scores["cer"] < 0.3

    assert serve[:2] == ["serve", "gl"]
    with running(*serve[1:], "--workers", "1", home=home, log=tmp_path / "log.txt", key="") as server:
        answer = server.ask("/v1/listen", Path("recordings/feast.wav").read_bytes())
        words = answer.json["results"]["channels"][0]["alternatives"][0]["transcript"]
        assert error_rates({"v": " ".join(t for *_, t in spans)}, {"v": words})[0] < 0.3
        assert server.ask("/", key="").status == 200
