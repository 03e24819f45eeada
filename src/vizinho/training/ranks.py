"""The processes that train one network together: which one this is, what they agree on, how the network is spread.

With one process nothing here communicates. Several are started by torchrun (or by SLURM through it), each with its
number in the environment.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from typing import Any, TypeVar

import torch

from vizinho.errors import SpecError
from vizinho.parallel import process_count, set_threads
from vizinho.training.options import LoopOptions, TrainingOptions

T = TypeVar("T")

PATIENCE = timedelta(hours=3)
"""How long processes wait for the main one while it evaluates on dev. A dead process is noticed at once."""


class Ranks:
    """This process among those of its run."""

    def __init__(self, options: LoopOptions, *, accelerator: Any = None, strategy: str = "ddp", compile: bool = False):
        """Without `accelerator` one process trains on the CPU. Raises SpecError where torchrun started several."""
        if accelerator is None and process_count() > 1:
            raise SpecError("this network is trained by one process", where="torchrun", fix="run it without torchrun")
        self._accelerator, self._compile, self._accumulate = accelerator, compile, options.accumulate
        set_threads(options.threads)  # accelerate sets its own
        self.world: int = accelerator.num_processes if accelerator else 1
        self.number: int = accelerator.process_index if accelerator else 0
        self.device: torch.device = accelerator.device if accelerator else torch.device("cpu")
        self.sharded = strategy == "fsdp" and self.world > 1

    @property
    def where(self) -> str:
        """The device in words, with threads and processes where there are several."""
        if self.device.type == "cuda":
            place = torch.cuda.get_device_name(self.device)
        else:
            threads = torch.get_num_threads()
            place = f"the {self.device.type.upper()} with {threads} thread{'s' if threads > 1 else ''}"
        return place if self.world == 1 else f"{place} in each of {self.world} processes"

    @classmethod
    def accelerated(cls, options: TrainingOptions) -> Ranks:
        """On the accelerator where there is one, with the other processes that torchrun started."""
        from accelerate import Accelerator
        from accelerate.state import AcceleratorState
        from accelerate.utils import DistributedDataParallelKwargs, InitProcessGroupKwargs

        # Several runs of one process may differ in precision; accelerate would keep that of the first.
        AcceleratorState._reset_state()
        accelerator = Accelerator(
            mixed_precision=options.precision,
            cpu=not torch.cuda.is_available(),
            # Statistics are averaged (RunningStatistics) instead of overwritten by those of the main process.
            kwargs_handlers=[
                DistributedDataParallelKwargs(broadcast_buffers=False),
                InitProcessGroupKwargs(timeout=PATIENCE),
            ],
        )
        strategy = options.distributed.strategy
        return cls(options, accelerator=accelerator, strategy=strategy, compile=options.compile)

    @property
    def main(self) -> bool:
        """Whether this is the process that evaluates, writes and logs."""
        return self.number == 0

    @property
    def step_batches(self) -> int:
        """Batches of a step, those of all processes together."""
        return self.world * self._accumulate

    def batch_numbers(self, start: int, stop: int) -> range:
        """Numbers of the batches that this process computes in steps `start` to `stop`, in order.

        Step s has the batches from s * step_batches on, dealt out in turn: two processes with one batch each compute
        what one process computes with two.
        """
        return range(start * self.step_batches + self.number, stop * self.step_batches, self.world)

    def place(self, model: Any) -> Any:
        """The module whose parameters learn: `model` on the device, or a copy of it of which each process has a part.

        Parameters have the same names in both. FSDP2 (Zhao et al. 2023, arXiv 2304.11277) gathers the parameters of
        one block at a time.
        """
        if self.main or not self.sharded:
            model.to(self.device)
        if not self.sharded:
            return model
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard
        from transformers.modeling_layers import GradientCheckpointingLayer  # every encoder's block is one

        mesh = init_device_mesh(self.device.type, (self.world,))
        # The main process's `model` stays whole: dev and checkpoints use it.
        parts = copy.deepcopy(model)
        for block in [m for m in parts.modules() if isinstance(m, GradientCheckpointingLayer)]:
            fully_shard(block, mesh=mesh)
        fully_shard(parts, mesh=mesh)  # what is in no block: front end and output layer
        return parts

    def wrap(self, placed: Any, *, every_gradient: bool) -> Any:
        """What the forward pass of a placed module is called on.

        DDP decides when it is made which parameters it waits for in the backward pass, and would wait for ever for one
        that a freeze, layer drop or the architecture leaves out. Unless every parameter has a gradient in every batch
        (`every_gradient`), it looks for those without before each backward pass.
        """
        # Lengths differ from batch to batch; a static graph would be compiled for each of them.
        network = torch.compile(placed, dynamic=True) if self._compile else placed
        if self._accelerator is None:
            return network
        if self.sharded:
            # The network returns logits as a view, which nothing here changes in place.
            warnings.filterwarnings("ignore", "FSDP2-wrapped module .* returned a view tensor", UserWarning)
            return network
        self._accelerator.ddp_handler.find_unused_parameters = not every_gradient
        if self.world > 1:
            # The new name of the option is not in all torch versions that we allow; some gradients come in another
            # order of memory than DDP's copy, which costs nothing here.
            warnings.filterwarnings("ignore", "`broadcast_buffers` is deprecated", FutureWarning)
            warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides", UserWarning)
        return self._accelerator.prepare_model(network)

    @contextmanager
    def computing(self, wrapped: Any, *, last: bool) -> Iterator[None]:
        """Around a forward and backward pass: gradients are exchanged with those of the step's `last` batch."""
        if self.sharded:
            wrapped.set_requires_gradient_sync(last)
        wait = not last and self._accelerator is not None and not self.sharded
        with self._accelerator.no_sync(wrapped) if wait else nullcontext():
            yield

    def autocast(self) -> Any:
        """The context in which the run's precision holds."""
        return self._accelerator.autocast() if self._accelerator else nullcontext()

    def backward(self, loss: torch.Tensor) -> None:
        """Add the gradients of a loss."""
        if self._accelerator is None:
            loss.backward()  # type: ignore[no-untyped-call]
        else:
            self._accelerator.backward(loss)

    def clip(self, parameters: Any, norm: float) -> float:
        """Scale gradients down to a norm; returns the one they had."""
        clip = self._accelerator.clip_grad_norm_ if self._accelerator else torch.nn.utils.clip_grad_norm_
        before = clip(parameters, norm)  # a DTensor under FSDP, of which each process has a part
        return float(before.full_tensor() if hasattr(before, "full_tensor") else before)

    def total(self, *values: float) -> list[float]:
        """Sums over the processes."""
        if self.world == 1:
            return list(values)
        # float64, as Python's own numbers are: the sums of one process and of several differ by rounding only.
        own = torch.tensor(values, dtype=torch.float64, device=self.device)
        return [float(v) for v in self._accelerator.reduce(own, "sum")]

    def wait(self) -> None:
        """Return once every process is here."""
        self.total(0)

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process."""
        return self.total(float(flag))[0] > 0

    def from_main(self, value: T) -> T:
        """The main process's value."""
        if self.world == 1:
            return value
        from accelerate.utils import broadcast_object_list

        return broadcast_object_list([value])[0]  # type: ignore[no-any-return]

    def gather_names(self, names: Sequence[str]) -> list[str]:
        """The names of all processes together."""
        if self.world == 1:
            return list(names)
        gathered: list[list[str]] = [[] for _ in range(self.world)]
        torch.distributed.all_gather_object(gathered, list(names))
        return [name for part in gathered for name in part]

    def average(self, tensors: Sequence[torch.Tensor]) -> None:
        """Put the mean over the processes into each of the tensors."""
        if self.world > 1 and tensors:
            # One message for all of them: they are many and small.
            together = self._accelerator.reduce(torch.cat([tensor.flatten() for tensor in tensors]), "mean")
            for tensor, mean in zip(tensors, together.split([tensor.numel() for tensor in tensors]), strict=True):
                tensor.copy_(mean.view_as(tensor))

    def gather(self, placed: Any, model: Any) -> None:
        """Where `placed` is in parts, copy its weights into the main process's `model`."""
        if self.sharded:
            whole = WholeModel(placed).state_dict()
            if self.main:
                model.load_state_dict(whole)

    def share(self, model: Any) -> None:
        """Give the weights of the main process's `model` to all."""
        if self.world == 1:
            return
        for tensor in model.state_dict().values():
            sent = tensor.contiguous()  # NCCL and Gloo need contiguous memory
            torch.distributed.broadcast(sent, src=0)
            tensor.copy_(sent)


