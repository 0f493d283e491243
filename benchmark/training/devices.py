"""One run on several devices of a machine: a process each, and the same step in all of them.

Every process has all the weights and makes every step as if it were alone: it draws the whole batch
and all codes, and takes the losses over all images. Only inside the networks is the batch shared
out: a network is given its process's share of the rows, and what it makes of them is gathered. So
whatever a method does with a batch is what it does in one process (BEGAN's k and M_global, a hinge,
a norm over the batch, the pulling-away term over all pairs, a penalty on gradients), and no method
knows of it. Averaging the gradients of a loss on each share, as DistributedDataParallel does, is
the same thing only for a loss that is a mean over images.

Outside the networks, then, every tensor and its gradient is whole, and the same in all processes:

    into a network      a process's rows;       the gradient of all rows is gathered
    out of a network    all rows, gathered;     the gradient of a process's rows
    a weight            the same everywhere;    the gradient summed over the processes
    batch norm          all rows, gathered, normalised in every process, and shared out again

The first process leads. It alone holds the run's folder, evaluates, decides and is told to stop;
the others make the steps that it names.
"""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn.modules.batchnorm import _BatchNorm

from benchmark.errors import BenchError
from benchmark.methods.method import Method

STORE = "BENCH_PROCESSES"  # in the environment of each; RANK and WORLD_SIZE are torchrun's
# One step, given its number (from 1) and the learning rate.
Update = Callable[[int, float], dict[str, Tensor]]
BEGIN, END, CLOCK = 0, -1, -2  # what the leader says beside the number of a step
# For an order: the others wait while the leader evaluates. One that is gone is seen at once.
PATIENCE = timedelta(days=30)


@dataclass(frozen=True)
class Rank:
    """Which of a run's processes this is, from 0, which leads."""

    number: int
    count: int
    store: str  # the file through which they find each other

    @classmethod
    def here(cls) -> Self | None:
        """None in a process that `launch` did not start."""
        if STORE not in os.environ:
            return None
        return cls(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]), os.environ[STORE])


class Group:
    """The processes of one run, and the device of this one."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.within = False  # a step, or where one broke off
        orders = dist.new_group(backend="gloo", timeout=PATIENCE)
        assert isinstance(orders, dist.ProcessGroup)  # of which this process is one
        self._orders = orders

    @property
    def leads(self) -> bool:
        return dist.get_rank() == 0

    def lead(self, update: Update, method: Method) -> Update:
        """`update` in all processes. Their `follow` begins here, on the weights that there are."""
        shared = SharedRows(method)
        self._tell(BEGIN)

        def led(step: int, lr: float) -> dict[str, Tensor]:
            self._tell(step, lr)
            return self._together(shared, update, step, lr)

        return led

    def waits(self) -> bool:
        """Until the leader begins; False where it ended instead."""
        return self._hear()[0] != END

    def follow(self, update: Update, method: Method) -> None:
        """Make the leader's steps until it ends."""
        shared = SharedRows(method)
        while (order := self._hear())[0] != END:
            if order[0] == CLOCK:
                self._summed_clocks()
            else:
                self._together(shared, update, *order)

    def processor_time(self) -> float:
        """Seconds that all processes have used. Asked by the leader between two steps."""
        self._tell(CLOCK)
        return self._summed_clocks()

    def end(self) -> None:
        """Let the others go, who wait for orders."""
        if self.leads:
            self._tell(END)

    def _together(
        self, shared: "SharedRows", update: Update, step: int, lr: float
    ) -> dict[str, Tensor]:
        self.within = True
        with shared.out():
            metrics = update(step, lr)
        self.within = False
        return metrics

    def _tell(self, step: int, lr: float = 0.0) -> None:
        order = torch.tensor([step, lr], dtype=torch.float64)
        dist.broadcast(order, src=0, group=self._orders)

    def _hear(self) -> tuple[int, float]:
        order = torch.empty(2, dtype=torch.float64)
        dist.broadcast(order, src=0, group=self._orders)
        return int(order[0]), float(order[1])

    def _summed_clocks(self) -> float:
        seconds = torch.tensor(time.process_time(), dtype=torch.float64)
        dist.all_reduce(seconds, group=self._orders)
        return float(seconds)


