"""The commands as a user types them, with the bundled Spanish donor; what it makes of tones does not matter here."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
from neural_lms import causal_folder, masked_folder
from tones import tone_corpus
from typer.testing import CliRunner

from vizinho.cli.main import app
from vizinho.corpora.manifest import fingerprint
from vizinho.decoding.lm.arpa import read_arpa
from vizinho.decoding.lm.model import load_language_model
from vizinho.decoding.options import BeamOptions
from vizinho.decoding.rescore import RescoreOptions, Rescoring
from vizinho.decoding.setup import DecoderSpec, write_own_decoder
from vizinho.errors import CorpusError, ModelError, SpecError, StoreError, TextError
from vizinho.job.data import read_dataset
from vizinho.job.evaluate import load, transcribe
from vizinho.server.served import ServedModel
from vizinho.server.workers.models import loader
from vizinho.store.store import Store
from vizinho.text_models.scorers import load_scorer

torch.set_num_threads(1)


def typed(*words):
    found = CliRunner().invoke(app, [str(w) for w in words], catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return found.stdout


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A corpus of tones with dev and test, a text, and a word and a character model of it."""
    folder = tmp_path_factory.mktemp("world")
    corpus = tone_corpus(folder / "es", count=6, lang="es", splits=("dev", "test"))
    (folder / "text.txt").write_text(
        "La casa blanca.\nUna casa.\nEl señor habla 2 veces\nabe fed\n\n", encoding="utf-8"
    )
    for unit in ("word", "char"):
        typed(
            "lm", "train", folder / "text.txt", "--model", "es-demo", "--unit", unit, "--out", folder / f"{unit}.arpa"
        )
    return folder, corpus


def test_train_reports_lines_and_ngrams(world):
    folder, _ = world
    said = typed("lm", "train", folder / "text.txt", "--lang", "es", "--order", 2, "--out", folder / "x.arpa")
    assert "text.txt: 4 of 5 lines; 1 without words" in said
    assert "x.arpa: 14 + 16 n-grams of 16 running words, 0.00% unknown" in said


def test_train_takes_the_letters_of_a_recogniser(world):
    folder, _ = world
    arguments = ["lm", "train", folder / "text.txt", "--model", "es-demo", "--out", folder / "m.arpa", "--json"]
    card = json.loads(typed(*arguments))
    assert (
        card["normalizer"] == Store().card("es-demo").normalizer
        and "ñ" in card["alphabet"]
        and "|" not in card["alphabet"]
    )


def test_train_spells_as_an_edited_orthography_says(world):
    folder, _ = world
    (folder / "tones.txt").write_text("ma1 na2\nma2 na1\n", encoding="utf-8")
    (folder / "es.toml").write_text('language = "es"\nletters = "abcdefghijklmnopqrstuvwxyz"\ntones = "12"\n')
    words = ["lm", "train", folder / "tones.txt", "--lang", "es", "--order", 2, "--out", folder / "t.arpa"]
    card = json.loads(typed(*words, "--orthography", folder / "es.toml", "--json"))
    assert (card["unknown"], card["orthography"]["tones"]) == (0, "12")
    assert "ma2" in (folder / "t.arpa").read_text(encoding="utf-8")
    with pytest.raises(SpecError, match="--model has a spelling of its own"):
        typed(*words, "--model", "es-demo", "--orthography", folder / "es.toml")


def test_train_leaves_out_dev_and_test_texts(world):
    folder, corpus = world
    texts = [json.loads(line)["text"] for line in corpus.read_text().splitlines()]
    (folder / "leaky.txt").write_text("\n".join([*texts, "una casa"]))
    arguments = ["lm", "train", folder / "leaky.txt", "--lang", "es", "--out", folder / "l.arpa"]
    assert f"1 of {len(texts) + 1} lines; {len(texts)} excluded" in typed(*arguments, "--exclude-corpus", corpus)


def test_texts_of_every_split_but_train_are_excluded(world):
    folder, corpus = world
    rows = [json.loads(line) | {"split": "validation"} for line in corpus.read_text().splitlines()]
    rows[0]["split"] = "train"
    renamed = corpus.with_name("validation.jsonl")
    renamed.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "leaky.txt").write_text("\n".join(row["text"] for row in rows[1:]) + "\nuna casa")
    arguments = ["lm", "train", folder / "leaky.txt", "--lang", "es", "--out", folder / "l.arpa"]
    assert f"{len(rows) - 1} excluded" in typed(*arguments, "--exclude-corpus", renamed)


