"""`vizinho lm`: n-gram language models trained, mixed, measured, and weighed against a recogniser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vizinho.cli import decoding as options
from vizinho.cli.options import AsJson, Commands, Model, Threads

if TYPE_CHECKING:
    from vizinho.decoding.lm.train import Source, SourceReport

app = Commands(help="Language models for recognition: train, mix, score, tune.")
_LIST = "wordfreq:"
_SHOWN = 5
"""Trials that `tune` prints beside greedy decoding and the search alone."""


@app.command()
def train(
    texts: Annotated[
        list[str],
        typer.Argument(help="Text files, one sentence a line; wordfreq:pt is the list of frequent Portuguese words."),
    ],
    out: Annotated[Path, typer.Option("--out", help="ARPA file to write; its card is written beside it.")],
    lang: Annotated[str | None, typer.Option("--lang", help="Language: its normaliser and its alphabet.")] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="Recogniser whose normaliser and letters to take instead.")
    ] = None,
    unit: Annotated[str, typer.Option("--unit", help="word or char.")] = "word",
    order: Annotated[int, typer.Option("--order", help="Longest n-gram, 1 to 6.")] = 3,
    vocabulary: Annotated[
        int | None, typer.Option("--vocabulary", help="Most frequent words to keep; all if not given.")
    ] = None,
    prune: Annotated[
        int, typer.Option("--prune", help="Leave out n-grams of order 2 and more that occur at most so often.")
    ] = 0,
    list_words: Annotated[
        int | None, typer.Option("--list-words", help="Most frequent words to take of a word list; all if not given.")
    ] = None,
    list_once: Annotated[
        bool, typer.Option("--list-once", help="Count every word of a word list once, not by its frequency.")
    ] = False,
    exclude_corpus: Annotated[
        list[Path] | None,
        typer.Option(
            "--exclude-corpus",
            help="Manifest whose dev and test texts must not be learnt from: equal lines are left out and counted.",
        ),
    ] = None,
    exclude_from_lists: Annotated[
        bool, typer.Option("--exclude-from-lists", help="Leave those texts out of word lists too.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Train a model with modified Kneser-Ney smoothing and write it as ARPA."""
    from dataclasses import asdict

    from vizinho.decoding.lm.train import LmOptions, train_language_model
    from vizinho.progress import bar

    normalize, letters = _target(lang, model)
    sources = [_source(text, most=list_words, once=list_once) for text in texts]
    excluded = _texts_of(exclude_corpus or [], normalize)
    with bar("lines", sum(source.size for source in sources)) as advance:
        card, reports = train_language_model(
            out,
            sources,
            LmOptions(unit, order, vocabulary, prune),
            normalize,
            letters,
            exclude=excluded,
            exclude_from_lists=exclude_from_lists,
            progress=advance,
        )
    if as_json:
        typer.echo(json.dumps({"lm": str(out), **asdict(card)}, ensure_ascii=False))
        return
    for report in reports:
        typer.echo(_said(report))
    typer.echo(
        f"{out}: {' + '.join(f'{size:,}' for size in card.sizes)} n-grams of {card.units:,} running {card.unit}s, "
        f"{card.unknown / max(card.units, 1):.2%} unknown"
    )


def _said(report: SourceReport) -> str:
    left_out = {
        f"{report.excluded:,} excluded": report.excluded,
        f"{report.empty:,} without words": report.empty,
        f"{report.unreadable:,} not normalised, such as {report.first_unreadable!r}": report.unreadable,
    }
    counted = "".join(f"; {what}" for what, count in left_out.items() if count)
    return f"{report.name}: {report.kept:,} of {report.lines:,} lines{counted}"


