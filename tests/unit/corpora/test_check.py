"""The corpus check finds each kind of fault, leaves good data alone, and its counts add up."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from vizinho.corpora.check import CheckReport, check_corpus, write_check
from vizinho.corpora.findings import Finding
from vizinho.corpora.manifest import read_manifest
from vizinho.corpora.pace import measure_pace
from vizinho.errors import CorpusError
from vizinho.records import Utterance
from vizinho.text.normalize import get_normalizer

RATE = 16_000
PHRASES = [
    "uma casa amarela", "o gato dorme", "bom dia a todos", "hoje vai chover muito", "a janela está aberta",
    "comprei pão", "o rio corre para o mar", "ela lê um livro", "três pássaros no fio", "vamos jantar cedo",
]  # fmt: skip
LETTERS_PER_SECOND = 10
Corpus = list[Utterance]


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    """Thirty utterances in two splits, speakers and texts apart, with noise as long as the texts need."""
    made = []
    for number in range(30):
        split = "test" if number >= 24 else "train"
        text = f"{PHRASES[number % 10]} {'xyzwvu'[number // 5]}{chr(ord('a') + number % 7)}"
        seconds = 0.3 + len(text.replace(" ", "")) / LETTERS_PER_SECOND
        path = tmp_path / f"u{number:02d}.wav"
        samples = np.random.default_rng(number).normal(0, 0.1, round(seconds * RATE))
        soundfile.write(path, samples, RATE)
        made.append(Utterance(f"u{number:02d}", path, text, "pt", f"speaker-{split}", seconds, split))
    return made


def check(corpus: Corpus, tokens: set[str] | None = None) -> CheckReport:
    return check_corpus(corpus, normalizer=get_normalizer("pt"), tokens=tokens)


def found(report: CheckReport, name: str) -> set[tuple[str, str]]:
    return {(f.kind, f.severity) for f in report.findings if f.id == name}


def reasons(report: CheckReport, name: str) -> list[Finding]:
    """The findings that put an utterance into quarantine."""
    return [f for f in report.findings if f.id == name and f.severity == "quarantine"]


def test_clean_data_is_left_clean(corpus: Corpus) -> None:
    seen: list[str] = []
    report = check_corpus(corpus, normalizer=get_normalizer("pt"), progress=lambda _amount, note: seen.append(note))
    assert (report.findings, report.quarantined, list(report.clean)) == ((), (), corpus)
    assert seen == [u.id for u in corpus]


def test_processes_report_the_same(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vizinho.corpora.check._GROUP", 8)
    corpus[3].audio.write_bytes(b"no audio")
    seen: list[str] = []
    report = check_corpus(
        corpus, normalizer=get_normalizer("pt"), processes=2, progress=lambda _amount, note: seen.append(note)
    )
    assert report == check(corpus)
    assert report.quarantined == (corpus[3],)
    assert seen == [u.id for u in corpus]


def audio(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Corpus], None]:
    def apply(corpus: Corpus) -> None:
        samples, _ = soundfile.read(corpus[0].audio)
        soundfile.write(corpus[0].audio, change(samples), RATE)

    return apply


def text(new: str) -> Callable[[Corpus], None]:
    def apply(corpus: Corpus) -> None:
        corpus[0] = replace(corpus[0], text=new)

    return apply


def _missing(corpus: Corpus) -> None:
    corpus[0].audio.unlink()


def _broken(corpus: Corpus) -> None:
    corpus[0].audio.write_bytes(corpus[0].audio.read_bytes()[:30])


def _wrong_duration(corpus: Corpus) -> None:
    corpus[0] = replace(corpus[0], duration_seconds=corpus[0].duration_seconds + 2)


def _same_file(corpus: Corpus) -> None:
    shutil.copy(corpus[1].audio, corpus[0].audio)
    corpus[0] = replace(corpus[0], text=corpus[1].text, duration_seconds=corpus[1].duration_seconds)
    # The first of two copies stays, so the fault is made to stand second.
    corpus[0], corpus[1] = replace(corpus[1], id="u01"), replace(corpus[0], id="u00")


def _same_file_other_text(corpus: Corpus) -> None:
    shutil.copy(corpus[1].audio, corpus[0].audio)
    corpus[0] = replace(corpus[0], duration_seconds=corpus[1].duration_seconds)


def _same_text(corpus: Corpus) -> None:
    corpus[0], corpus[1] = corpus[1], replace(corpus[0], text=corpus[1].text)


def _clip(samples: np.ndarray, share: float) -> np.ndarray:
    return np.where(np.arange(samples.size) < share * samples.size, 1.0, samples)


FAULTS: dict[str, tuple[Callable[[Corpus], None], set[tuple[str, str]]]] = {
    "missing file": (_missing, {("audio", "quarantine")}),
    "broken file": (_broken, {("audio", "quarantine")}),
    "no samples": (audio(lambda s: s[:0]), {("audio", "quarantine")}),
    "silence": (audio(lambda s: s * 1e-4), {("silence", "quarantine")}),
    "some clipping": (audio(lambda s: _clip(s, 0.05)), {("clipping", "warning")}),
    "much clipping": (audio(lambda s: _clip(s, 0.5)), {("clipping", "quarantine")}),
    "punctuation only": (text("?!"), {("empty-text", "quarantine")}),
    "no text": (text(""), {("empty-text", "quarantine")}),
    "stage note": (text("uma casa (ri) xa"), {("brackets", "quarantine")}),
    "far too much text": (
        text("uma casa amarela que fica muito longe daqui, do outro lado do rio e da serra"),
        {("pace", "quarantine"), ("label-too-long", "quarantine")},
    ),
    "wrong duration": (_wrong_duration, {("duration", "warning")}),
    "same file twice": (_same_file, {("duplicate-audio", "quarantine"), ("duplicate-text", "warning")}),
    "same file, two texts": (_same_file_other_text, {("duplicate-audio", "quarantine")}),
    "unknown speaker": (
        lambda corpus: corpus.__setitem__(0, replace(corpus[0], speaker="")),
        {("no-speaker", "warning")},
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_is_found(fault: str, corpus: Corpus, tmp_path: Path) -> None:
    spoil, expected = FAULTS[fault]
    spoil(corpus)
    report = check(corpus)
    # A text of another length than before is unusual for its speaker; that is not what is tested here.
    assert found(report, "u00") - {("pace", "warning")} == expected
    others = {f.id for f in report.findings} - {"u00"}
    assert others == ({"u01"} if "two texts" in fault else set()), "findings about good utterances"
    assert_adds_up(report, corpus, tmp_path / "out")


def assert_adds_up(report: CheckReport, corpus: Corpus, folder: Path) -> None:
    assert report.total == len(corpus) == len(report.clean) + len(report.quarantined)
    assert {u.id for u in report.clean} | {u.id for u in report.quarantined} == {u.id for u in corpus}
    assert {u.id for u in report.quarantined} == {f.id for f in report.findings if f.severity == "quarantine"}
    clean, quarantine = write_check(report, folder, "pt")
    assert tuple(read_manifest(clean)) == report.clean
    rows = [json.loads(line) for line in quarantine.read_text("utf-8").splitlines()]
    assert [row["id"] for row in rows] == [u.id for u in report.quarantined]
    assert all(row["reasons"] for row in rows)
    for row in rows:
        assert [r["kind"] for r in row["reasons"]] == [f.kind for f in reasons(report, row["id"])]
        assert (folder / row["audio"]).resolve() == next(u.audio for u in corpus if u.id == row["id"]).resolve()
    as_json = json.loads(json.dumps(report.to_json()))
    assert as_json["utterances"] == as_json["clean"] + as_json["quarantined"]
    assert len(as_json["findings"]) == len(report.findings)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("uma casa 3", set()),
        ("uma casa 3%", set()),
        ("uma casa ½", {("signs", "quarantine")}),
        ("uma casa 5¥", {("signs", "quarantine")}),
        ("uma casa 3/4", {("signs", "warning")}),
        ("uma casa ♪", {("signs", "warning")}),
        ("uma casa, “xa”…", set()),
    ],
)
def test_signs_that_may_be_heard_and_are_dropped_are_found(
    words: str, expected: set[tuple[str, str]], corpus: Corpus
) -> None:
    corpus[0] = replace(corpus[0], text=words)
    assert {f for f in found(check(corpus), "u00") if f[0] == "signs"} == expected


def test_numbers_without_words_are_quarantined(corpus: Corpus) -> None:
    corpus[0] = replace(corpus[0], text="uma casa 3")
    report = check_corpus(corpus, normalizer=get_normalizer("gn"))
    assert ("text", "quarantine") in found(report, "u00")
    assert "the number 3 cannot be written as words in 'gn'" in reasons(report, "u00")[0].detail


def test_characters_without_a_token_are_named(corpus: Corpus) -> None:
    corpus[0] = replace(corpus[0], text="uma casa año")
    report = check(corpus, tokens=set("".join(PHRASES)) | set("xyzwvu"))
    assert [f.id for f in report.findings if f.kind == "characters"] == ["u00"]
    assert reasons(report, "u00")[0].detail == "without a token: ñ"


def test_label_must_fit_into_the_frames(corpus: Corpus) -> None:
    # Eight letters, four of them repeats: twelve frames of 40 ms.
    corpus[0] = replace(corpus[0], text="aabbccdd")
    for seconds, fits in ((0.485, True), (0.475, False)):
        soundfile.write(corpus[0].audio, np.random.default_rng(0).normal(0, 0.1, round(seconds * RATE)), RATE)
        kinds = {f.kind for f in check(corpus).findings if f.id == "u00"}
        assert ("label-too-long" in kinds) is not fits


def test_measured_durations_replace_wrong_ones(corpus: Corpus) -> None:
    _wrong_duration(corpus)
    report = check(corpus)
    assert report.clean[0].duration_seconds == pytest.approx(corpus[0].duration_seconds - 2, abs=1e-3)
    assert report.clean[1:] == tuple(corpus[1:])


def test_repeated_text_of_one_speaker_is_a_warning(corpus: Corpus) -> None:
    corpus[1] = replace(corpus[1], text=corpus[0].text)
    report = check(corpus)
    assert ("duplicate-text", "warning") in found(report, "u01")
    assert report.quarantined == ()


def test_leaks_between_splits_are_found_at_the_evaluation_side(corpus: Corpus) -> None:
    corpus[29] = replace(corpus[29], speaker="speaker-train")
    corpus[28] = replace(corpus[28], text=corpus[8].text.upper() + "!")
    report = check(corpus)
    leaks = {(f.kind, f.id, f.severity) for f in report.findings if f.kind.endswith("leak")}
    assert leaks == {("speaker-leak", "u29", "warning"), ("text-leak", "u28", "warning")}


def test_of_two_copies_across_splits_the_test_one_stays(corpus: Corpus) -> None:
    shutil.copy(corpus[29].audio, corpus[0].audio)
    corpus[0] = replace(corpus[0], text=corpus[29].text)
    report = check(corpus)
    assert [u.id for u in report.quarantined] == ["u00"]


def test_nothing_clean_and_nothing_at_all(corpus: Corpus, tmp_path: Path) -> None:
    for utterance in corpus:
        utterance.audio.unlink()
    with pytest.raises(CorpusError, match="none of 30 utterances is clean"):
        write_check(check(corpus), tmp_path / "out", "pt")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["pt.quarantine.jsonl"]
    with pytest.raises(CorpusError, match="no utterances to check"):
        check([])
    with pytest.raises(CorpusError, match="id 'u00' occurs more than once"):
        check([corpus[0], corpus[0]])


def test_pace_is_the_speakers_own() -> None:
    rng = np.random.default_rng(0)
    letters = rng.integers(5, 60, size=200)
    # One speaker is three times as fast as the other; each has one text that does not fit.
    rate = np.where(np.arange(200) < 100, 6.0, 18.0)
    seconds = (0.3 + letters / rate) * rng.lognormal(0, 0.05, size=200)
    seconds[7], seconds[107] = seconds[7] / 3, seconds[107] / 3
    speakers = ["slow"] * 100 + ["fast"] * 100
    scores = [p.score for p in measure_pace(letters.tolist(), seconds.tolist(), speakers)]
    assert [i for i, s in enumerate(scores) if abs(s) > 3.5] == [7, 107]
    together = [p.score for p in measure_pace(letters.tolist(), seconds.tolist(), ["one"] * 200)]
    assert abs(together[7]) < 3.5, "without speakers the slow one's fault hides behind the fast one"


def test_pace_needs_enough_utterances_and_survives_equal_texts() -> None:
    few = measure_pace([5, 50], [1.0, 1.0], ["a", "a"])
    assert [p.score for p in few] == [0, 0]
    equal = measure_pace([8] * 30, [1.0] * 29 + [0.25], ["a"] * 30)
    assert equal[-1].score > 4
    assert abs(equal[0].score) < 1


def test_finds_the_known_misfits_in_the_shared_recordings(shared: Path) -> None:
    wanted = {"es_tuxpaint-5b319fd552", "es_tuxpaint-e5b3ef5b58"}
    everything = read_manifest(shared / "speech" / "es.jsonl")
    # Every tenth utterance is enough for the speakers' paces and keeps the test short.
    some = [u for i, u in enumerate(everything) if i % 10 == 0 or u.id in wanted]
    report = check_corpus(some, normalizer=get_normalizer("es"))
    misfits = {f.id for f in report.findings if f.kind == "pace" and f.severity == "quarantine"}
    assert wanted <= misfits
    assert len(misfits) <= len(wanted) + 4