def test_train_takes_a_list_of_frequent_words(world):
    folder, _ = world
    arguments = ["lm", "train", "wordfreq:es", "--list-words", 500, "--lang", "es", "--out", folder / "f.arpa"]
    card = json.loads(typed(*arguments, "--json"))
    assert card["sources"][0]["name"] == "wordfreq:es" and card["sizes"][0] > 400
    with pytest.raises(TextError, match="wordfreq has no words of 'xx'"):
        typed("lm", "train", "wordfreq:xx", "--lang", "es", "--out", folder / "f.arpa")
    with pytest.raises(TextError, match="no such text file"):
        typed("lm", "train", folder / "absent.txt", "--lang", "es", "--out", folder / "f.arpa")
    with pytest.raises(SpecError, match="no language"):
        typed("lm", "train", folder / "text.txt", "--out", folder / "f.arpa")


def test_score_measures_texts(world):
    folder, _ = world
    found = json.loads(typed("lm", "evaluate", folder / "char.arpa", folder / "text.txt", "--json"))
    seen = found["texts"][str(folder / "text.txt")]
    (folder / "new.txt").write_text("xyz kwy\n")
    text = typed("lm", "evaluate", folder / "char.arpa", folder / "new.txt")
    assert 1.0 < seen["perplexity"] < float(text.split("perplexity ")[1].split()[0])
    assert "0.00% unknown" in text
    assert "100.00% unknown" not in typed("lm", "evaluate", folder / "word.arpa", folder / "text.txt")


def test_mix_writes_a_third_model(world):
    folder, _ = world
    said = typed("lm", "mix", folder / "word.arpa", folder / "word.arpa", "--out", folder / "mixed.arpa")
    sizes = json.loads((folder / "word.arpa.json").read_text())["sizes"]
    assert " + ".join(map(str, sizes)) in said


def test_tune_writes_a_decoder_that_the_other_commands_take(world):
    folder, corpus = world
    out = folder / "decoder.json"
    arguments = ["lm", "tune", "es-demo", "--corpus", corpus, "--lm", folder / "char.arpa", "--out", out]
    said = typed(*arguments, "--beam-width", 4)
    assert "greedy" in said and "chosen" in said and "not a test result" in said
    chosen = json.loads(out.read_text())
    assert chosen["chosen"]["split"] == "dev" and chosen["options"]["beam_width"] == 4
    found = json.loads(typed("evaluate", "es-demo", "--corpus", corpus, "--decoder", out, "--json"))
    assert found["decoder"]["lm_weight"] == chosen["options"]["lm_weight"]
    with pytest.raises(SpecError, match="not chosen on test"):
        typed(*arguments, "--split", "test")


def test_a_tuned_model_uses_its_decoder(world, monkeypatch):
    folder, corpus = world
    own = folder / "own"
    shutil.copytree(Store().resolve("es-demo"), own)
    arguments = ["lm", "tune", own, "--corpus", corpus, "--lm", folder / "word.arpa", "--lm", folder / "char.arpa"]
    said = typed(*arguments, "--beam-width", 4)
    for part in ("greedy", "search alone", "characters", "words", "words and characters", "(chosen)"):
        assert part in said
    write_own_decoder(folder / "fixed", DecoderSpec((folder / "word.arpa",), BeamOptions(lm_weight=1.4)), {})
    shutil.rmtree(own / "decoder")
    (folder / "fixed").rename(own / "decoder")
    scored = json.loads(typed("evaluate", own, "--corpus", corpus, "--json"))
    assert scored["decoder"]["lm_weight"] == 1.4 and "greedy" in scored
    assert "greedy" not in json.loads(typed("evaluate", own, "--corpus", corpus, "--greedy", "--json"))
    audio = folder / "es" / json.loads(corpus.read_text().splitlines()[0])["audio"]
    (searched, alone) = (typed("transcribe", own, audio, *more) for more in ((), ("--greedy",)))
    recognizer = load(own)
    assert searched.strip() == transcribe(recognizer, audio).text
    assert alone.strip() == transcribe(recognizer.with_decoder(None), audio).text
    served = loader("onnx")(ServedModel("own", 1, own, "es"))
    assert served.decoder.options == recognizer.decoder.options
    assert served.favouring({"casa": 3.0}).decoder.options.lm_weight == 1.4


