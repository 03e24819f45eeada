import dataclasses
import json
import shutil

import pytest

from vizinho.errors import SpecError, StoreError
from vizinho.ledger import read_ledger
from vizinho.model.frontends import TRANSDUCERS, WHOLE_WHISPER
from vizinho.server.catalog import Catalog
from vizinho.server.protocols.deepgram import model_info
from vizinho.server.security.refusals import Refusal
from vizinho.store.card import read_card
from vizinho.store.rights import OVERRIDES
from vizinho.store.store import BUNDLED, Store


@pytest.fixture
def store():
    return Store()


def again(store, name, tmp_path, of="es-demo"):
    """The bundled model once more, as the next version of `name`."""
    folder = tmp_path / f"copy-{name}"
    shutil.copytree(BUNDLED / of / "2", folder)
    return store.add(name, folder, read_card(folder))


def test_names_mean_the_current_version_at_the_time_of_asking(store, tmp_path):
    catalog = Catalog(store)
    assert catalog.choose("es-demo", None).ref == "es-demo@2"
    again(store, "es-demo", tmp_path)
    assert catalog.choose("es-demo", None).ref == "es-demo@3"
    assert catalog.choose("es-demo@2", None).ref == "es-demo@2"
    store.set_current("es-demo", 2)
    assert catalog.choose("es-demo", None).ref == "es-demo@2"


def test_a_language_chooses_a_model_in_the_order_of_the_names(store, tmp_path):
    again(store, "other", tmp_path)
    assert Catalog(store, ["other", "es-demo"]).choose(None, "es-419").name == "other"
    assert Catalog(store, ["es-demo", "other"]).choose(None, "es").name == "es-demo"
    assert Catalog(store, ["en-demo", "other"]).choose(None, None).name == "en-demo"


@pytest.mark.parametrize(
    ("model", "language", "status", "parameter"),
    [
        ("nova-3", None, 404, "model"),
        ("es-demo@9", None, 404, "model"),
        ("../../etc", None, 404, "model"),
        ("es-demo", "en", 400, "language"),
        (None, "xx", 400, "language"),
    ],
)
def test_what_there_is_not_is_refused_by_name(store, model, language, status, parameter):
    with pytest.raises(Refusal) as refused:
        Catalog(store).choose(model, language)
    assert (refused.value.status, refused.value.parameter) == (status, parameter)


def test_one_of_several_possible_languages_must_be_the_models(store):
    catalog = Catalog(store, ["es-demo", "en-demo"])
    chosen = catalog.choose_among("es-demo", ["en", "es"]), catalog.choose_among(None, ["xx", "en"])
    assert [model.name for model in chosen] == ["es-demo", "en-demo"]
    assert catalog.choose_among("en-demo", []).name == "en-demo"
    for name, languages, status in [("es-demo", ["en", "xx"], 400), ("none", ["es"], 404)]:
        with pytest.raises(Refusal) as refused:
            catalog.choose_among(name, languages)
        assert refused.value.status == status


@pytest.mark.parametrize(
    ("file", "content", "architecture"),
    [
        *(("config.json", {"model_type": name}, "transducer") for name in TRANSDUCERS),
        *(("config.json", {"model_type": name}, "whisper") for name in WHOLE_WHISPER),
        ("config.json", {"model_type": "whisper_ctc"}, "ctc"),
        ("config.json", {"model_type": "wav2vec2"}, "ctc"),
        ("vizinho.json", {"format": 2, "kind": "whisper"}, "whisper"),
        ("vizinho.json", {"format": 1, "kind": "transducer"}, "transducer"),
        ("vizinho.json", {"format": 1, "precision": "fp32"}, "ctc"),
    ],
)
def test_answers_say_what_kind_of_model_it_is(store, tmp_path, file, content, architecture):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / file).write_text(json.dumps(content), encoding="utf-8")
    served = Catalog(store, [str(folder)], language="es").choose(None, None)
    assert (served.architecture, model_info(served).arch) == (architecture, architecture)


def test_only_what_was_named_is_offered(store, tmp_path):
    again(store, "es-demo", tmp_path)
    one = Catalog(store, ["es-demo@2"])
    assert [o.ref for o in one.offered()] == ["es-demo@2"]
    assert [o.ref for o in one.current()] == ["es-demo@2"]
    with pytest.raises(Refusal):
        one.choose("en-demo", None)
    assert [o.ref for o in Catalog(store, ["es-demo"]).offered()] == ["es-demo@2", "es-demo@3"]


def test_aliases_are_listed_and_lead_to_their_model(store):
    catalog = Catalog(store, aliases={"whisper-1": "es-demo"})
    assert catalog.choose("whisper-1", "es").ref == "es-demo@2"
    assert "whisper-1" in [name for name, _ in catalog.listed()]
    with pytest.raises(SpecError):
        Catalog(store, ["en-demo"], {"whisper-1": "es-demo"})


