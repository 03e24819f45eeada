"""The comparison page as a reader sees it: opened in headless Chromium, narrow and wide."""

import json
import re
import shutil
import subprocess
from dataclasses import replace

import pytest

from vizinho.languages.compare import compare
from vizinho.languages.levels.treebank import Node
from vizinho.languages.levels.trees import draw_tree
from vizinho.languages.predict import Measured, Prediction
from vizinho.report.compare_page import compare_page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
LEVELS = ("vocabulary", "spelling", "syntax", "map")


@pytest.fixture(scope="module")
def comparison():
    from vizinho.languages.sources import Inputs

    return compare("pt", ["en", "es", "qaa"], Inputs(top=600), levels=LEVELS)


def test_everything_is_on_the_page(comparison):
    page = compare_page(comparison)
    for level in LEVELS:
        assert f'<section id="{level}">' in page
    for result in comparison.results["es"]:
        for measure in result.measures:
            assert measure.title.replace("'", "&#39;") in page
    assert "Glottolog has no qaa" in page
    assert "Spanish" in page and re.search(r"\d{3} km", page)
    assert page.count("<svg") > 20
    assert not re.search(r'(?:src|href)="(?!#)', page), "the page asks the network for something"


def test_a_prediction_stands_beside_what_was_measured(comparison):
    measured = (Measured("pt", "es", 8.0, 0.4, "r"),)
    prediction = Prediction(3, "score", {}, {}, {"es": (0.3, 0.1, 0.5)}, measured, "fitted on three transfers")
    page = compare_page(comparison, prediction)
    assert "<td>0.30 [0.10, 0.50]</td>" in page
    assert "0.40 <small>(8.0 min)</small>" in page
    assert 'id="prediction"' not in compare_page(comparison)


def test_what_comes_from_texts_is_escaped(comparison):
    rows = [{"target": "<svg onload=alert(0)>", "donor": "<svg onload=alert(1)>"}]
    trees = [{"about": "<svg onload=alert(2)>", "target": "", "donor": ""}]
    evidence = {"cognates_spelt_alike": rows, "trees_side_by_side": trees}
    levels = tuple(replace(level, evidence={**level.evidence, **evidence}) for level in comparison.results["es"])
    page = compare_page(replace(comparison, results={**comparison.results, "es": levels}))
    assert "<svg onload" not in page
    assert page.count("&lt;svg onload=alert(2)") == len(LEVELS)
    assert "&lt;svg onload=alert(1)" in page


def test_words_in_trees_are_escaped():
    drawn = draw_tree([Node("<script>", "NOUN", 0, "root"), Node("&", "<b>", 1, "<i>")])
    assert "<script>" not in drawn and "<b>" not in drawn and "<i>" not in drawn


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_overflows_and_charts_have_a_size(comparison, width, tmp_path):
    page = tmp_path / "page.html"
    page.write_text(compare_page(comparison), encoding="utf-8")
    frame = tmp_path / "frame.html"
    escaped = page.read_text(encoding="utf-8").replace("&", "&amp;").replace('"', "&quot;")
    frame.write_text(
        f"""<meta charset="utf-8">
        <iframe id="f" style="width:{width}px;height:900px;border:0" srcdoc="{escaped}"></iframe>
        <pre id="out"></pre><script>
        document.getElementById("f").addEventListener("load", () => {{
            const d = document.getElementById("f").contentDocument, root = d.documentElement;
            document.getElementById("out").textContent = JSON.stringify({{
                overflow: root.scrollWidth - root.clientWidth,
                rows: d.querySelectorAll("#ranking tr").length,
                flat: [...d.querySelectorAll(".strip svg, figure svg")]
                    .filter(s => s.closest("details:not([open])") === null)
                    .filter(s => s.getBoundingClientRect().width < 20 || s.getBoundingClientRect().height < 10).length,
                trees: d.querySelectorAll("figure.drawing svg").length,
                scrolled: d.getElementById("ranking").getBoundingClientRect().right - root.clientWidth,
                beside: [...d.querySelectorAll(".pair")].filter(p => p.closest("details:not([open])") === null)
                    .map(p => [...p.querySelectorAll("figure")].map(f => f.getBoundingClientRect().top))
                    .every(([a, b]) => a === b),
                overlaps: [...d.querySelectorAll(".pair svg")].filter(s => s.getBoundingClientRect().width)
                    .reduce((n, s) => {{
                        const words = [...s.querySelectorAll("text > tspan.displacy-word")]
                            .map(t => t.getBoundingClientRect()).sort((a, b) => a.left - b.left);
                        return n + words.filter((w, i) => i && w.left < words[i - 1].right).length;
                    }}, 0),
                land: d.querySelector("#places .land").getAttribute("d").length,
                names: [...d.querySelectorAll("#places text.place")].map(t => t.textContent),
            }});
        }});</script>""",
        encoding="utf-8",
    )
    done = subprocess.run(
        [
            CHROMIUM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--virtual-time-budget=4000",
            "--dump-dom",
            str(frame),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    found = json.loads(re.search(r'<pre id="out">(.*?)</pre>', done.stdout).group(1))
    assert found["overflow"] <= 0
    assert found["rows"] == 4
    assert found["flat"] == 0
    assert found["trees"] >= 4
    assert found["scrolled"] <= 0
    assert found["beside"] is (width == 1280)
    assert found["overlaps"] == 0
    assert found["land"] > 1000
    assert found["names"] == ["Portuguese", "Spanish", "English"]
