"""`vizinho lm`: n-gram and LSTM language models: train, transfer, mix, evaluate, and tune for a recogniser."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from vizinho.cli import options
from vizinho.cli.emit import emit, markdown, show_plan, warn
from vizinho.cli.options import (
    AsJson,
    Commands,
    Dev,
    DryRun,
    Fresh,
    Model,
    Orthographies,
    Out,
    Quiet,
    Rate,
    Rows,
    Samples,
    Seed,
    Steps,
    Texts,
    Threads,
    To,
    language_tag,
    normalizer_for,
    refuse_options_of_other_kinds,
)
from vizinho.corpora.manifest import DEV_MINUTES, held_out_texts, read_manifest
from vizinho.errors import SpecError
from vizinho.store.store import Store

if TYPE_CHECKING:
    from vizinho.decoding.lm.train import Source, SourceReport
    from vizinho.job.decoder import Choice
    from vizinho.text_models.lstm_job import LmJob
    from vizinho.text_models.punctuation_job import TaggerJob

app = Commands(help="Language models: train, transfer, mix, evaluate, tune for a recogniser.")


class Kind(StrEnum):
    """Kinds of language model that can be trained."""

    ngram = "ngram"
    lstm = "lstm"
    punctuation = "punctuation"


class Metric(StrEnum):
    """Error rates."""

    cer = "cer"
    wer = "wer"


_OPTIONS_OF = {
    "ngram": ("model", "unit", "order", "prune", "list_words", "list_once", "exclude_corpus", "exclude_from_lists"),
    "lstm": ("dev", "width", "hidden", "layers", "steps", "rate", "samples", "seed", "threads", "fresh", "quiet"),
    "punctuation": ("start", "dev", "steps", "rate", "seed", "threads", "fresh", "quiet"),
}
LSTM_WORDS = 10_000  # most words of an LSTM model's list, if not given


@app.command()
def train(
    context: typer.Context,
    texts: Annotated[
        list[str],
        Argument(
            help="Text files, one sentence a line; ngram: wordfreq:pt is the list of frequent Portuguese words.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, Option("--out", help="ARPA file (ngram; its card beside it) or folder.")],
    kind: Annotated[
        Kind, Option("--kind", help="ngram: Kneser-Ney, ARPA; lstm: neural; punctuation: marks and capitals.")
    ] = Kind.ngram,
    lang: Annotated[
        str | None, Option("--lang", callback=language_tag, help="Language: its normaliser and its alphabet.")
    ] = None,
    vocabulary: Annotated[
        int | None,
        Option("--vocabulary", help="Most frequent words to keep; all (ngram) or 10000 (lstm) if not given.", min=1),
    ] = None,
    model: Annotated[str | None, Option("--model", help="ngram: use this recogniser's letters.")] = None,
    unit: Annotated[str, Option("--unit", help="ngram: word or char.")] = "word",
    order: Annotated[int, Option("--order", help="ngram: longest n-gram, 1 to 6.", min=1, max=6)] = 3,
    prune: Annotated[
        int, Option("--prune", help="ngram: drop n-grams of order 2 and more that occur at most this often.", min=0)
    ] = 0,
    list_words: Annotated[
        int | None,
        Option("--list-words", help="ngram: most frequent words to take of a word list; default all.", min=1),
    ] = None,
    list_once: Annotated[
        bool, Option("--list-once", help="ngram: count every word of a word list once, not by its frequency.")
    ] = False,
    exclude_corpus: Annotated[
        list[Path] | None,
        Option(
            "--exclude-corpus",
            help="ngram: hold out the texts of this manifest outside its train split; repeatable. Equal lines are "
            "skipped and counted.",
        ),
    ] = None,
    exclude_from_lists: Annotated[bool, Option("--exclude-from-lists", help="ngram: in word lists too.")] = False,
    orthography: Orthographies = None,
    start: Annotated[
        Path | None,
        Option("--start", help="punctuation: start from a neighbour's, by the transfer plan.", show_default=False),
    ] = None,
    dev: Dev = None,
    width: Annotated[int, Option("--width", help="lstm: components of a word's vector.", min=1)] = 128,
    hidden: Annotated[int, Option("--hidden", help="lstm: cells of a layer.", min=1)] = 128,
    layers: Annotated[int, Option("--layers", help="lstm: number of layers.", min=1)] = 2,
    steps: Steps = 1500,
    rate: Rate = 3e-3,
    samples: Samples = 1024,
    seed: Seed = 1,
    threads: Threads = 1,
    fresh: Fresh = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Train a language model: n-grams with modified Kneser-Ney smoothing, or an LSTM that predicts the next word.

    Options that begin with a kind apply to that kind only; those of training and --seed to lstm and punctuation.
    punctuation: a transformer that learns from plain text where marks stand and which words have capitals.
    """
    refuse_options_of_other_kinds(context, kind, _OPTIONS_OF)
    if kind is Kind.ngram:
        from vizinho.decoding.lm.train import LmOptions as NgramOptions
        from vizinho.decoding.lm.train import source_of

        target, sources = (
            _target(lang, model, orthography),
            [source_of(text, most=list_words, once=list_once) for text in texts],
        )
        ngrams = NgramOptions(unit, order, vocabulary, prune)
        _train_ngrams(out, sources, ngrams, target, exclude_corpus or [], exclude_from_lists, as_json)
        return
    spelt = normalizer_for(needed_language(lang), orthography)
    paths, dev_paths = tuple(map(Path, texts)), tuple(dev or ())
    if kind is Kind.punctuation:
        from vizinho.text_models.lstm_task import LmOptions as TaggerOptions
        from vizinho.text_models.punctuation_job import TaggerJob

        training = TaggerOptions(steps=steps, learning_rate=rate, seed=seed, threads=threads)
        _train_punctuation(TaggerJob(paths, spelt, dev_paths, start, training), out, fresh, quiet, as_json)
        return
    from vizinho.text_models.lstm import Architecture
    from vizinho.text_models.lstm_job import LmJob
    from vizinho.text_models.lstm_task import LmOptions

    training = LmOptions(steps=steps, learning_rate=rate, samples=samples, seed=seed, threads=threads)
    shape = Architecture(width=width, hidden=hidden, layers=layers)
    words = vocabulary or LSTM_WORDS
    own = spelt if orthography else None
    job = LmJob(needed_language(lang), paths, dev_paths, shape, words, options=training, normalizer=own)
    run_job(job, out, fresh=fresh, quiet=quiet, as_json=as_json)