def test_languages_to_detect_between_have_one_model_each(store, tmp_path):
    again(store, "other", tmp_path)
    catalog = Catalog(store)
    assert sorted(o.language for o in catalog.candidates()) == ["en", "es"]
    assert sorted(o.language for o in catalog.candidates(["es", "en-GB"])) == ["en", "es"]
    with pytest.raises(Refusal):
        catalog.candidates(["es"])


def test_a_name_that_the_store_lacks_is_an_error_before_anything_starts(store):
    with pytest.raises(StoreError, match="es-demo@2"):
        Catalog(store, ["es-dmo"])


def test_a_current_version_with_a_broken_card_gives_way_to_the_one_before(store, tmp_path):
    for number in (3, 4):
        again(store, "es-demo", tmp_path / str(number))
    catalog = Catalog(store)
    (store.models / "es-demo" / "4" / "card.json").write_text("{}")
    chosen = catalog.choose("es-demo", None)
    assert (chosen.ref, chosen.fallback.ref) == ("es-demo@3", "es-demo@2")
    assert [m.ref for m in catalog.current() if m.name == "es-demo"] == ["es-demo@3"]
    assert catalog.choose("es-demo@3", None).fallback is None, "who names a version gets that one or none"
    with pytest.raises(Refusal):
        catalog.choose("es-demo@4", None)


@pytest.mark.parametrize("card", ["", "{", "[]", "5", '{"format": 1}', "[" * 100_000, '{"a":' * 100_000, "\ud800"])
def test_a_broken_card_is_a_broken_version_whatever_is_in_it(store, tmp_path, card):
    again(store, "es-demo", tmp_path / "3")
    (store.models / "es-demo" / "3" / "card.json").write_bytes(card.encode("utf-8", "surrogatepass"))
    assert Catalog(store).choose("es-demo", None).ref == "es-demo@2"


def test_every_version_before_is_a_fallback_since_several_may_be_broken(store, tmp_path):
    for number in (3, 4):
        again(store, "es-demo", tmp_path / str(number))
    chosen = Catalog(store).choose("es-demo", None)
    assert (chosen.version, chosen.fallback.version, chosen.fallback.fallback.version) == (4, 3, 2)


def test_versions_that_somebody_went_back_from_are_no_fallback(store, tmp_path):
    for number in (3, 4):
        again(store, "es-demo", tmp_path / str(number))
    store.set_current("es-demo", 3)
    assert Catalog(store).choose("es-demo", None).fallback.ref == "es-demo@2"
    store.set_current("es-demo", 2)
    assert Catalog(store).choose("es-demo", None).fallback is None


def test_a_broken_card_hides_only_its_own_model(store, tmp_path):
    again(store, "broken", tmp_path)
    (store.models / "broken" / "1" / "card.json").write_text("{}")
    assert [o.name for o in Catalog(store).offered()] == ["en-demo", "es-demo"]


def restricted(store, name, tmp_path, *terms):
    folder = tmp_path / f"restricted-{name}-{len(store.versions(name))}"
    shutil.copytree(BUNDLED / "es-demo" / "2", folder)
    card = read_card(folder)
    row = {"corpus": "pt.jsonl", "language": "es", "licence": "", "restrictions": list(terms), "minutes": 1.0}
    return store.add(name, folder, dataclasses.replace(card, data=dict(card.data) | {"sources": [row]}))


def test_a_restricted_model_is_refused_by_name_and_left_out_of_a_whole_store(store, tmp_path, caplog):
    restricted(store, "ours", tmp_path, "community only")
    with pytest.raises(StoreError, match=r"ours@1: .*community only.*--override"):
        Catalog(store, ["ours"])
    assert "ours" not in [m.name for m in Catalog(store).offered()]
    assert caplog.text.count("ours@1 is not served") == 1
    with pytest.raises(StoreError, match="restricted-ours-0@1"):
        Catalog(store, [str(copied(store, "ours@1", tmp_path / "restricted-ours-0"))])
    restricted(store, "free", tmp_path, "not for export", "ask Ana")
    assert Catalog(store, ["free"]).choose("free", None).ref == "free@1"


def copied(store, ref, folder):
    shutil.copytree(store.resolve(ref), folder)
    return folder


def test_a_version_that_becomes_restricted_while_serving_is_not_served(store, tmp_path):
    again(store, "ours", tmp_path)
    catalog = Catalog(store, ["ours"])
    restricted(store, "ours", tmp_path, "not for serving")
    assert [e.ref for e in store.versions("ours") if e.current] == ["ours@2"]
    assert catalog.choose("ours", None).ref == "ours@1"
    with pytest.raises(Refusal):
        catalog.choose("ours@2", None)


def test_an_override_serves_what_is_here_now_and_is_recorded(store, tmp_path):
    restricted(store, "ours", tmp_path, "community only")
    catalog = Catalog(store, ["ours"], override="keys for members only")
    assert catalog.choose("ours", None).ref == "ours@1"
    (row,) = read_ledger(store.home / OVERRIDES)
    assert (row["model"], row["act"], row["why"]) == ("ours@1", "serving", "keys for members only")
    restricted(store, "ours", tmp_path, "community only", "not for serving")
    assert catalog.choose("ours", None).ref == "ours@1"  # nobody agreed to the second term
