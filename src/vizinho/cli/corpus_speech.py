"""Commands of `vizinho corpus` that make speech with text: pseudo-labels, alignments and practice speech."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option

from vizinho.cli.emit import SHOWN, emit, markdown, shortened, warn
from vizinho.cli.options import (
    AsJson,
    Engine,
    Lang,
    Manifest,
    Model,
    OnRay,
    Orthographies,
    OutManifest,
    Processes,
    Seed,
    To,
    language_tag,
    processes_for,
)
from vizinho.corpora.manifest import held_out_texts, read_manifest, write_manifest
from vizinho.errors import CorpusError, SpecError
from vizinho.store.store import Store

if TYPE_CHECKING:
    from vizinho.recognition.label import LabelReport
    from vizinho.records import Utterance


def label(
    model: Model,
    sources: Annotated[list[Path], Argument(help="Audio files, folders, or one manifest (JSONL).", show_default=False)],
    out: OutManifest,
    least_confidence: Annotated[
        float, Option("--least-confidence", help="Skip labels with a lower mean confidence.", min=0, max=1)
    ] = 0.0,
    least_agreement: Annotated[
        float,
        Option(
            "--least-agreement",
            help="Transcribe at 1.1 of the speed too, and skip labels of which a smaller share of letters stays.",
            min=0,
            max=1,
        ),
    ] = 0.0,
    lang: Lang = None,
    split: Annotated[str, Option("--split", help="Split of the manifest to label; its rows become train.")] = "train",
    processes: Processes = None,
    on_ray: OnRay = False,
    engine: Engine = "onnx",
    as_json: AsJson = False,
) -> None:
    """Pseudo-label untranscribed speech: FILE gets the accepted labels, NAME.heard.jsonl all of them.

    The same command resumes a run that was stopped; other thresholds decode nothing again. Recordings that
    cannot be read are reported, and the others are still labelled (exit code 2).
    """
    from vizinho.progress import bar
    from vizinho.recognition.files import Work
    from vizinho.recognition.label import PseudoLabelOptions, pseudo_label, untranscribed

    store = Store()
    folder, card = store.resolve(model), store.card(model)
    utterances, skipped = untranscribed(sources, lang or (card.language if card else ""), split)
    warn(f"skipped, not audio: {count} {suffix}" for suffix, count in sorted(skipped.items()))
    spread = processes_for(processes, on_ray, len(utterances))
    options = PseudoLabelOptions(least_confidence, least_agreement, spread, on_ray)
    entry = store.find(model)
    ref = entry.ref if entry else folder.name  # the labels' source names the exact version
    # A model of many languages does not know which it is to write; what was trained here does.
    spoken = lang or (utterances[0].lang if utterances and card is None else None)
    work = Work(folder, engine, language=spoken)
    with bar("pseudo-labelling", len(utterances)) as advance:
        report = pseudo_label(work, ref, utterances, out, options, advance)
    emit(report, as_json, _label_lines(report))
    warn(f"error: {row['id']}: {row['error']}" for row in report.failed[:SHOWN])
    if report.failed:
        warn([f"{len(report.failed)} of {len(utterances)} recordings could not be labelled"])
        raise typer.Exit(2)


def _label_lines(report: LabelReport) -> Iterator[str]:
    yield f"{report.manifest}: {report.accepted} utterances, {report.accepted_minutes:.1f} minutes"
    unreadable = f"{len(report.failed)} unreadable"
    unstable = f", {report.unstable} below the least agreement" if report.unstable else ""
    yield f"skipped: {report.unsure} below the least confidence{unstable}, {report.silent} without words, {unreadable}"
    yield f"median confidence of accepted labels {report.median_confidence:.3f}; done before: {report.done_before}"
    yield f"all transcripts: {report.ledger}"


def align(
    recording: Annotated[Path, Argument(help="Long recording.", show_default=False)],
    text: Annotated[Path, Argument(help="Its text: sentences or lines in order, perhaps NAME: text.")],
    model: Annotated[
        str, Option("--model", help="Model of the language or of a neighbour: NAME, NAME@VERSION, folder.")
    ],
    lang: Annotated[str, Option("--lang", callback=language_tag, help="Language of the speech, such as pt.")],
    out: OutManifest,
    precision: Annotated[
        float, Option("--precision", help="Accept utterances so that this share of them is right.", min=0, max=1)
    ] = 0.99,
    rounds: Annotated[
        int, Option("--rounds", help="With 2: align, train a transfer on what is accepted, align again.", min=1)
    ] = 1,
    donor_language: Annotated[
        str | None,
        Option("--from", callback=language_tag, help="The model's language where its card does not say it."),
    ] = None,
    speaker: Annotated[str, Option("--speaker", help="Who speaks where the text does not say it.")] = "",
    encoding: Annotated[
        str, Option("--encoding", help="Encoding of lines of the text that are not UTF-8, such as cp1252.")
    ] = "",
    orthography: Orthographies = None,
    steps: Annotated[int | None, Option("--steps", help="Training steps between rounds.", min=1)] = None,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Cut a long recording into the utterances of its text, by a neighbour's model and without training.

    Text that nobody says and speech that nobody wrote down are passed over. FILE gets the utterances that are sure,
    NAME.alignment.jsonl all of them; clips go to NAME_audio.
    """
    from vizinho.job.align import AlignOptions, align_recording, report_lines
    from vizinho.progress import board

    options = AlignOptions(precision, rounds, donor_language, speaker, steps, seed, encoding, orthography)
    with board() as show:
        report = align_recording(recording, text, model=model, lang=lang, out=out, options=options, show=show)
    emit(report, as_json, report_lines(report))