def _train_punctuation(job: TaggerJob, out: Path, fresh: bool, quiet: bool, as_json: bool) -> None:
    from vizinho.progress import bar
    from vizinho.text_models.punctuation_job import make_punctuation

    log = (lambda _line: None) if quiet else (lambda line: warn([line]))
    with bar(f"training {out.name}", job.options.steps) as advance:
        card = make_punctuation(job, out, fresh=fresh, progress=advance, log=log)
    warn_skipped(tuple(card["skipped"]))
    f1 = card["dev"]
    text = (
        f"{out}: learnt from {card['words']:,} words; F1 on dev: marks {f1['marks']:.3f}, capitals "
        f"{f1['capitals']:.3f} at step {card['best_step']} (used for choosing; not a test result)"
    )
    emit({"model": out, **card}, as_json, text)


def needed_language(lang: str | None) -> str:
    """The language of a text model; SpecError where none was given."""
    if lang is None:
        raise SpecError("no language", where="--lang", fix="give --lang, such as --lang pt")
    return lang


def _train_ngrams(
    out: Path,
    sources: list[Source],
    ngrams: Any,
    target: tuple[Any, frozenset[str]],
    exclude_corpora: list[Path],
    exclude_from_lists: bool,
    as_json: bool,
) -> None:
    from vizinho.decoding.lm.train import train_language_model
    from vizinho.progress import bar

    # Held-out texts are compared as the model would see them, so case and punctuation hide no leak.
    normalize, letters = target
    excluded = (utterance for manifest in exclude_corpora for utterance in read_manifest(manifest))
    with bar("lines", sum(source.size for source in sources)) as advance:
        card, reports = train_language_model(
            out,
            sources,
            ngrams,
            normalize,
            letters,
            exclude=frozenset(held_out_texts(excluded, normalize)),
            exclude_from_lists=exclude_from_lists,
            progress=advance,
        )
    unknown = f"{card.unknown / max(card.units, 1):.2%} unknown"
    size = f"{out}: {_sizes(card)} n-grams of {card.units:,} running {card.unit}s, {unknown}"
    emit({"lm": out, **asdict(card)}, as_json, [*map(_report_line, reports), size])


