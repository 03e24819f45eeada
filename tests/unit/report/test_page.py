"""An experiment's page as a reader sees it: complete, escaped, whole without a network, narrow and wide, with sound."""

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from results import arm, finding, update
from results import results as results_of
from tones import tone_speech

from vizinho.audio.io import SAMPLE_RATE
from vizinho.errors import SpecError
from vizinho.experiment.results import LineHypothesis, Results, WorstUtterance, as_json, read_value, write_value
from vizinho.experiment.spec import store_name
from vizinho.report.model_card import write_model_cards
from vizinho.report.page import page, write_report
from vizinho.store.card import Card
from vizinho.store.store import Store

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    import soundfile

    place = tmp_path_factory.mktemp("experiment")
    (place / "clips").mkdir()
    soundfile.write(place / "clips" / "0.mp3", tone_speech("abc"), SAMPLE_RATE, format="MP3")
    (place / "clips" / "1.mp3").write_bytes(b"0" * 300_000)
    return place


@pytest.fixture(scope="module")
def results(folder):
    arms = []
    for seed in (1, 2):
        for minutes in (2.0, 8.0):
            at = {"minutes": minutes, "minutes_asked": minutes}
            arms += [
                arm("es", seed, [0.9, 0.5, 0.3], [1, 2] * 20, recipe="ours", **at),
                arm("es", seed, [0.9, 0.6, 0.4], [3, 2] * 20, recipe="frozen", source="a paper", **at),
                arm("en", seed, [1.0, 0.7, 0.5], [4, 5] * 20, recipe="ours", matched=False, **at),
                arm("scratch", seed, [1.0, 0.9, 0.6], [7, 9] * 20, **at),
            ]
    arms[3] = replace(arms[3], findings=(finding("blank", EVIL),))
    clips = [
        WorstUtterance(f"u{n}", "s", 0.5, text, (LineHypothesis("es", 8.0, EVIL),), f"clips/{n}.mp3")
        for n, text in enumerate((EVIL, "large", "gone"))
    ]
    made = results_of(arms, (update(0.1, minutes=8.0, minutes_asked=8.0),), worst=tuple(clips))
    write_value(folder / "results.json", made)
    return read_value(Results, folder / "results.json")


def test_every_section_is_drawn_and_nothing_is_fetched(results, folder):
    text = page(results, folder)
    for section in (
        "answers",
        "arms",
        "minutes",
        "efficiency",
        "curves",
        "steps",
        "movement",
        "adjustments",
        "retention",
    ):
        assert f'id="{section}"' in text, section
    for section in ("ablation", "findings", "worst", "budgets"):
        assert f'id="{section}"' in text, section
    assert text.count("<svg") == 1 + 5 * 2
    assert text.count('class="comparisons"') == 3
    assert "unmatched budget" in text
    assert "a paper" in text
    assert "Not checked, since their speech is not at hand: es-demo" in text
    assert results.signature in text
    assert not re.search(r'(?:src|href)="(?!#|data:)', text), "the page asks the network for something"
    assert not re.search(r"url\((?!#)", text)


def test_the_caption_names_the_test_that_decided(results, folder):
    assert "decided by paired bootstrap by utterance, 10000 resamples, seed 1, seeds" in page(results, folder)
    arms = [arm(s, 1, [0.9, 0.5], e, speakers=8) for s, e in (("es", [1, 2] * 20), ("scratch", [7, 9] * 20))]
    spoken = results_of(arms)
    text = page(spoken, folder)
    assert "decided by paired bootstrap by speaker, 10000 resamples, seed 1, seeds" in text
    assert "bootstrap by utterance" not in text
    low, high = spoken.comparisons[0].by_speaker.ci
    assert f"[{low:.3f}, {high:.3f}]" in text


def test_results_of_version_0_1_load_unchanged_and_are_drawn(tmp_path):
    path = Path(__file__).parents[2] / "fixtures" / "experiment_0_1" / "results.json"
    results = read_value(Results, path)
    assert as_json(results) == json.loads(path.read_text())
    write_report(path, tmp_path / "r.html")
    assert 'class="comparisons"' in (tmp_path / "r.html").read_text()


def test_ids_on_the_page_are_its_own(results, folder):
    ids = re.findall(r'\bid="([^"]+)"', page(results, folder))
    assert len(set(ids)) == len(ids)


def test_colours_come_from_the_page(results, folder):
    drawings = "".join(re.findall(r"<svg.*?</svg>", page(results, folder), re.DOTALL))
    assert "var(--c0)" in drawings
    assert "var(--soft)" in drawings
    assert not re.search(r"#(?!fff)[0-9a-f]{6}\b", re.sub(r'(href="|url\()#[^")]+', "", drawings))


def test_clips_are_embedded_up_to_a_size_and_the_rest_is_said(results, folder):
    text = page(results, folder)
    assert text.count("data:audio/mpeg;base64,") == 1
    assert "No audio: the clip is too large for the page." in text
    assert "No audio: the clip is not beside the results." in text


def test_what_comes_from_the_file_is_escaped(results, folder):
    assert EVIL not in page(results, folder)
    assert "&lt;img src=x" in page(results, folder)
    arms = [replace(a, start=a.start.replace("es", "<b>es"), origin=f"<b>{a.origin}") for a in results.arms]
    named = results_of(arms, results.updates, worst=results.worst)
    assert "&lt;b&gt;es" in page(named, folder)
    assert "<b>" not in page(named, folder)


def test_one_amount_and_scratch_alone_are_drawn_too(results, folder):
    arms = [a for a in results.arms if a.minutes == 8.0 and a.start == "scratch"]
    text = page(results_of(arms, budgets=(), worst=()), folder)
    assert 'id="minutes"' not in text
    assert 'id="curves"' in text