class WholeModel:
    """The weights of a network that is in parts, as one network's. Every process must ask at the same time."""

    def __init__(self, placed: Any) -> None:
        self._placed = placed

    def state_dict(self) -> dict[str, Any]:
        """Whole weights on the CPU, in the main process only."""
        from torch.distributed.checkpoint.state_dict import get_model_state_dict

        return get_model_state_dict(self._placed, options=_whole())

    def load_state_dict(self, weights: dict[str, Any]) -> None:
        """Each process takes its parts."""
        from torch.distributed.checkpoint.state_dict import set_model_state_dict

        set_model_state_dict(self._placed, weights, options=_whole())


class WholeOptimizer:
    """The state of the optimiser of a network in parts, as one network's; parameters go by their names in it."""

    def __init__(self, placed: Any, optimizer: torch.optim.Optimizer) -> None:
        self._placed, self._optimizer = placed, optimizer

    def state_dict(self) -> dict[str, Any]:
        """Whole state on the CPU, in the main process only."""
        from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict

        return get_optimizer_state_dict(self._placed, self._optimizer, options=_whole())

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Each process takes its parts."""
        from torch.distributed.checkpoint.state_dict import set_optimizer_state_dict

        set_optimizer_state_dict(self._placed, self._optimizer, state, options=_whole(strict=False))
        # set_optimizer_state_dict makes up a state for every parameter; those that have not learnt yet must have none.
        for name, parameter in self._placed.named_parameters():
            if name not in state["state"]:
                self._optimizer.state.pop(parameter, None)


def _whole(*, strict: bool = True) -> Any:
    from torch.distributed.checkpoint.state_dict import StateDictOptions

    return StateDictOptions(full_state_dict=True, cpu_offload=True, strict=strict)