def _target(lang: str | None, model: str | None) -> tuple[Any, frozenset[str]]:
    """Normaliser and letters of a recogniser or of a language."""
    from vizinho.errors import SpecError
    from vizinho.text.alphabets import alphabet
    from vizinho.text.normalize import get_normalizer

    if model is None and lang is None:
        raise SpecError("no language", where="lm train", fix="give --lang, or --model with a recogniser")
    if model is None:
        assert lang is not None
        return get_normalizer(lang), frozenset(alphabet(lang))
    from transformers import AutoProcessor

    from vizinho.decoding.beam import letters_of
    from vizinho.store.store import Store
    from vizinho.text.tokens import inventory_of

    store = Store()
    card = store.card(model)
    letters = letters_of(inventory_of(AutoProcessor.from_pretrained(store.resolve(model)).tokenizer))
    return get_normalizer(card.normalizer if card else lang or ""), letters


def _source(text: str, *, most: int | None, once: bool) -> Source:
    from vizinho.decoding.lm.train import frequency_list, text_file

    if text.startswith(_LIST):
        return frequency_list(text.removeprefix(_LIST), most=most, once=once)
    return text_file(Path(text))


def _texts_of(corpora: list[Path], normalize: Any) -> frozenset[str]:
    from vizinho.corpora.manifest import read_manifest

    return frozenset(normalize(u.text) for c in corpora for u in read_manifest(c) if u.split in ("dev", "test"))


@app.command()
def tune(
    model: Model,
    corpus: Annotated[Path, typer.Option("--corpus", help="Manifest (JSONL) with a dev split.")],
    lms: Annotated[list[Path], typer.Option("--lm", help="Language model (ARPA): of words, of characters, or both.")],
    out: Annotated[Path, typer.Option("--out", help="Decoder file to write (JSON).")],
    split: Annotated[str, typer.Option("--split", help="Split to choose on; test is refused.")] = "dev",
    metric: Annotated[str, typer.Option("--metric", help="cer or wer.")] = "cer",
    beam_width: options.BeamWidth = None,
    threads: Threads = 1,
    as_json: AsJson = False,
) -> None:
    """Choose the language model's weight and the scores per word and letter on dev, and write them down."""
    from dataclasses import asdict

    import torch

    from vizinho.cli.decoding import decoder_for, spec_of
    from vizinho.cli.emit import markdown
    from vizinho.corpora.manifest import fingerprint, read_manifest, select
    from vizinho.decoding.setup import DecoderSpec, write_decoder
    from vizinho.decoding.tune import best, grid_for
    from vizinho.decoding.tune import tune as run
    from vizinho.errors import SpecError
    from vizinho.evaluation.rates import error_rates
    from vizinho.progress import bar
    from vizinho.recognition.whole import Recognizer
    from vizinho.store.store import Store
    from vizinho.text.normalize import get_normalizer

    if split == "test" or metric not in ("cer", "wer"):
        wrong = "weights are not chosen on test" if split == "test" else f"unknown metric {metric!r}"
        raise SpecError(wrong, where="lm tune", fix="use dev, and cer or wer")
    torch.set_num_threads(threads)
    folder = Store().resolve(model)
    recognizer = Recognizer.load(folder)
    chosen = select(read_manifest(corpus), split=split)
    normalize = get_normalizer(chosen[0].lang)
    references = {u.id: text for u in chosen if (text := normalize(u.text))}
    spec = spec_of(lms, beam_width=beam_width)
    assert spec is not None
    decoder = decoder_for(spec, folder, recognizer)
    log_probs, plain = {}, {}
    with bar("listening", len(chosen)) as advance:
        for utterance, samples, frames in recognizer.heard([u for u in chosen if u.id in references], advance):
            log_probs[utterance.id] = frames
            plain[utterance.id] = normalize(recognizer.transcript(utterance.id, samples, frames).text)
    greedy = error_rates(references, plain)
    grid = grid_for(decoder)
    with bar("trying", grid.trials) as advance:
        trials = run(log_probs, references, decoder, grid, metric=metric, progress=advance)
    taken = best(trials, metric)
    note = {
        "model": model, "corpus": str(corpus), "split": split, "data": fingerprint(chosen), "metric": metric,
        "utterances": len(references), "cer": taken.cer, "wer": taken.wer, "greedy_cer": greedy[0],
        "greedy_wer": greedy[1], "trials": len(trials),
    }  # fmt: skip
    write_decoder(out, DecoderSpec(spec.lms, taken.options), note)
    if as_json:
        typer.echo(json.dumps({"decoder": str(out), "options": asdict(taken.options), **note}))
        return
    typer.echo(
        markdown(["", "CER", "WER", "LM weight", "word", "letter", "unknown"], _rows(greedy, trials, taken, metric))
    )
    typer.echo(f"{out}: chosen among {len(trials)} on {len(references)} utterances of {split}; not a test result")