def test_recipes_are_drawn_together_while_they_are_few(results, folder):
    def drawn(many):
        more = [
            replace(a, arm=f"{n}{a.arm}", recipe=f"r{n}")
            for n in range(many)
            for a in results.arms
            if a.recipe == "frozen"
        ]
        text = page(results_of([*results.arms, *more], results.updates), folder)
        return ">es, frozen<" in re.search(r'id="minutes".*?</svg>', text, re.DOTALL)[0]

    assert [drawn(0), drawn(4)] == [True, False]


def test_an_untrained_donor_is_a_level_to_compare_with(folder):
    arms = [arm("es", 1, [0.5, 0.3], [1, 2] * 20), arm("es", 1, [0.5], [4, 5] * 20, recipe="untrained", movement=None)]
    made = results_of([*arms, arm("scratch", 1, [1.0, 0.6], [7, 9] * 20)])
    text = page(made, folder)
    assert "a step, but those that were not trained." in text
    assert ">es, untrained<" in re.search(r'id="curves".*?</svg>', text, re.DOTALL)[0]
    assert ">es, untrained<" not in re.search(r'id="steps".*?</svg>', text, re.DOTALL)[0]
    assert "es is better than es, untrained by 67%" in made.reading


def test_other_files_are_refused(tmp_path):
    for content, message in (
        ('{"format": 1}', "format: Input should be 2"),
        ('{"format": 2}', "name: Field required"),
        ("[", "Invalid JSON"),
        (None, "no such file"),
    ):
        if content is not None:
            (tmp_path / "r.json").write_text(content)
        with pytest.raises(SpecError, match=message):
            write_report(tmp_path / ("r.json" if content else "gone.json"), tmp_path / "out.html")


def test_model_cards_are_in_hugging_faces_format(results, folder):
    from huggingface_hub import ModelCard

    with pytest.raises(SpecError, match="no models of the arms"):
        write_model_cards(folder / "results.json")
    arm = results.arms[0]
    model = folder / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    scores = [{"split": "test", "cer": 0.15, "wer": 0.5, "signature": arm.test.signature}]
    name = store_name(arm.arm)
    store = Store(folder / "store")
    store.add(name, model, Card(name, "pt", "2026-01-01", 30, "pt-v1", 20, 1, scores=scores))
    (written,) = write_model_cards(folder / "results.json")
    text = written.read_text()
    read = ModelCard(text)
    assert read.data.language == "pt"
    (found,) = [r for r in read.data.eval_results if r.metric_type == "cer"]
    assert found.metric_value == pytest.approx(0.15)
    assert yaml.safe_load(text.split("---")[1])["library_name"] == "transformers"
    assert "- scratch: better, -0.650" in text
    assert "- en, ours (unmatched budgets): better" in text
    assert "- scratch: better, -0.650" in store.card(name).notes
    assert write_model_cards(folder / "results.json") == [written]
    assert store.resolve(name) == written.parent


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_in_a_browser_nothing_overflows_charts_have_a_size_and_audio_plays(results, folder, tmp_path):
    """One start of the browser for a phone, a desk and a dark page: starting it takes longest."""
    text = page(results, folder)
    frames = {
        "phone": (360, text),
        "desk": (1200, text),
        "dark": (800, text.replace("prefers-color-scheme: dark", "prefers-color-scheme: light")),
    }
    inner = "".join(
        f'<iframe id="{name}" style="width:{width}px;height:900px;border:0" srcdoc="'
        + body.replace("&", "&amp;").replace('"', "&quot;")
        + '"></iframe>'
        for name, (width, body) in frames.items()
    )
    frame = tmp_path / "frame.html"
    frame.write_text(
        f"""<meta charset="utf-8">{inner}<pre id="out"></pre><script>
        window.addEventListener("load", async () => {{
            const found = {{}};
            for (const name of {list(frames)}) {{
                const d = document.getElementById(name).contentDocument, root = d.documentElement;
                const audio = d.querySelector("audio");
                const bytes = Uint8Array.from(atob(audio.src.split(",")[1]), c => c.charCodeAt(0)).buffer;
                const sound = await new OfflineAudioContext(1, 1, 16000).decodeAudioData(bytes);
                found[name] = {{
                    overflow: root.scrollWidth - root.clientWidth,
                    flat: [...d.querySelectorAll("figure svg")]
                        .filter(s => s.getBoundingClientRect().height < 60).length,
                    drawn: d.querySelectorAll("figure svg").length,
                    ink: getComputedStyle(d.querySelector("figure svg text")).fill,
                    paper: getComputedStyle(d.body).backgroundColor,
                    seconds: sound.duration,
                }};
            }}
            document.getElementById("out").textContent = JSON.stringify(found);
        }});</script>""",
        encoding="utf-8",
    )
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=20000", "--dump-dom"]
    for _ in range(4):  # the browser's clock runs ahead of the thread that decodes audio, and may run out before it
        done = subprocess.run([*command, str(frame)], capture_output=True, text=True)
        said = re.search(r'<pre id="out">(.*?)</pre>', done.stdout)
        if said and said.group(1):
            break
    found = json.loads(said.group(1))
    for name in frames:
        assert found[name]["overflow"] <= 0, name
        assert found[name]["drawn"] == 11
        assert found[name]["flat"] == 0
        assert 0.2 < found[name]["seconds"] < 1
    assert found["dark"]["paper"] != found["desk"]["paper"]
    assert found["dark"]["ink"] != found["desk"]["ink"]
