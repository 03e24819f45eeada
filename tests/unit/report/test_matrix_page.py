"""The page of who helps whom, in a real browser."""

import numpy as np
import pytest
from serving import Browser, wav

from vizinho.languages.measured import atlas
from vizinho.report.matrix_page import matrix_page

CELLS = "document.querySelectorAll('#matrix td[data-pair]')"


@pytest.fixture(scope="module")
def browser():
    with Browser(wav(np.zeros(4000, np.float32))) as opened:
        yield opened


@pytest.mark.parametrize("width", [360, 1280])
def test_the_atlas_opens_and_nothing_overflows(browser, tmp_path, width):
    page = tmp_path / "atlas.html"
    page.write_text(matrix_page(atlas()), encoding="utf-8")
    browser.open(page.as_uri(), width=width, height=900)
    assert browser.evaluate(f"{CELLS}.length") == len(atlas()) >= 80
    assert browser.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    # The best donor of each target is framed, and every cell has a colour, its figure and its interval.
    assert browser.evaluate("document.querySelectorAll('#matrix td.best').length") == len({m.target for m in atlas()})
    whole = "c => c.querySelector('small') && getComputedStyle(c).backgroundColor.startsWith('rgba')"
    assert browser.evaluate(f"[...{CELLS}].every({whole})")
    assert browser.evaluate("document.querySelectorAll('#foretold tr').length") > 10
    assert browser.evaluate("document.querySelectorAll('#uneven tr').length") > 10
    assert browser.problems == []
