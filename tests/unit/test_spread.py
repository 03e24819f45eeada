import os
import sys
from pathlib import Path

import pytest
import work
from hypothesis import given
from hypothesis import strategies as st
from work import dying, refusing, times

from vizinho.errors import VizinhoError
from vizinho.parallel import spread


@given(st.lists(st.integers()), st.integers(1, 7))
def test_here_every_item_comes_once_and_in_order(items, group):
    assert [made for made, _ in spread(times, (3,), items, group=group)] == [3 * item for item in items]


def test_processes_do_the_same_in_the_same_order():
    made = list(spread(times, (3,), range(40), group=4, processes=2))
    assert [value for value, _ in made] == [3 * item for item in range(40)]
    assert os.getpid() not in {process for _, process in made}


def test_one_group_needs_no_process():
    assert {process for _, process in spread(times, (3,), range(4), group=4, processes=2)} == {os.getpid()}


def test_results_before_an_error_are_given_and_the_error_is_raised():
    seen = []
    with pytest.raises(ValueError, match="is too much"):
        for value in spread(refusing, (8,), range(40), group=4, processes=2):
            seen.append(value)
    assert seen == list(range(8))


def test_a_process_that_dies_is_said():
    with pytest.raises(VizinhoError, match="a process was killed"):
        list(spread(dying, (0,), range(8), group=2, processes=2))


def test_without_ray_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(VizinhoError, match="Ray Data cannot be imported"):
        list(spread(times, (3,), range(4), group=2, on_ray=True))


def test_ray_does_the_same_in_the_same_order(monkeypatch):
    pytest.importorskip("ray.data")
    monkeypatch.setenv("PYTHONPATH", str(Path(work.__file__).parent))  # its processes are to find what this one does
    try:
        made = list(spread(times, (3,), range(40), group=4, processes=2, on_ray=True))
    except VizinhoError as error:  # Ray gives itself half a minute to start, which a busy machine may not have
        pytest.skip(error.what)
    assert [value for value, _ in made] == [3 * item for item in range(40)]
    assert os.getpid() not in {process for _, process in made}