def speak(
    language: Annotated[str | None, Argument(help="Language to speak, such as pt, hi or gl (see --list).")] = None,
    out: Annotated[Path | None, Option("--out", help="Folder for the manifest and its audio.")] = None,
    minutes: Annotated[float, Option("--minutes", help="Minutes of speech over all splits.", min=0)] = 30.0,
    seed: Seed = 1,
    text: Annotated[Path | None, Option("--text", help="Your own sentences, one a line, to speak instead.")] = None,
    like: Annotated[
        str | None, Option("--like", help="Languages whose voices read this one, as pt,es; for one without a voice.")
    ] = None,
    letters: Annotated[
        Path | None, Option("--letters", help="Table (TOML) of how its letters are written for a borrowed voice.")
    ] = None,
    listing: Annotated[bool, Option("--list", help="Print the languages that can be spoken, and end.")] = False,
    as_json: AsJson = False,
) -> None:
    """Synthesise practice speech with eSpeak NG: many voice variants, rates and pitches, noise, telephone band.

    Words are wordfreq's, else those of your sentences. A language without a voice is read by its neighbours' voices.
    """
    if listing:
        _list_speakable(as_json)
        return
    if language is None or out is None:
        missing = "LANGUAGE" if language is None else "--out"
        raise SpecError(f"{missing} is missing", where="corpus speak", fix="vizinho corpus speak LANGUAGE --out FOLDER")
    from vizinho.corpora.synthetic import practice_corpus
    from vizinho.progress import bar
    from vizinho.text.language import Language

    sentences = None
    if text is not None:
        if not text.is_file():
            raise CorpusError("no such text file", where=text, fix="check the path")
        sentences = [line.strip() for line in text.read_text(encoding="utf-8").splitlines() if line.strip()]
        if not sentences:
            raise CorpusError("the file has no sentences", where=text, fix="write one sentence a line")
    language = Language.parse(language, where="LANGUAGE", error=CorpusError).base
    with bar(f"speaking {language}", minutes) as advance:
        manifest = practice_corpus(
            language,
            minutes,
            out,
            seed=seed,
            sentences=sentences,
            like=[code.strip() for code in (like or "").split(",") if code.strip()],
            letters=letters,
            progress=advance,
        )
    _emit_manifest(manifest, read_manifest(manifest), as_json)