@contextmanager
def group(rank: Rank, device: torch.device) -> Iterator[Group]:
    """This process among the others, once all are there; BenchError when one of them dies."""
    # They are all on this machine, and nobody else is to reach them.
    loopback = next(name for _, name in socket.if_nameindex() if name in ("lo", "lo0"))
    os.environ |= {"GLOO_SOCKET_IFNAME": loopback, "NCCL_SOCKET_IFNAME": loopback}
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group(
        "nccl" if device.type == "cuda" else "gloo",
        init_method=f"file://{rank.store}",
        rank=rank.number,
        world_size=rank.count,
    )
    found = Group(device)
    try:
        yield found
    except RuntimeError as error:
        if "by peer" not in str(error):
            raise
        raise BenchError("another of the run's processes is gone") from None
    finally:
        if not found.within:  # else the others see this process end
            with suppress(RuntimeError):  # where one is gone there is nobody to let go
                found.end()
            dist.destroy_process_group()


class SharedRows:
    """A method whose networks work on a share of their rows each, while `out` lasts.

    The networks' weights must have gradients by way of their modules alone, and only batch norm may
    look at more than one row, as is so in every method of the package.
    """

    def __init__(self, method: Method) -> None:
        self._on = False
        self._depth = 0  # of modules called within modules
        whole: set[nn.Parameter] = set()
        for module in method.modules():
            if isinstance(module, _BatchNorm):
                whole.update(module.parameters())
                module.register_forward_pre_hook(self._into_norm)
                module.register_forward_hook(self._out_of_norm)
            elif module is not method:
                module.register_forward_pre_hook(self._into_network)
                module.register_forward_hook(self._out_of_network)
        for parameter in method.parameters():
            if parameter not in whole:  # the gradients of batch norm's are whole already
                # torch gives this function no types.
                parameter.register_hook(_summed)  # type: ignore[no-untyped-call]

    @contextmanager
    def out(self) -> Iterator[None]:
        self._on = True
        yield
        self._on = False

    def _into_network(self, module: nn.Module, inputs: Any) -> Any:
        if not self._on:
            return None
        self._depth += 1
        return _each(_Share, inputs) if self._depth == 1 else None

    def _out_of_network(self, module: nn.Module, inputs: Any, made: Any) -> Any:
        if not self._on:
            return None
        self._depth -= 1
        return None if self._depth else _each(_Gather, made)

    def _into_norm(self, module: nn.Module, inputs: Any) -> Any:
        return _each(_Gather, inputs) if self._on and self._depth else None

    def _out_of_norm(self, module: nn.Module, inputs: Any, made: Any) -> Any:
        return _each(_Share, made) if self._on and self._depth else None


def _each(change: type[Function], values: Any) -> Any:
    """`change` of every tensor that has rows; a scalar, such as a carry, stays."""
    if isinstance(values, tuple):
        return tuple(_each(change, value) for value in values)
    has_rows = isinstance(values, Tensor) and values.ndim > 0
    return change.apply(values) if has_rows else values


class _Share(Function):
    """All rows -> this process's, a copy that may be written to."""

    @staticmethod
    def forward(ctx: Any, whole: Tensor) -> Tensor:
        if len(whole) % dist.get_world_size():
            raise ValueError(f"{len(whole)} rows for {dist.get_world_size()} processes")
        return whole.chunk(dist.get_world_size())[dist.get_rank()].clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        return _Gather.apply(gradient)


class _Gather(Function):
    """This process's rows -> all rows."""

    @staticmethod
    def forward(ctx: Any, part: Tensor) -> Tensor:
        dense, last = _dense(part)
        whole = dense.new_empty(len(dense) * dist.get_world_size(), *dense.shape[1:])
        dist.all_gather_into_tensor(whole, dense)
        return whole.movedim(-1, 1) if last else whole

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        return _Share.apply(gradient)


def _summed(gradient: Tensor) -> Tensor:
    """A weight's gradient over all rows. Taken before it is added to what the weight has."""
    dense, last = _dense(gradient)
    whole = dense.clone()
    dist.all_reduce(whole)
    return whole.movedim(-1, 1) if last else whole


def _dense(x: Tensor) -> tuple[Tensor, bool]:
    """The numbers of x in the order of memory, and whether that has channels last."""
    last = x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last)
    return (x.movedim(1, -1) if last else x).contiguous(), last
