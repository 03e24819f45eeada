import dataclasses
import json
import shutil

import pytest
from tones import tone_corpus

from vizinho.corpora.manifest import read_manifest, write_manifest
from vizinho.errors import SpecError
from vizinho.experiment.guard import refuse_foreign_tokens, refuse_leaks, without_test_texts
from vizinho.experiment.read_spec import read_spec
from vizinho.experiment.results import Leaks
from vizinho.job.job import Job
from vizinho.job.start import make_ready
from vizinho.model.checkpoint import like
from vizinho.text.tokens import bpe_tokenizer, character_tokenizer

SPEC = """
name = "e"
target = "pt"
corpora = ["{0}/pt/pt.jsonl"]
starts = ["es", "scratch", "scratch+synthetic"]
seeds = [1]
[synthetic]
corpora = ["{0}/sy/pt.jsonl"]
[[recipes]]
name = "ours"
beside = ["{0}/beside/pt.jsonl"]
[[donors]]
name = "es"
language = "es"
base = "es-demo"
corpora = ["{0}/es/es.jsonl"]
[[controls]]
name = "goes on"
of = "es"
kind = "same-language"
corpora = ["{0}/more/es.jsonl"]
"""
CORPORA = {"pt": "pt", "sy": "pt", "beside": "pt", "es": "es", "more": "es"}
ROLES = {
    "pt": "",
    "sy": " of donor scratch\\+synthetic",
    "beside": " of recipe ours",
    "es": " of donor es",
    "more": " of control goes on",
}


@pytest.fixture
def place(tmp_path):
    for number, (name, language) in enumerate(CORPORA.items()):
        path = tone_corpus(
            tmp_path / name,
            count=12,
            lang=language,
            seed=number + 1,
            splits=("train", "dev", "test")[: 3 if name == "pt" else 2],
        )
        change(path, lambda u, name=name: dataclasses.replace(u, id=f"{name}{u.id}", speaker=f"{name}-{u.speaker}"))
    (tmp_path / "e.toml").write_text(SPEC.format(tmp_path))
    return tmp_path


def change(path, how):
    write_manifest(path, [how(u) for u in read_manifest(path)])


def manifest(place, name):
    return place / name / f"{CORPORA[name]}.jsonl"


def some_test_utterance(place):
    return next(u for u in read_manifest(manifest(place, "pt")) if u.split == "test")


def test_clean_corpora_pass_and_what_cannot_be_checked_is_said(place):
    assert refuse_leaks(read_spec(place / "e.toml")) == Leaks(
        checked=("", "recipe ours", "donor es", "donor scratch+synthetic", "control goes on"), unchecked=("es-demo",)
    )


@pytest.mark.parametrize("split", ["train", "dev"])
@pytest.mark.parametrize("name", CORPORA)
def test_texts_speakers_and_recordings_of_test_are_refused_wherever_something_learns_or_is_chosen(place, name, split):
    use = {"train": "in train", "dev": "in dev, which weights are chosen on"}[split] + ROLES[name]
    path, test = manifest(place, name), some_test_utterance(place)
    before = read_manifest(path)

    def first(u):
        return u.id == next(v.id for v in before if v.split == split)

    for change_of, message in (
        (lambda u: {"text": test.text.upper() + "!"}, f"1 texts of test are {use}, such as '{test.text}'"),
        (lambda u: {"speaker": test.speaker}, f"speakers of test are {use}: {test.speaker}"),
    ):
        write_manifest(path, [dataclasses.replace(u, **change_of(u)) if first(u) else u for u in before])
        with pytest.raises(SpecError, match=message):
            refuse_leaks(read_spec(place / "e.toml"))
    # The same recording under another name, with another text by somebody else.
    shutil.copy(test.audio, path.parent / "renamed.wav")
    write_manifest(path, [dataclasses.replace(u, audio=path.parent / "renamed.wav") if first(u) else u for u in before])
    with pytest.raises(SpecError, match=f"1 recordings of test are {use}"):
        refuse_leaks(read_spec(place / "e.toml"))


def test_texts_of_test_are_taken_out_of_everything_but_test_on_request(place):
    text = some_test_utterance(place).text
    for name in CORPORA:
        change(manifest(place, name), lambda u: dataclasses.replace(u, text=text) if u.id.endswith("-000") else u)
    spec = read_spec(place / "e.toml")
    cleaned = without_test_texts(spec, place / "out")
    refuse_leaks(cleaned)
    assert all(place / "out" in path.parents for path in (*cleaned.corpora, *cleaned.donors[0].corpora))
    assert [u.text for u in read_manifest(cleaned.corpora[0]) if u.split == "test"] == [
        u.text for u in read_manifest(spec.corpora[0]) if u.split == "test"
    ]
    listed = [json.loads(p.read_text()) for p in (place / "out" / "corpora").glob("*.left-out.json")]
    assert sorted(row["id"] for rows in listed for row in rows) == sorted(
        f"{name}{language}-000" for name, language in CORPORA.items()
    )
    assert without_test_texts(cleaned, place / "again") == cleaned, "nothing is copied that loses nothing"


def test_an_unknown_speaker_is_no_common_speaker(place):
    change(manifest(place, "pt"), lambda u: dataclasses.replace(u, speaker=""))
    refuse_leaks(read_spec(place / "e.toml"))


def test_tokens_built_from_test_texts_are_refused(place):
    change(manifest(place, "pt"), lambda u: dataclasses.replace(u, text=u.text + " жук") if u.split == "test" else u)
    ready = make_ready(Job("pt", (manifest(place, "pt"),), preset="micro"))
    refuse_foreign_tokens(ready)
    texts = [u.text for u in read_manifest(manifest(place, "pt"))]
    for tokenizer in (character_tokenizer(sorted(set("".join(texts)))), bpe_tokenizer(texts, 60)):
        model = like(ready.checkpoint.model, tokenizer, 1)
        checkpoint = dataclasses.replace(ready.checkpoint, model=model, tokenizer=tokenizer)
        leaked = dataclasses.replace(ready, checkpoint=checkpoint)
        with pytest.raises(SpecError, match="neither the alphabet nor the training texts: "):
            refuse_foreign_tokens(leaked)


def test_pieces_of_the_training_texts_pass(place):
    refuse_foreign_tokens(make_ready(Job("pt", (manifest(place, "pt"),), preset="micro", tokens="bpe", pieces=24)))
