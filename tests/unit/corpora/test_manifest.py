"""Manifests: what is written comes back, and every bad line is named."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vizinho.corpora.manifest import fingerprint, read_manifest, select, to_choose_on, write_manifest
from vizinho.errors import CorpusError
from vizinho.records import Utterance

GOOD = {"id": "a", "audio": "a.wav", "text": "olá", "lang": "pt", "speaker": "s", "duration": 1.5, "split": "train"}


def lines(path: Path, *rows: object) -> Path:
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in rows), "utf-8")
    return path


def utterance(name: str, seconds: float = 1.0, **fields: str) -> Utterance:
    values = {"text": "olá", "lang": "pt", "speaker": "s", "split": "train"} | fields
    return Utterance(id=name, audio=Path(f"/x/{name}.wav"), duration_seconds=seconds, **values)


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
filled = text.filter(str.strip)
names = st.text(st.characters(categories=["L", "Nd"]), min_size=1, max_size=12)
utterances = st.builds(
    Utterance,
    id=filled,
    audio=st.builds(lambda folder, name: Path("/data") / folder / name, names, names),
    text=text,
    lang=st.sampled_from(["pt", "pt-BR", "es-419", "ckb", "zh-Hant-TW"]),
    speaker=text,
    duration_seconds=st.floats(0, 1e6),
    split=text.filter(lambda split: split.strip() or not split),
    accent=text,
    source=text,
    licence=text,
    consent=text,
    restrictions=st.lists(st.sampled_from(["not for export", "ask Ana, please", "Só para a aldeia"]), unique=True).map(
        tuple
    ),
)


@settings(max_examples=60)
@given(st.lists(utterances, min_size=1, max_size=6, unique_by=lambda u: u.id))
def test_what_is_written_comes_back(tmp_path_factory: pytest.TempPathFactory, made: list[Utterance]) -> None:
    path = tmp_path_factory.mktemp("m") / "deep" / "m.jsonl"
    write_manifest(path, made)
    assert read_manifest(path) == made
    assert [p.name for p in path.parent.iterdir()] == ["m.jsonl"], "temporary files stay behind"


def test_audio_is_relative_to_the_manifest(tmp_path: Path) -> None:
    write_manifest(tmp_path / "m.jsonl", [replace(utterance("a"), audio=tmp_path / "clips" / "a.wav")])
    assert json.loads((tmp_path / "m.jsonl").read_text("utf-8"))["audio"] == "clips/a.wav"
    (tmp_path / "m.jsonl").rename(tmp_path / "n.jsonl")
    assert read_manifest(tmp_path / "n.jsonl")[0].audio == tmp_path / "clips" / "a.wav"


def test_other_keys_blank_lines_and_a_byte_order_mark_are_fine(tmp_path: Path) -> None:
    path = lines(tmp_path / "m.jsonl", "\ufeff" + json.dumps(GOOD | {"age": 3}), "", GOOD | {"id": "b", "text": ""})
    assert [u.id for u in read_manifest(path)] == ["a", "b"]


def test_forms_of_a_code_are_read_as_its_tag(tmp_path: Path) -> None:
    forms = ("pt_BR", "pt-br", "por-BR", "por")
    path = lines(tmp_path / "m.jsonl", *(GOOD | {"id": form, "lang": form} for form in forms))
    assert [u.lang for u in read_manifest(path)] == ["pt-BR", "pt-BR", "pt-BR", "pt"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({k: v for k, v in GOOD.items() if k != "speaker"}, "field 'speaker' is missing"),
        ({k: v for k, v in GOOD.items() if k != "duration"}, "field 'duration' is missing"),
        (GOOD | {"duration": "1.5"}, "field 'duration' is '1.5'"),
        (GOOD | {"lang": "portugues"}, "'portugues' is no language code -> did you mean \"pt\""),
        (GOOD | {"duration": True}, "field 'duration' is True"),
        (GOOD | {"duration": -1}, "field 'duration' is -1"),
        (GOOD | {"duration": float("nan")}, "field 'duration' is nan"),
        (GOOD | {"text": None}, "field 'text' is None, not a string"),
        (GOOD | {"id": " "}, "field 'id' is empty"),
        (GOOD | {"accent": 3}, "field 'accent' is 3"),
        (GOOD | {"text": "\ud800"}, "field 'text' holds half a character"),
        ("{", "not a line of JSON"),
        ("[1]", "not a JSON object but list"),
    ],
)
def test_bad_lines_are_named(row: object, message: str, tmp_path: Path) -> None:
    path = lines(tmp_path / "m.jsonl", GOOD | {"id": "first"}, row)
    with pytest.raises(CorpusError, match=f"m\\.jsonl:2: {message}".replace("(", r"\(")):
        read_manifest(path)


def test_repeated_ids_name_both_lines(tmp_path: Path) -> None:
    path = lines(tmp_path / "m.jsonl", GOOD, GOOD | {"id": "b"}, GOOD)
    with pytest.raises(CorpusError, match="id 'a' is on line 1 and again on line 3"):
        read_manifest(path)


def test_missing_and_empty_manifests(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="cannot read the manifest"):
        read_manifest(tmp_path / "none.jsonl")
    with pytest.raises(CorpusError, match="holds no utterances"):
        read_manifest(lines(tmp_path / "m.jsonl"))
    (tmp_path / "latin.jsonl").write_bytes(json.dumps(GOOD, ensure_ascii=False).encode("latin-1"))
    with pytest.raises(CorpusError, match=r"latin\.jsonl:1: not a line of JSON"):
        read_manifest(tmp_path / "latin.jsonl")


def test_failed_writes_leave_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    write_manifest(path, [utterance("a")])
    before = path.read_bytes()
    with pytest.raises(CorpusError, match="id 'b' occurs more than once"):
        write_manifest(path, [utterance("b"), utterance("b")])
    with pytest.raises(CorpusError, match="no utterances to write"):
        write_manifest(path, [])
    assert path.read_bytes() == before
    with pytest.raises(CorpusError, match="cannot write here"):
        write_manifest(path / "below" / "m.jsonl", [utterance("a")])


def test_fingerprint_depends_on_the_data_and_not_on_their_order(tmp_path: Path) -> None:
    made = []
    for name in "abc":
        (tmp_path / name).write_bytes(b"x" * 10)
        made.append(replace(utterance(name), audio=tmp_path / name))
    first = fingerprint(made)
    assert len(first) == 16
    assert fingerprint(reversed(made)) == first
    for field in ("id", "text", "speaker", "split"):
        assert fingerprint([replace(made[0], **{field: "other"}), *made[1:]]) != first
    assert fingerprint(replace(u, duration_seconds=9.0) for u in made) == first
    (tmp_path / "a").write_bytes(b"x" * 11)
    assert fingerprint(made) != first
    (tmp_path / "a").unlink()
    with pytest.raises(CorpusError, match="a: no such audio file"):
        fingerprint(made)


corpora = st.lists(st.floats(0.1, 30), min_size=3, max_size=40).map(
    lambda seconds: [utterance(str(i), s) for i, s in enumerate(seconds)]
)


@settings(max_examples=60)
@given(corpora, st.integers(0, 9), st.floats(0.6, 3), st.floats(1, 4))
def test_subsets_are_nested_and_no_longer_than_asked(
    made: list[Utterance], seed: int, minutes: float, factor: float
) -> None:
    small = select(made, minutes=minutes, seed=seed)
    large = select(made, minutes=minutes * factor, seed=seed)
    assert {u.id for u in small} <= {u.id for u in large}
    assert sum(u.duration_seconds for u in small) <= minutes * 60 + 1e-6
    assert select(reversed(made), minutes=minutes, seed=seed) == small[::-1]
    if sum(u.duration_seconds for u in made) < minutes * 60 - 1e-6:
        assert small == made


def test_subsets_of_other_seeds_are_others() -> None:
    made = [utterance(str(i)) for i in range(200)]
    assert select(made, minutes=1, seed=1) != select(made, minutes=1, seed=2)
    assert len(select(made, minutes=1, seed=1)) == 60


def test_select_by_split_and_its_errors() -> None:
    made = [utterance("a"), utterance("b", split="test"), utterance("c", speaker="t")]
    assert [u.id for u in select(made, split="train")] == ["a", "c"]
    with pytest.raises(CorpusError, match=r"no utterances in split 'dev'.*splits here: test, train"):
        select(made, split="dev")
    with pytest.raises(CorpusError, match="no utterance fits into"):
        select(made, minutes=0.01)
    with pytest.raises(CorpusError, match="give a number above 0"):
        select(made, minutes=0)


def test_an_empty_split_is_none_and_says_so_where_one_is_needed(tmp_path: Path) -> None:
    read = read_manifest(lines(tmp_path / "m.jsonl", GOOD | {"split": ""}, GOOD | {"id": "b", "split": "  "}))
    assert [u.split for u in read] == ["", ""]
    assert len(select(read)) == 2
    with pytest.raises(CorpusError, match="splits here: none; 2 utterances have no split"):
        select(read, split="train")


def test_the_words_of_people_have_no_split() -> None:
    shared = Path(os.environ.get("VIZINHO_SHARED", "../shared")) / "speech" / "words" / "ast.jsonl"
    if not shared.is_file():
        pytest.skip("the data beside the project is not here")
    assert any(not u.split for u in read_manifest(shared))


@given(st.lists(st.floats(0.5, 40.0), min_size=1, max_size=30), st.floats(0.01, 5.0), st.randoms())
def test_what_is_chosen_on_is_a_part_of_dev_whatever_its_order(seconds, minutes, rng):
    dev = [utterance(f"u{number}", length) for number, length in enumerate(seconds)]
    chosen = to_choose_on(dev, minutes)
    assert chosen and set(chosen) <= set(dev)
    assert len(chosen) == 1 or sum(u.duration_seconds for u in chosen) <= minutes * 60
    assert list(chosen) == [u for u in dev if u in chosen]
    if len(chosen) > 1:
        assert set(to_choose_on(rng.sample(dev, len(dev)), minutes)) == set(chosen)
    assert set(chosen) <= set(to_choose_on(dev, 2 * minutes)) or len(chosen) == 1
    assert to_choose_on(dev, 0) == to_choose_on(dev, 1e9) == tuple(dev)
