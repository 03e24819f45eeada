"""The comparison page as a reader sees it: opened in headless Chromium, narrow and wide."""

import json
import re
import shutil
import subprocess

import pytest

from vizinho.languages.compare import compare
from vizinho.languages.levels.treebank import Node
from vizinho.languages.levels.trees import draw_tree
from vizinho.report.compare_page import compare_page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
LEVELS = ("vocabulary", "spelling", "syntax", "map")


@pytest.fixture(scope="module")
def values():
    from vizinho.languages.compare import Inputs

    found = compare("pt", ["en", "es", "qaa"], Inputs(top=600), levels=LEVELS)
    return json.loads(json.dumps(found.as_json()))


def test_everything_is_on_the_page(values):
    page = compare_page(values)
    for level in LEVELS:
        assert f'<section id="{level}">' in page
    for result in values["levels"]["es"]:
        for measure in result["measures"]:
            assert measure["title"].replace("'", "&#39;") in page
    assert "atlas" in page  # the gap of zz
    assert page.count("<svg") > 20
    assert not re.search(r'(?:src|href)="(?!#)', page), "the page asks the network for something"


def test_what_comes_from_texts_is_escaped(values):
    evil = json.loads(json.dumps(values))
    for level in evil["levels"]["es"]:
        for row in level["evidence"].get("cognates_spelt_alike", []):
            row["donor"] = "<svg onload=alert(1)>"
        for row in level["evidence"].get("trees_side_by_side", []):
            row["about"] = "<svg onload=alert(2)>"
    assert "<svg onload" not in compare_page(evil)
    assert "&lt;svg onload" in compare_page(evil)


def test_words_in_trees_are_escaped():
    drawn = draw_tree([Node("<script>", "NOUN", 0, "root"), Node("&", "<b>", 1, "<i>")])
    assert "<script>" not in drawn and "<b>" not in drawn and "<i>" not in drawn


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("width", [360, 1200])
def test_nothing_overflows_and_charts_have_a_size(values, width, tmp_path):
    page = tmp_path / "page.html"
    page.write_text(compare_page(values), encoding="utf-8")
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
