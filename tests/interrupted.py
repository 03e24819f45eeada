"""A training that is killed and started again beside one that is left alone, for every task of the loop."""

from collections.abc import Callable
from pathlib import Path

import pytest

from vizinho.errors import InterruptedRunError
from vizinho.job.start import ReadyJob
from vizinho.training.loop import fit
from vizinho.training.options import TrainingOptions
from vizinho.training.speech_task import SpeechTask


def whole_and_resumed(
    ready: Callable[[], ReadyJob], kind: type[SpeechTask], options: TrainingOptions, folder: Path
) -> tuple[ReadyJob, ReadyJob]:
    """A job trained in one go, and one that was killed in its third step and went on from its checkpoint of step 2."""
    parts = folder / "parts"

    class Interrupted(kind):
        """Killed in the third step."""

        def loss(self, network, batch, options, ranks):
            if (parts / "step-00000002").exists():
                raise InterruptedRunError("killed")
            return super().loss(network, batch, options, ranks)

    def trained(task: type[SpeechTask], place: Path) -> ReadyJob:
        job = ready()
        fit(task(job.checkpoint, job.prepared.examples), options, place)
        return job

    whole = trained(kind, folder / "whole")
    with pytest.raises(InterruptedRunError):
        trained(Interrupted, parts)
    return whole, trained(kind, parts)