def _rows(greedy: tuple[float, float], trials: list[Any], best: Any, metric: str) -> list[list[str]]:
    """Greedy, the search without a language model, the best trials."""
    ranked = sorted(trials, key=lambda t: getattr(t, metric))[:_SHOWN]
    rows = [["greedy", f"{greedy[0]:.3f}", f"{greedy[1]:.3f}", "", "", "", ""]]
    for trial in trials:
        o = trial.options
        scores = (o.lm_weight, o.word_score, o.letter_score, o.unknown_score)
        if trial in ranked or not any(scores):
            name = "chosen" if trial == best else "" if any(scores) else "beam alone"
            rows.append([name, f"{trial.cer:.3f}", f"{trial.wer:.3f}", *(f"{s:g}" for s in scores)])
    return rows


@app.command()
def mix(
    first: Annotated[Path, typer.Argument(help="Language model (ARPA).")],
    second: Annotated[Path, typer.Argument(help="Another of the same unit.")],
    out: Annotated[Path, typer.Option("--out", help="ARPA file to write.")],
    share: Annotated[float, typer.Option("--share", help="Of the first, 0 to 1.")] = 0.5,
    as_json: AsJson = False,
) -> None:
    """Mix two models into one (linear interpolation)."""
    from vizinho.decoding.lm.mix import mix_files

    card = mix_files(first, second, share, out)
    if as_json:
        typer.echo(json.dumps({"lm": str(out), "sizes": card.sizes}))
    else:
        typer.echo(f"{out}: {' + '.join(f'{size:,}' for size in card.sizes)} n-grams")


@app.command()
def score(
    lm: Annotated[Path, typer.Argument(help="Language model (ARPA).")],
    texts: Annotated[list[Path], typer.Argument(help="Text files, one sentence a line.")],
    lang: Annotated[str | None, typer.Option("--lang", help="Normaliser, if the model's card names none.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure how well a model predicts texts: perplexity, unknown units, bits a letter."""
    from vizinho.decoding.lm.arpa import read_arpa
    from vizinho.decoding.lm.measure import predict
    from vizinho.decoding.lm.model import load_language_model
    from vizinho.decoding.lm.train import text_file
    from vizinho.errors import SpecError
    from vizinho.text.normalize import get_normalizer

    card = load_language_model(lm).card
    if not (lang or card.normalizer):
        raise SpecError("the model has no card that names its normaliser", where=lm, fix="give --lang")
    normalize, arpa = get_normalizer(lang or card.normalizer or ""), read_arpa(lm)
    found = {}
    for text in texts:
        made = predict(arpa, card.unit, (normalize(line) for line, _ in text_file(text).lines))
        found[str(text)] = {
            "sentences": made.sentences, "units": made.units, "unknown": made.unknown, "perplexity": made.perplexity,
            "perplexity_known": made.perplexity_known, "bits_per_letter": made.bits_per_letter,
        }  # fmt: skip
    if as_json:
        typer.echo(json.dumps({"lm": str(lm), "unit": card.unit, "texts": found}, ensure_ascii=False))
        return
    for name, values in found.items():
        typer.echo(
            f"{name}: perplexity {values['perplexity']:.1f} a {card.unit} "
            f"({values['perplexity_known']:.1f} of known ones), {values['bits_per_letter']:.3f} bits a letter; "
            f"{values['units']:,} {card.unit}s and ends, "
            f"{values['unknown'] / values['units']:.2%} unknown"
        )
