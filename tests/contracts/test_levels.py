"""Every level of a comparison under one contract: oneself is the ceiling, chance is the floor, gaps are named."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import wordfreq
from tones import tone_speech

from vizinho.audio.io import save_audio
from vizinho.corpora.manifest import write_manifest
from vizinho.g2p.espeak import is_available
from vizinho.languages import compare as comparing
from vizinho.languages.levels.treebank import built_in
from vizinho.languages.measures import LevelResult
from vizinho.languages.sources import Inputs, TextSources
from vizinho.records import Utterance
from vizinho.text.language import Language

SHARED = Path(os.environ.get("VIZINHO_SHARED", Path(__file__).parents[3] / "shared")) / "text"
NOT_VOTING = {"inventory_overlap", "inventory_distance", "coverage", "word_order"}
LEVELS = [level for level in comparing.QUICK_LEVELS if level != "sounds" or is_available()]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Short word lists, so that the levels on words take a second; tones for the acoustics."""
    folder = tmp_path_factory.mktemp("texts")
    (folder / "frequencies").mkdir()
    for language in ("pt", "es", "en"):
        words = [w for w in wordfreq.top_n_list(language, 900) if w.isalpha() and len(w) > 1][:600]
        lines = [f"{w}\t{1000 // (rank + 1) + 1}" for rank, w in enumerate(words)]
        (folder / "frequencies" / f"{language}.tsv").write_text("\n".join(lines), encoding="utf-8")
    rng = np.random.default_rng(1)
    speech = {}
    for language, letters in (("pt", "abcd"), ("es", "abce"), ("en", "efgh")):
        utterances = []
        for number in range(40):
            path = folder / language / f"{number}.wav"
            save_audio(path, tone_speech("".join(rng.choice(list(letters), 10)), seed=number))
            speaker = f"{language}{number % 2}"
            utterances.append(Utterance(f"{language}{number}", path, "x", language, speaker, 1.2, "train"))
        speech[language] = folder / f"{language}.jsonl"
        write_manifest(speech[language], utterances)
    return Inputs(TextSources(folder), speech, minutes=1.0, top=600)


def level_of(name, target, donor, inputs):
    (result,) = comparing.LEVELS[name](Language.of(target), [Language.of(donor)], inputs)
    return result


@pytest.mark.parametrize("name", LEVELS)
def test_the_language_itself_reaches_the_ceiling(name, inputs):
    result = level_of(name, "pt", "pt", inputs)
    assert result.measures
    for measure in result.measures:
        assert measure.nearness > 0.9, measure


@pytest.mark.parametrize("name", LEVELS)
def test_measures_are_whole(name, inputs):
    result = level_of(name, "pt", "es", inputs)
    assert result.level == name
    assert len({m.name for m in result.measures}) == len(result.measures)
    for measure in result.measures:
        assert measure.level == name
        assert measure.n > 0
        assert measure.n_of and measure.title and measure.ceiling_of
        assert np.isfinite([measure.value, measure.floor, measure.ceiling]).all()
        assert measure.floor != measure.ceiling
        if measure.interval is not None:
            low, high = measure.interval
            assert low <= measure.value <= high, measure
        else:
            assert name == "map", measure


@pytest.mark.parametrize("name", LEVELS)
def test_symmetric_measures_are(name, inputs):
    there = {m.name: m for m in level_of(name, "pt", "es", inputs).measures}
    back = {m.name: m for m in level_of(name, "es", "pt", inputs).measures}
    for key, measure in there.items():
        if measure.symmetric:
            assert back[key].value == pytest.approx(measure.value), key


@pytest.mark.parametrize("name", LEVELS)
def test_the_neighbour_is_nearer_than_the_stranger(name, inputs):
    near = {m.name: m.value * (1 if m.nearer == "higher" else -1) for m in level_of(name, "pt", "es", inputs).measures}
    far = {m.name: m.value * (1 if m.nearer == "higher" else -1) for m in level_of(name, "pt", "en", inputs).measures}
    wrong = [key for key in near if near[key] < far[key]]
    assert not set(wrong) - {*NOT_VOTING, "phone_divergence"}, wrong


@pytest.mark.parametrize("name", LEVELS)
def test_a_language_nobody_knows_is_a_gap(name, inputs):
    result = level_of(name, "pt", "xx", inputs)
    assert not result.measures
    assert result.gaps
    assert all("xx" in gap.reason for gap in result.gaps)


@pytest.mark.parametrize("name", LEVELS)
def test_results_survive_json(name, inputs):
    result = level_of(name, "pt", "es", inputs)
    again = LevelResult.from_json(json.loads(json.dumps(result.as_json())))
    assert again == LevelResult.from_json(result.as_json())
    assert again.measures == result.measures


