"""What becomes of the spans of a document: turns, notes, problems."""

from __future__ import annotations

from fieldwork import Reading, eaf, pitch_of, recording

from vizinho.audio.io import load_audio


def test_what_is_left_out_or_doubtful_is_named_with_its_place(tmp_path):
    recording(tmp_path / "v.wav")
    ana = [(0, 1, "bom (dia) [riso]"), (1, 2, ""), (2, 3, "[riso]"), (3, 4, "vi xxx"), (4, 6, "até já")]
    ben = [(5.5, 6.5, "pois"), (8, 99, "tarde")]
    path = eaf(tmp_path / "v.eaf", [("tx@ana", "Ana", ana), ("tx@ben", "Ben", ben)])
    read = Reading("eaf", path)
    assert [(u.text, u.events) for u in read.utterances] == [("bom dia", "[riso]"), ("até já", ""), ("pois", "")]
    assert [(note.kind, note.detail) for note in read.notes if note.kind != "event"] == [
        ("uncertain", "dia"),
        ("empty", "no text in tier tx@ana"),
        ("events only", "[riso]"),
        ("unclear", "vi xxx"),
        ("overlap", f"0.50 s with {path}:44 (4.00 s) of tier tx@ana"),
    ]
    assert all(note.where.startswith(f"{path}:") and " s)" in note.where for note in read.notes)
    assert len(read.faults) == 1
    assert "8 to 99 s does not lie in the 10.00 s" in read.faults[0]
    assert Reading("eaf", path, keep_unclear=True).texts == ["bom dia", "vi", "até já", "pois"]


def test_two_speakers_on_one_tier_are_told_apart_by_labels_or_left_out(tmp_path):
    recording(tmp_path / "v.wav")
    spans = [(0, 1, "Ana: bom dia"), (1, 2, "Ben: olá"), (2, 3, "Ana: sim? Ben: sim"), (3, 4, "Ben: pois não")]
    read = Reading("eaf", eaf(tmp_path / "v.eaf", [("speech", "", spans)]))
    assert read.said == [("Ana", "bom dia"), ("Ben", "olá"), ("Ben", "pois não")]
    assert read.noted("several speakers") == ["sim? sim"]
    assert read.noted("speaker label") == ["Ana", "Ben", "Ana, Ben", "Ben"]


def test_turns_of_one_tier_that_overlap_are_named_as_such(tmp_path):
    recording(tmp_path / "v.wav")
    read = Reading("eaf", eaf(tmp_path / "v.eaf", [("speech", "", [(0, 2, "bom dia"), (1, 3, "olá bem")])]))
    assert read.texts == ["bom dia", "olá bem"]
    assert [note.kind for note in read.notes] == ["overlap in one tier"]


def test_turns_that_overlap_are_left_out_on_request_both_of_them(tmp_path):
    recording(tmp_path / "v.wav")
    ana, ben = (
        [(0, 4, "bom dia"), (5, 6, "até já"), (8, 9, "sim")],
        [(1, 2, "olá"), (3, 3.5, "pois"), (6.02, 7, "tarde")],
    )
    path = eaf(tmp_path / "v.eaf", [("tx@ana", "Ana", ana), ("tx@ben", "Ben", ben)])
    read = Reading("eaf", path, drop_overlaps=True)
    assert read.texts == ["até já", "tarde", "sim"]
    assert [note.kind for note in read.notes] == ["overlap, left out"] * 2
    assert len(Reading("eaf", path).texts) == 6


def test_words_that_nobody_understood_overlap_too(tmp_path):
    recording(tmp_path / "v.wav")
    ana = [(0, 2, "bom dia"), (3, 5, "até já"), (6, 7, "pois")]
    # Two at once are unclear, a laugh is no speech, and of the last turn some words are known.
    ben = [(1, 1.5, "xxx"), (1.2, 1.4, "***"), (3.5, 4, "[riso]"), (6, 6.5, "maçã (?)")]
    path = eaf(tmp_path / "v.eaf", [("tx@ana", "Ana", ana), ("tx@ben", "Ben", ben)])
    read = Reading("eaf", path, drop_overlaps=True)
    assert read.texts == ["até já"]
    assert [note.kind for note in read.notes].count("overlap, left out") == 3
    assert Reading("eaf", path).texts == ["bom dia", "até já", "pois"]


def test_two_people_on_one_annotation_overlap_with_a_third(tmp_path):
    recording(tmp_path / "v.wav")
    shared = [(0, 1, "Ana: bom dia"), (1, 2, "Ben: olá"), (2, 3, "Ana: sim? Ben: sim"), (3, 4, "Ben: pois não")]
    third = [(2.5, 3.5, "eu não"), (5, 6, "até já")]
    path = eaf(tmp_path / "v.eaf", [("speech", "", shared), ("eva", "Eva", third)])
    read = Reading("eaf", path, drop_overlaps=True, tiers=("speech", "eva"))
    assert read.texts == ["bom dia", "olá", "até já"]


def test_tiers_and_files_without_text_are_named(tmp_path):
    recording(tmp_path / "v.wav")
    recording(tmp_path / "w.wav")
    eaf(tmp_path / "v.eaf", [("tx", "", [(0, 1, "bom dia")])])
    eaf(tmp_path / "w.eaf", [("tx", "", [(0, 1, "")]), ("notas", "", [(0, 1, "ontem")])])
    read = Reading("eaf", tmp_path)
    assert read.texts == ["bom dia"]
    assert read.noted("untranscribed") == ["no text in tx"]
    assert read.noted("empty") == ["no text in tier tx"]


def test_speakers_with_microphones_of_their_own_are_cut_from_their_channels(tmp_path):
    recording(tmp_path / "v.wav", channels=2)
    path = eaf(tmp_path / "v.eaf", [("tx@ana", "ana", [(0, 1, "bom dia")]), ("tx@ben", "ben", [(2, 3, "olá")])])
    read = Reading("eaf", path, channels=(("ana", 0), ("ben", 1)))
    assert [pitch_of(load_audio(u.audio)) for u in read.utterances] == [100, 600]
    read = Reading("eaf", path, channels=(("ben", 2),))
    assert read.texts == ["bom dia"]
    assert "channel 2 of a recording with 2" in read.faults[0]
