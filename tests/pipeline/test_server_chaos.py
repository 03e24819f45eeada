"""Kills, a full disk and peers that misbehave, all at once: every honest request ends, with its text or with when to
try again."""

import sys
from pathlib import Path

import pytest
from serving import KEY, running, speech

pytestmark = pytest.mark.pipeline
ROOT = Path(__file__).parents[2]


@pytest.fixture
def chaos(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    import server_chaos

    yield server_chaos
    for name in ("server_chaos", "server_load"):
        sys.modules.pop(name, None)


def test_nothing_is_lost_in_silence_while_workers_are_killed_and_peers_misbehave(chaos, server_home, tmp_path):
    speech()  # skips where nothing can make speech
    options = ["--workers", "2", "--requests-per-minute", "6000", "--patience", "3", "es-demo"]
    with running(*options, home=server_home, log=tmp_path / "log.txt") as own:
        target = chaos.Server(own.process, own.port, KEY)
        with chaos.beside(chaos.mischief(target, 100)):
            shaken = chaos.storm(target, "es-demo", 6, 120.0, 4.0)
        assert len(shaken.outcomes) >= 6 and not shaken.lost, shaken.line("shaken")
        assert len(shaken.texts) <= 1
        assert own.metric("vizinho_worker_restarts_total") >= 1
        own.wait_ready()
        calm = chaos.honest(target, "es-demo", 2, 5.0, lambda: True)
        assert {o.status for o in calm.outcomes} == {200}, calm.line("calm")
        assert len(calm.texts) == 1 and "casa" in calm.outcomes[0].text
        assert own.metric("vizinho_held_bytes") == 0 and own.metric("vizinho_waiting") == 0
    assert "Traceback" not in (tmp_path / "log.txt").read_text()
