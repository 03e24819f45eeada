"""A polite kill is a wish to stop between steps; a second one is an order."""

import os
import signal

import pytest

from vizinho.training.loop import interruptible


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_a_flag_and_the_second_has_its_usual_effect(kind):
    usual = signal.getsignal(signal.SIGTERM)
    with interruptible() as interrupted:
        assert not interrupted()
        os.kill(os.getpid(), kind)
        assert interrupted()
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) == usual