def test_a_bundled_model_takes_no_decoder(world):
    folder, corpus = world
    with pytest.raises(StoreError, match="takes no decoder"):
        typed("lm", "tune", "es-demo", "--corpus", corpus, "--lm", folder / "word.arpa", "--beam-width", 1)


def test_evaluate_scores_with_and_without_on_the_same_utterances(world):
    folder, corpus = world
    arguments = ["evaluate", "es-demo", "--corpus", corpus]
    alone = json.loads(typed(*arguments, "--json"))
    both = json.loads(typed(*arguments, "--lm", folder / "word.arpa", "--lm-weight", 0.5, "--json"))
    assert both["greedy"]["cer"] == alone["cer"] and both["greedy"]["signature"] == both["signature"]
    assert both["comparison"]["cer"]["difference"] == pytest.approx(both["cer"] - alone["cer"])
    same = json.loads(typed(*arguments, "--beam-width", 1, "--lm-weight", 0, "--json"))
    assert same["cer"] == alone["cer"] and same["comparison"]["cer"]["difference"] == 0.0
    said = typed(*arguments, "--lm", folder / "char.arpa")
    assert "greedy" in said and "difference" in said and "p = " in said


def test_transcribe_favours_hotwords_and_lists_the_n_best(world):
    folder, corpus = world
    audio = folder / "es" / json.loads(corpus.read_text().splitlines()[0])["audio"]
    found = json.loads(typed("transcribe", "es-demo", audio, "--beam-width", 8, "--n-best", 4, "--json"))
    (transcript,) = found["transcripts"]
    scores = [h["score"] for h in transcript["n_best"]]
    assert scores == sorted(scores, reverse=True) and transcript["n_best"][0]["text"] == transcript["text"]
    fourth = transcript["n_best"][3]["text"]
    (folder / "names.txt").write_text(f"{fourth.upper()}\t30\n")
    for favoured in (["--hotword", f"{fourth.upper()}=30"], ["--hotwords", folder / "names.txt"]):
        said = typed("transcribe", "es-demo", audio, "--beam-width", 8, *favoured, "--n-best", 2)
        assert said.splitlines()[0].endswith(f"\t{fourth}") and len(said.splitlines()) == 2


@pytest.mark.parametrize("write", [causal_folder, masked_folder])
def test_a_second_model_puts_hypotheses_in_order(world, tmp_path, write):
    folder, corpus = world
    neural, scorer = write(tmp_path / "neural"), load_scorer(tmp_path / "neural")
    audio = folder / "es" / json.loads(corpus.read_text().splitlines()[0])["audio"]

    def transcribed(weight):
        arguments = ["--beam-width", 8, "--n-best", 3, "--rescore", neural, "--rescore-weight", weight, "--json"]
        return json.loads(typed("transcribe", "es-demo", audio, *arguments))["transcripts"][0]

    alone, transcript = transcribed(0)["n_best"], transcribed(2)
    hypotheses = transcript["n_best"]
    scores = dict(zip((h["text"] for h in alone), scorer.score([h["text"] for h in alone]), strict=True))
    shared = [(a, b) for a in alone for b in hypotheses if a["text"] == b["text"]]
    assert shared and all(b["score"] == pytest.approx(a["score"] + 2 * scores[a["text"]], abs=1e-3) for a, b in shared)
    assert [h["score"] for h in hypotheses] == sorted((h["score"] for h in hypotheses), reverse=True)
    for hypothesis in hypotheses:
        times = [t for w in hypothesis["words"] for t in (w["start_seconds"], w["end_seconds"])]
        assert times == sorted(times) and times[0] >= 0 and times[-1] <= transcript["duration_seconds"] + 1e-6
        assert " ".join(w["text"] for w in hypothesis["words"]) == hypothesis["text"]
    assert hypotheses[0]["words"] == transcript["words"]