def _list_speakable(as_json: bool) -> None:
    from vizinho.corpora.synthetic import phrase_books
    from vizinho.g2p.speaking import speakable
    from vizinho.g2p.words import is_listed
    from vizinho.text.alphabets import sample_sentences

    rows = []
    for speech in speakable():
        code = speech.language.code
        sources = {
            "phrase book": code in phrase_books(),
            "wordfreq": is_listed(code),
            "sample sentences": bool(sample_sentences(code)),
        }
        text = next((name for name, there in sources.items() if there), "yours (--text)")
        voices = [reader.voice for reader in speech.readers]
        row = {"code": code, "language": speech.language.name, "voices": voices, "voice": speech.remark, "text": text}
        rows.append(row)
    head = ["code", "language", "voices", "voice is", "text"]
    cells = [[r["code"], r["language"], " ".join(r["voices"]), r["voice"], r["text"]] for r in rows]
    emit({"languages": rows}, as_json, f"{markdown(head, cells)}\n{len(rows)} languages")


def respell(
    corpus: Manifest,
    to: To,
    out: Annotated[Path, Option("--out", help="Manifest to write; the audio stays where it is.")],
    leave_out: Annotated[
        list[Path] | None,
        Option("--leave-out", help="Target manifest whose texts outside train are held out; repeatable."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Turn a donor's corpus into practice speech: its sounds, in the target's letters (needs eSpeak NG)."""
    from vizinho.g2p.respell import respell_corpus
    from vizinho.progress import bar
    from vizinho.text.normalize import get_normalizer

    if out.resolve() == corpus.resolve():  # also by another name of the same file
        raise CorpusError("the corpus would be overwritten", where=out, fix="give another --out")
    held_out = held_out_texts((u for path in leave_out or () for u in read_manifest(path)), get_normalizer(to))
    utterances = read_manifest(corpus)
    with bar("respelling", len(utterances)) as advance:
        respelt = respell_corpus(utterances, to, held_out, advance)
    write_manifest(out, respelt.utterances)
    _emit_manifest(out, respelt.utterances, as_json, left_out=respelt.left_out, examples=respelt.examples)


def revoice(
    corpus: Manifest,
    out: Annotated[Path, Option("--out", help="Folder for the manifest and its audio.")],
    copies: Annotated[int, Option("--copies", help="Voices for each utterance.", min=1)] = 1,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Copy the train part into other voices: Praat changes pitch, vocal tract and pace (extra "voices")."""
    from vizinho.corpora.revoice import revoice_corpus
    from vizinho.progress import bar

    utterances = read_manifest(corpus)
    with bar("revoicing", sum(u.split == "train" for u in utterances)) as advance:
        revoiced = revoice_corpus(utterances, out, copies=copies, seed=seed, progress=advance)
    manifest = out / f"{corpus.stem}.voices.jsonl"
    write_manifest(manifest, revoiced.utterances)
    _emit_manifest(manifest, revoiced.utterances, as_json, left_out=revoiced.left_out)


def _emit_manifest(
    manifest: Path,
    utterances: Sequence[Utterance],
    as_json: bool,
    *,
    left_out: Sequence[tuple[str, str]] = (),
    examples: Sequence[tuple[str, str]] = (),
) -> None:
    """Print what was written; `left_out` has ids and reasons, `examples` texts before and after."""
    minutes = sum(u.duration_seconds for u in utterances) / 60
    values = {"manifest": manifest, "utterances": len(utterances), "minutes": round(minutes, 2)}
    skipped = f", {len(left_out)} skipped" if left_out else ""
    lines = [f"{manifest}: {len(utterances)} utterances, {minutes:.1f} minutes{skipped}"]
    lines += [f"  {before}  ->  {after}" for before, after in examples]
    lines += shortened([f"skipped {utterance_id}: {reason}" for utterance_id, reason in left_out])
    emit(values | {"left_out": left_out, "examples": examples}, as_json, lines)