def _sizes(card: Any) -> str:
    return " + ".join(f"{size:,}" for size in card.sizes)


def _report_line(report: SourceReport) -> str:
    left_out = {
        f"{report.excluded:,} excluded": report.excluded,
        f"{report.empty:,} without words": report.empty,
        f"{report.unreadable:,} not normalised, such as {report.first_unreadable!r}": report.unreadable,
    }
    counts = "".join(f"; {what}" for what, count in left_out.items() if count)
    return f"{report.name}: {report.kept:,} of {report.lines:,} lines{counts}"


def _target(lang: str | None, model: str | None, orthography: Path | None) -> tuple[Any, frozenset[str]]:
    """Normaliser and letters of a recogniser or of a language."""
    if model is not None and orthography is not None:
        raise SpecError("--model has a spelling of its own", where="--orthography", fix="give one of the two")
    from vizinho.text.alphabets import alphabet
    from vizinho.text.normalize import get_normalizer

    if model is None:
        normalizer = normalizer_for(needed_language(lang), orthography)
        letters = frozenset(alphabet(needed_language(lang)))
        # A language without a listed alphabet takes every letter of the texts.
        if letters and (own := normalizer.own):
            letters |= frozenset(own.letters + own.joiners + own.marks + own.tones)
        return normalizer, letters
    from transformers import AutoProcessor

    from vizinho.decoding.beam import letters_of
    from vizinho.recognition.whisper_export import is_whisper
    from vizinho.text.tokens import inventory_of

    store = Store()
    card, folder = store.card(model), store.resolve(model)
    # A network that writes bytes has every letter.
    of_model = (
        frozenset() if is_whisper(folder) else letters_of(inventory_of(AutoProcessor.from_pretrained(folder).tokenizer))
    )
    return (card.text_normalizer() if card else get_normalizer(needed_language(lang))), of_model