def test_a_second_model_is_weighed_on_dev_and_belongs_to_the_decoder(world, tmp_path):
    folder, corpus = world
    neural, out, own = causal_folder(tmp_path / "neural"), tmp_path / "decoder.json", tmp_path / "own"
    arguments = ["lm", "tune", "es-demo", "--corpus", corpus, "--lm", folder / "char.arpa", "--rescore", neural]
    tuned = json.loads(typed(*arguments, "--beam-width", 4, "--out", out, "--json"))
    rescored = [part for part in tuned["parts"] if part.endswith(", rescored")]
    assert len(rescored) == 1 and tuned["cer"] == min(part["cer"] for part in tuned["parts"].values())
    shutil.copytree(Store().resolve("es-demo"), own)
    options = RescoreOptions(n_best=5, weight=0.4)
    spec = DecoderSpec((folder / "char.arpa",), BeamOptions(beam_width=4), rescoring=Rescoring(neural, options))
    Store().add_decoder(str(own), lambda place: write_own_decoder(place, spec, {}))
    shutil.rmtree(neural)
    for recognizer in (load(own), loader("onnx")(ServedModel("own", 1, own, "es"))):
        assert recognizer.decoder.options == options
        assert recognizer.favouring({"casa": 3.0}).decoder.options == options
        assert recognizer.hasty().decoder is recognizer.decoder.beam
    used = json.loads(typed("evaluate", own, "--corpus", corpus, "--json"))
    assert used["decoder"]["rescore_weight"] == 0.4
    louder = json.loads(typed("evaluate", own, "--corpus", corpus, "--rescore-weight", 0.7, "--json"))
    assert louder["decoder"]["rescore_weight"] == 0.7 and louder["decoder"]["rescore_n_best"] == 5
    with pytest.raises(SpecError, match="no model to weigh"):
        typed("evaluate", "es-demo", "--corpus", corpus, "--rescore-weight", 0.7)


def test_what_does_not_fit_is_refused(world):
    folder, corpus = world
    typed("lm", "train", folder / "text.txt", "--lang", "pt", "--out", folder / "pt.arpa")
    audio = folder / "es" / json.loads(corpus.read_text().splitlines()[0])["audio"]
    with pytest.raises(ModelError, match="normaliser pt-v2-"):
        typed("transcribe", "es-demo", audio, "--lm", folder / "pt.arpa")
    with pytest.raises(TextError, match="cannot write"):
        typed("transcribe", "es-demo", audio, "--hotword", "ação")
    with pytest.raises(SpecError, match="is not a number"):
        typed("transcribe", "es-demo", audio, "--hotword", "casa=much")


def test_without_a_dev_split_tune_chooses_on_what_training_held_out(world):
    folder, _ = world
    corpus = tone_corpus(folder / "undivided", count=12, lang="es", splits=("train", "test"))
    own = folder / "held_out"
    shutil.copytree(Store().resolve("es-demo"), own)
    card = json.loads((own / "card.json").read_text())
    card["data"]["dev_held_out"] = False
    (own / "card.json").write_text(json.dumps(card))
    arguments = ["lm", "tune", own, "--corpus", corpus, "--out", folder / "held.json", "--beam-width", 2]
    with pytest.raises(CorpusError, match="no utterances in split 'dev'"):
        typed(*arguments)
    card["data"]["dev_held_out"] = True
    (own / "card.json").write_text(json.dumps(card))
    typed(*arguments)
    dev = read_dataset([corpus], "es", seed=card["seed"]).dev
    values = json.loads((folder / "held.json").read_text())
    assert values["chosen"]["utterances"] == len(dev) == 2
    assert values["chosen"]["data"] == fingerprint([replace(u, split="dev") for u in dev])


def test_without_a_language_model_tune_learns_one_of_the_corpus_and_the_frequent_words(world):
    folder, _ = world
    corpus = tone_corpus(folder / "three", count=6, lang="es", splits=("train", "dev", "test"))
    (folder / "more.txt").write_text("el zurriburri llegó tarde\n")
    out = folder / "by_itself.json"
    arguments = ["lm", "tune", "es-demo", "--corpus", corpus, "--out", out, "--beam-width", 2]
    assert "words (chosen)" in typed(*arguments, "--text", folder / "more.txt")
    (path,) = json.loads(out.read_text())["lms"]
    model = load_language_model(folder / path)
    names = {source["name"] for source in model.card.sources}
    assert names == {"the train split", "more.txt", "wordfreq:es"}
    assert {"zurriburri", "además"} <= set(read_arpa(folder / path).tables[0])
    assert not list(folder.glob("*.list.arpa*"))
    with pytest.raises(SpecError, match="give --lm or --text"):
        typed(*arguments, "--lm", folder / "word.arpa", "--text", folder / "more.txt")