@pytest.mark.parametrize("name", LEVELS)
def test_donors_do_not_change_each_other(name, inputs):
    donors = [Language.of(code) for code in ("en", "xx", "es")]
    together = list(comparing.LEVELS[name](Language.of("pt"), donors, inputs))
    assert len(together) == 3 and together[1].gaps
    for donor, result in zip(donors, together, strict=True):
        assert result.measures == level_of(name, "pt", donor.code, inputs).measures


@pytest.mark.parametrize("name", LEVELS)
def test_the_same_seed_gives_the_same_numbers(name, inputs):
    assert level_of(name, "pt", "es", inputs).measures == level_of(name, "pt", "es", inputs).measures


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"no texts at {SHARED}; set VIZINHO_SHARED")
class TestFigures:
    """Figures known from elsewhere (reference on PUD treebanks and on wordfreq), within .01."""

    @pytest.mark.parametrize(
        ("donor", "divergence", "f1"),
        [
            ("es", 0.038, 0.705),
            ("gl", 0.052, 0.693),
            ("it", 0.057, 0.662),
            ("fr", 0.058, 0.648),
            ("en", 0.135, 0.604),
            ("de", 0.152, 0.533),
        ],
    )
    def test_syntax(self, donor, divergence, f1):
        found = {m.name: m.value for m in level_of("syntax", "pt", donor, Inputs(TextSources(SHARED))).measures}
        assert found["triple_divergence"] == pytest.approx(divergence, abs=0.01)
        assert found["edge_f1"] == pytest.approx(f1, abs=0.01)

    def test_spanish_is_nearest_but_not_by_inventory(self):
        donors = ["es", "it", "fr", "ca", "en", "de"]
        inputs = Inputs(TextSources(SHARED))
        if not is_available():
            pytest.skip("eSpeak NG is not installed")
        for level, name in (
            ("vocabulary", "exact_share"),
            ("spelling", "cross_entropy"),
            ("sounds", "lookalike_distance"),
        ):
            found = {d: {m.name: m for m in level_of(level, "pt", d, inputs).measures}[name] for d in donors}
            assert max(found, key=lambda d: found[d].nearness) == "es", name
        overlap = {d: {m.name: m for m in level_of("sounds", "pt", d, inputs).measures} for d in donors}
        assert max(donors, key=lambda d: overlap[d]["inventory_overlap"].value) != "es"


@pytest.mark.parametrize(
    ("donor", "share"), [("es", 0.302), ("ca", 0.176), ("it", 0.140), ("fr", 0.073), ("en", 0.087)]
)
def test_exact_share_of_the_5000_most_frequent_words(donor, share):
    found = {m.name: m.value for m in level_of("vocabulary", "pt", donor, Inputs()).measures}
    assert found["exact_share"] == pytest.approx(share, abs=0.01)


def test_shuffled_input_falls_to_the_floor(inputs, tmp_path):
    """Words with their letters shuffled, sentences with their word classes shuffled: no nearer than chance."""
    rng = np.random.default_rng(5)
    folder = inputs.texts.folder
    words = [line.split("\t") for line in (folder / "frequencies" / "pt.tsv").read_text(encoding="utf-8").splitlines()]
    shuffled = ["".join(rng.permutation(list(w))) for w, _ in words]
    (tmp_path / "frequencies").mkdir()
    (tmp_path / "treebanks").mkdir()
    for code, forms in (("pt", [w for w, _ in words]), ("es", shuffled)):
        lines = [f"{w}\t{n}" for w, (_, n) in zip(forms, words, strict=True)]
        (tmp_path / "frequencies" / f"{code}.tsv").write_text("\n".join(lines), encoding="utf-8")
    bank = built_in("pt")
    blocks = []
    for sentence in bank.sentences:
        tags = rng.permutation([n.upos for n in sentence.nodes])
        rows = [
            f"{i}\t{n.form}\t_\t{tag}\t_\t_\t{n.head}\t{n.relation}\t_\t_"
            for i, (n, tag) in enumerate(zip(sentence.nodes, tags, strict=True), 1)
        ]
        blocks.append("\n".join([f"# sent_id = x{sentence.id}", *rows]))
    (tmp_path / "treebanks" / "es_x.conllu").write_text("\n\n".join(blocks) + "\n\n", encoding="utf-8")
    made = Inputs(TextSources(tmp_path), top=600)
    near = {
        m.name: m.nearness
        for level in ("vocabulary", "spelling", "syntax")
        for m in level_of(level, "pt", "es", made).measures
    }
    for name in ("exact_share", "folded_share", "near_share", "mean_distance", "triple_divergence", "klcpos3"):
        assert abs(near[name]) < 0.25, (name, near[name])
    assert near["cross_entropy"] < 0.6  # single letters keep their frequencies