@app.command()
def transfer(
    donor: Annotated[Path, Argument(help="Folder of the LSTM model to start from.")],
    texts: Texts,
    to: To,
    out: Out,
    dev: Dev = None,
    vocabulary: Annotated[int, Option("--vocabulary", help="Most frequent words to keep.", min=1)] = LSTM_WORDS,
    new_rows: Annotated[
        str, Option("--new-rows", help="How words the donor lacks start: features (neighbours) or fresh.")
    ] = "features",
    donor_vectors: Annotated[
        Path | None, Option("--donor-vectors", help="Static vectors of the donor's language (.bin, .vec).")
    ] = None,
    target_vectors: Annotated[
        Path | None, Option("--target-vectors", help="Static vectors of the target; without both, by spelling.")
    ] = None,
    dictionary: Annotated[
        Path | None, Option("--dictionary", help="Pairs to align vectors by: donor word, tab, target word.")
    ] = None,
    row: Rows = None,
    steps: Steps = 600,
    rate: Rate = 3e-3,
    samples: Samples = 1024,
    seed: Seed = 1,
    threads: Threads = 1,
    dry_run: DryRun = False,
    fresh: Fresh = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Move an LSTM model to another language: copy its layers, start each word's row by the transfer plan."""
    from vizinho.plan.tokens import RowOptions
    from vizinho.text_models.lstm_job import LmJob, Start
    from vizinho.text_models.lstm_task import LmOptions

    rows = RowOptions(new_rows, options.row_overrides(row or []))
    start = Start(donor, rows, target_vectors, donor_vectors, dictionary)
    training = LmOptions(steps=steps, learning_rate=rate, samples=samples, seed=seed, threads=threads)
    job = LmJob(to, tuple(texts), tuple(dev or ()), vocabulary=vocabulary, start=start, options=training)
    run_job(job, out, fresh=fresh, quiet=quiet, as_json=as_json, dry_run=dry_run)


def run_job(job: LmJob, out: Path, *, fresh: bool, quiet: bool, as_json: bool, dry_run: bool = False) -> None:
    """Train an LSTM model, or print its transfer plan and stop."""
    from vizinho.progress import bar
    from vizinho.text_models.lstm_folder import check_destination
    from vizinho.text_models.lstm_job import make_ready, run

    check_destination(out)
    ready = make_ready(job)
    warn_skipped(ready.texts.skipped)
    if ready.plan is not None and (dry_run or not as_json):
        show_plan(ready.plan, as_json, all_rows=dry_run)
    if dry_run:
        return
    log = (lambda _line: None) if quiet else (lambda line: warn([line]))  # not on standard output, which --json owns
    with bar(f"training {out.name}", job.options.steps) as advance:
        result = run(ready, out, fresh=fresh, progress=advance, log=log)
    words, running_words = len(ready.trained.words), sum(map(len, ready.data.train))
    values = {
        "model": out,
        "words": words,
        "running_words": running_words,
        "best_step": result.best_step,
        "dev_perplexity": result.dev_score,
        "plan": ready.plan.counts() if ready.plan else None,
        "set_aside": ready.texts.skipped,
    }
    text = (
        f"{out}: {words:,} words learnt from {running_words:,} running words; dev perplexity "
        f"{result.dev_score:.1f} at step {result.best_step} (used for choosing; not a test result)"
    )
    emit(values, as_json, text)


def warn_skipped(lines: tuple[str, ...]) -> None:
    """Name the lines of a text that were skipped because they hold no words."""
    warn(f"skipped {line}" for line in lines)


@app.command()
def evaluate(
    model: Annotated[Path, Argument(help="ARPA file, or folder of an LSTM model or of a tagger of punctuation.")],
    texts: Texts,
    lang: Annotated[str | None, Option("--lang", help="Normaliser of an ARPA file without a card.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure how well a model predicts texts: perplexity, unknown words; of n-grams also bits per letter.

    A tagger of punctuation has F1 of marks and of capitals, without the help of pauses.

    An ARPA file is measured on each text by itself, an LSTM model on all texts together, with a 95 % interval.
    """
    from vizinho.text_models.punctuation import is_punctuation

    if model.is_file():
        _evaluate_ngrams(model, texts, lang, as_json)
    elif is_punctuation(model):
        _evaluate_punctuation(model, texts, as_json)
    else:
        _evaluate_lstm(model, texts, as_json)


def _evaluate_punctuation(folder: Path, texts: list[Path], as_json: bool) -> None:
    from vizinho.text_models.punctuation import labels_of, load_punctuation
    from vizinho.text_models.punctuation_job import scores

    punctuation = load_punctuation(folder)
    lines, skipped = labels_of(texts, punctuation.normalizer)
    warn_skipped(skipped)
    f1 = scores(punctuation, lines)
    by_mark = ", ".join(f"{mark} {value:.3f}" for mark, value in f1.by_mark.items())
    text = f"F1 of marks {f1.marks:.3f} ({by_mark}), of capitals {f1.capitals:.3f}; {len(lines):,} lines"
    emit({"model": folder, "lines": len(lines), "skipped": skipped, **asdict(f1)}, as_json, text)


def _evaluate_ngrams(lm: Path, texts: list[Path], lang: str | None, as_json: bool) -> None:
    from vizinho.decoding.lm.arpa import predict, read_arpa
    from vizinho.decoding.lm.model import load_language_model
    from vizinho.decoding.lm.train import text_file
    from vizinho.text.normalize import get_normalizer

    card = load_language_model(lm).card
    if not (lang or card.normalizer):
        raise SpecError("the model has no card that names its normaliser", where=lm, fix="give --lang")
    normalize = get_normalizer(lang) if lang else get_normalizer(card.normalizer or "", card.orthography)
    arpa = read_arpa(lm)
    measured = {}
    for text in texts:
        prediction = predict(arpa, card.unit, (normalize(line) for line, _ in text_file(text).lines))
        names = ("sentences", "units", "unknown", "perplexity", "perplexity_known", "bits_per_letter")
        measured[str(text)] = {name: getattr(prediction, name) for name in names}
    lines = (
        f"{name}: perplexity {values['perplexity']:.1f} a {card.unit} ({values['perplexity_known']:.1f} of known "
        f"ones), {values['bits_per_letter']:.3f} bits a letter; {values['units']:,} {card.unit}s and ends, "
        f"{values['unknown'] / values['units']:.2%} unknown"
        for name, values in measured.items()
    )
    emit({"lm": lm, "unit": card.unit, "texts": measured}, as_json, lines)


def _evaluate_lstm(folder: Path, texts: list[Path], as_json: bool) -> None:
    from vizinho.text_models.lstm_folder import load_model
    from vizinho.text_models.lstm_scores import perplexity
    from vizinho.text_models.texts import read_texts

    trained = load_model(folder)
    read = read_texts(texts, trained.normalizer)
    warn_skipped(read.skipped)
    score = perplexity(trained, read.sentences)
    lines = [
        f"perplexity {score.perplexity:.1f} [{score.interval[0]:.1f}, {score.interval[1]:.1f}] "
        f"over {score.words:,} words",
        f"{score.unknown_share:.1%} unknown words; {score.open_perplexity:.1f} with these spelt out",
    ]
    emit({"model": folder, **asdict(score), "set_aside": read.skipped}, as_json, lines)


@app.command()
def tune(
    model: Model,
    corpus: Annotated[
        Path,
        Option(
            "--corpus",
            help="Manifest (JSONL), or a corpus in another format; without a dev split, what training held out is dev.",
        ),
    ],
    lms: Annotated[
        list[Path] | None,
        Option(
            "--lm",
            help="Language model (ARPA): of words, of characters, or both. If not given, one of words is trained: on "
            "the train split's texts, --text, and the language's frequent words.",
            show_default=False,
        ),
    ] = None,
    text: Annotated[
        list[Path] | None,
        Option("--text", help="Sentences to learn from, one a line, where no --lm is given.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None, Option("--out", help="Decoder file to write (JSON); the model takes it as its own if not given.")
    ] = None,
    lexicon: Annotated[
        Path | None,
        Option("--lexicon", help="Words and their spellings in the recogniser's letters: word, tab, spelling."),
    ] = None,
    rescore: options.Rescore = None,
    split: Annotated[str, Option("--split", help="Split to choose on; test is refused.")] = "dev",
    minutes: Annotated[
        float, Option("--minutes", help="Minutes of the split to choose on, always the same ones; 0 takes all.", min=0)
    ] = DEV_MINUTES,
    metric: Annotated[Metric, Option("--metric", help="Error rate to choose by.")] = Metric.cer,
    beam_width: options.BeamWidth = None,
    threads: Threads = 1,
    as_json: AsJson = False,
) -> None:
    """Choose language models and all weights on dev, print what each part brings, and make it the model's decoder.

    From then on `transcribe`, `evaluate` and `serve` use it.
    """
    from vizinho.decoding.setup import write_decoder, write_own_decoder
    from vizinho.job.data import as_manifest
    from vizinho.job.decoder import choose_decoder, model_of_texts, of_split, spoken, with_trainings_dev
    from vizinho.progress import board
    from vizinho.recognition.files import Work

    if lms and text:
        raise SpecError("a model is given, nothing is learnt", where="--text", fix="give --lm or --text")
    store = Store()
    card = store.card(model)
    corpus = as_manifest(corpus, card.language, store.home, lambda line: warn([line]), board) if card else corpus
    utterances = with_trainings_dev(read_manifest(corpus), card)
    of_split(utterances, split, minutes)  # what is refused is refused before the work
    if out is None:
        store.decoder_place(model)
    place = store.resolve(model)
    recognizer = Work(place, threads=threads, language=spoken(place, card, lambda: utterances)).open()
    with board() as show, tempfile.TemporaryDirectory() as folder:
        if not lms:
            # A decoder file names its models, so they stay beside it; the model's own decoder has copies.
            arpa = out.with_suffix(".arpa") if out else Path(folder) / "words.arpa"
            model_of_texts(recognizer, utterances, arpa, texts=text or (), show=show)
            lms = [arpa]
        spec = options.spec_of(lms, beam_width=beam_width, rescore=rescore)
        assert spec is not None
        spec = replace(spec, lexicon=lexicon)
        choice = choose_decoder(
            recognizer, utterances, spec, split=split, minutes=minutes, metric=metric.value, threads=threads, show=show
        )
        note = {"model": model, "corpus": str(corpus), **choice.note}
        if out is not None:
            write_decoder(out, choice.chosen.spec, note)
        written = out or store.add_decoder(model, lambda folder: write_own_decoder(folder, choice.chosen.spec, note))
    head = ["", "CER", "WER", "LM weight", "word", "letter", "unknown", *(["rescoring"] if rescore else [])]
    line = f"{written}: chosen among {note['trials']} on {note['utterances']} utterances of {split}; not a test result"
    emit(
        {"decoder": written, "options": choice.chosen.spec.options, **note},
        as_json,
        [markdown(head, [row[: len(head)] for row in _rows(choice)]), line],
    )


def _rows(choice: Choice) -> list[list[str]]:
    """The network alone, then what each part brings with its best weights."""
    rows = [["greedy", f"{choice.alone.cer:.3f}", f"{choice.alone.wer:.3f}", "", "", "", "", ""]]
    if choice.tuned[0].best is choice.alone:  # a network with a decoder, which may stay as it is
        rows = []
    for tuned in choice.tuned:
        o = tuned.spec.options
        unknown = f"{o.unknown_score:g}" if o.unknown_words else "none"
        weights = [f"{o.lm_weight:g}", f"{o.word_score:g}", f"{o.letter_score:g}", unknown]
        weights = [""] * 4 if tuned.best is choice.alone else weights
        second = tuned.best.rescoring
        weights.append(f"{second.weight:g}, word {second.word_score:g}, LM {second.lm_share:g}" if second else "")
        name = tuned.parts + (" (chosen)" if tuned is choice.chosen else "")
        rows.append([name, f"{tuned.best.cer:.3f}", f"{tuned.best.wer:.3f}", *weights])
    return rows


@app.command()
def mix(
    first: Annotated[Path, Argument(help="Language model (ARPA).")],
    second: Annotated[Path, Argument(help="Another of the same unit.")],
    out: Annotated[Path, Option("--out", help="ARPA file to write.")],
    share: Annotated[float, Option("--share", help="Weight of the first, 0 to 1.", min=0, max=1)] = 0.5,
    as_json: AsJson = False,
) -> None:
    """Mix two models into one (linear interpolation)."""
    from vizinho.decoding.lm.mix import mix_files

    card = mix_files(first, second, share, out)
    emit({"lm": out, "sizes": card.sizes}, as_json, f"{out}: {_sizes(card)} n-grams")
