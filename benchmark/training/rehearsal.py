"""Try an external method on synthetic images before it trains for hours.

Faults found here would otherwise surface at the first row, at a snapshot, or on resuming a run. So
few updates cannot find everything: state kept outside the method that matters only later goes
unnoticed.
"""

import sys
import time
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from benchmark.errors import BenchError, InputError, of_system
from benchmark.methods.method import Batch, Method, takes_labels
from benchmark.seeds import derive
from benchmark.spec import RunSpec
from benchmark.training import checkpoint, snapshots
from benchmark.training.checkpoint import Progress
from benchmark.training.determinism import StepDraw, fix, seeded
from benchmark.training.learning_rate import RateState
from benchmark.training.loop import check_columns, evaluating, new_method

CPU = torch.device("cpu")
SAMPLES = 5
BEFORE = 2  # updates before the checkpoint
AFTER = 5  # and after it: some methods make five critic updates per generator update
PATIENCE_S = 20.0  # after which no further update is tried
Made = TypeVar("Made")


def build_alone(spec: RunSpec) -> Method:
    """The run's method, to query its abilities; its weights are meta tensors where possible.

    Raises InputError where its constructor does not take its settings.
    """
    try:
        with torch.device("meta"):
            return new_method(spec, torch.device("meta"))
    except Exception:
        return _told(spec, "its constructor", lambda: new_method(spec, CPU))


def rehearse(spec: RunSpec) -> None:
    """Build, update, watch, sample, save and resume the run's method on the CPU.

    Raises InputError, in one line, at the first fault.
    """
    with redirect_stdout(sys.stderr):  # keeps the method's prints out of our output
        _rehearse(spec)


def _rehearse(spec: RunSpec) -> None:
    fix(spec.training.threads)
    switches = _switches()
    first = _told(spec, "its constructor", lambda: new_method(spec, CPU))
    _check_optimizers(spec, first)
    names = set(first.state_dict())
    for number in range(1, BEFORE + 1):
        for name, value in _update(spec, first, number).items():
            # Later ones may show that a run diverges, which is a result.
            if number == 1 and not bool(torch.isfinite(value)):
                raise _refused(spec, f"{name} is {float(value)} in the first update")
    _check_state(spec, first, names)
    digest = checkpoint.weights_digest(first)
    _check_watch(spec, first)
    drawn = _samples(spec, first)
    if checkpoint.weights_digest(first) != digest:
        raise _refused(spec, "watch or sample changes its weights or buffers; they only look")
    again = _told(spec, "its constructor", lambda: new_method(spec, CPU))
    _check_snapshot(spec, first, again, drawn)
    _check_resumption(spec, first, again)
    for name, value in _switches().items():
        if value != switches[name]:
            raise _refused(spec, f"changes {name}, which is the whole process's")


def _check_optimizers(spec: RunSpec, method: Method) -> None:
    optimizers = getattr(method, "optimizers", None)
    if not isinstance(optimizers, Mapping) or not all(
        isinstance(each, torch.optim.Optimizer) for each in optimizers.values()
    ):
        raise _refused(spec, "needs `optimizers`: torch's, by name")
    own = {id(weight) for weight in method.parameters()}
    for name, optimizer in optimizers.items():
        for group in optimizer.param_groups:
            if not all(id(weight) in own for weight in group["params"]):
                raise _refused(
                    spec, f"optimizer {name!r} trains what is no parameter of it: it is not saved"
                )


def _update(spec: RunSpec, method: Method, number: int) -> dict[str, Tensor]:
    for optimizer in method.optimizers.values():
        for group in optimizer.param_groups:
            group["lr"] = spec.training.lr
    batch, draw = _batch(spec, method, number), StepDraw(spec.seed, number, CPU)
    with seeded(type(method), spec.seed, "update", number, CPU):
        found = _told(spec, "update", lambda: method.update(batch, draw))
    _named(spec, method, "update", found, method.columns)
    for name, value in found.items():
        if not isinstance(value, Tensor) or value.numel() != 1 or value.is_complex():
            raise _refused(spec, f"update returns {name} as {_kind(value)}; return a scalar tensor")
        if value.requires_grad:
            raise _refused(spec, f"update returns {name} with its gradients; detach it")
    return found


def _check_watch(spec: RunSpec, method: Method) -> None:
    batch, draw = _batch(spec, method, 0), StepDraw(spec.seed, 0, CPU)
    with evaluating(method), seeded(type(method), spec.seed, "watch", 0, CPU):
        found = _told(spec, "watch", lambda: method.watch(batch, draw))
    _named(spec, method, "watch", found, method.heldout)
    for name, value in found.items():
        try:
            float(value)
        except (TypeError, ValueError, RuntimeError):
            said = f"watch returns {name} as {_kind(value)}; return a scalar tensor"
            raise _refused(spec, said) from None


def _samples(spec: RunSpec, method: Method) -> Tensor:
    """Samples, and as many of the labels asked for where the method makes these."""
    found = [_drawn(spec, method, "sample", SAMPLES)]
    of_labels = method.labelled and takes_labels(method)  # in an `if` it would narrow the type
    if of_labels:
        found.append(_drawn(spec, method, "sample_with", _labels(spec, SAMPLES, 0)))
    return torch.cat(found)


def _drawn(spec: RunSpec, method: Method, function: str, asked: int | Tensor) -> Tensor:
    def draw() -> Any:
        with seeded(type(method), spec.seed, "z_eval", 0, CPU):
            return getattr(method, function)(asked, StepDraw(spec.seed, 0, CPU), "z_eval")

    with evaluating(method):
        found = _told(spec, function, draw)
    wanted = (SAMPLES, 3, spec.data.size, spec.data.size)
    if not isinstance(found, Tensor) or found.shape != wanted or not found.is_floating_point():
        raise _refused(spec, f"{function} returns {_kind(found)}; wanted: floats {wanted}")
    return found


def _check_snapshot(spec: RunSpec, first: Method, again: Method, drawn: Tensor) -> None:
    """Check that `again`, loaded from a snapshot, samples the same as `first`."""
    held = snapshots.tensors(first)
    _told(spec, "loading a snapshot", lambda: again.load_state_dict(held, strict=False))
    if not _same(_samples(spec, again), drawn):
        names = ", ".join(first.sampled_by)
        raise _refused(spec, f"its samples need more than sampled_by ({names}) names")


def _check_resumption(spec: RunSpec, first: Method, again: Method) -> None:
    """Check that `again`, resumed from a checkpoint, continues exactly as `first`."""
    progress = Progress(step=BEFORE, rate=RateState(lr=spec.training.lr), wall_s=0, cpu_s=0)
    data = _told(spec, "saving a checkpoint", lambda: checkpoint.dump(first, progress))
    _told(spec, "loading a checkpoint", lambda: checkpoint.restore(again, data))
    until = time.monotonic() + PATIENCE_S
    for number in range(BEFORE + 1, BEFORE + 1 + AFTER):
        other = _difference(spec, first, again, number)
        if other is not None:
            raise _refused(
                spec,
                f"{other} after resuming: it keeps state outside of its parameters, buffers and "
                "optimizers (register it as a buffer), or draws random numbers from elsewhere than "
                "`draw` and the generators of torch, NumPy and random",
            )
        if time.monotonic() > until:
            return


def _difference(spec: RunSpec, one: Method, other: Method, number: int) -> str | None:
    """What differs between two methods after an update; None where nothing does."""
    found = [_update(spec, method, number) for method in (one, other)]
    for name in found[0]:
        if not _same(found[0][name], found[1][name]):
            return f"{name} differs"
    if checkpoint.weights_digest(one) != checkpoint.weights_digest(other):
        return "its weights differ"
    return None


def _check_state(spec: RunSpec, method: Method, names: set[str]) -> None:
    """Check that saved state consists of tensors that exist from the start."""
    state = method.state_dict()
    for name in sorted(set(state) ^ names):
        raise _refused(spec, f"update adds or drops {name}; make every weight in the constructor")
    for name, value in state.items():
        if not isinstance(value, Tensor):
            raise _refused(spec, f"its state {name} is {_kind(value)}, and only tensors are saved")
    for name, optimizer in method.optimizers.items():
        for kept in optimizer.state.values():
            for key, value in kept.items():
                if not isinstance(value, Tensor):
                    raise _refused(
                        spec,
                        f"optimizer {name!r} ({type(optimizer).__name__}) keeps {key} as "
                        f"{_kind(value)}, and only tensors are saved; choose another",
                    )


def _batch(spec: RunSpec, method: Method, number: int) -> Batch:
    """Synthetic images, and labels with both 0s and 1s."""
    count, size = spec.training.batch, spec.data.size
    source = torch.Generator().manual_seed(derive(spec.seed, "rehearsal", number))
    images = torch.rand(count, 3, size, size, generator=source) * 2 - 1
    images = images.contiguous(memory_format=torch.channels_last)
    return Batch(images, _labels(spec, count, number) if method.labelled else None)


def _labels(spec: RunSpec, count: int, number: int) -> Tensor:
    source = torch.Generator().manual_seed(derive(spec.seed, "rehearsal labels", number))
    names = getattr(spec.method, "attributes", ())
    return torch.rand(count, len(names), generator=source).round()


def _named(spec: RunSpec, method: Method, function: str, found: Any, wanted: Any) -> None:
    if not isinstance(found, Mapping) or not all(isinstance(name, str) for name in found):
        raise _refused(spec, f"{function} returns {_kind(found)}; return its columns by name")
    try:
        check_columns(method, function, found, wanted)
    except BenchError as error:
        raise InputError(f"{spec.method.name}: {error}") from None


def _switches() -> dict[str, Any]:
    """Process-wide state that a method could change, affecting others."""
    return {
        "torch's default dtype": torch.get_default_dtype(),
        "torch's default device": torch.get_default_device(),
        "the number of threads": torch.get_num_threads(),
        "whether algorithms are deterministic": torch.are_deterministic_algorithms_enabled(),
        "whether gradients are computed": torch.is_grad_enabled(),
        "torch's precision of products": torch.get_float32_matmul_precision(),
        "NumPy's treatment of errors": dict(np.geterr()),
        "the working folder": Path.cwd(),
    }


def _same(one: Tensor, other: Tensor) -> bool:
    numbers = torch.equal(one.nan_to_num(), other.nan_to_num())
    return numbers and torch.equal(one.isnan(), other.isnan())


def _kind(value: Any) -> str:
    """A value's description for people."""
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
    return f"a {type(value).__name__}"


def _told(spec: RunSpec, what: str, act: Callable[[], Made]) -> Made:
    """The same, with any exception of the method's code turned into one line."""
    try:
        return act()
    except InputError:
        raise
    except (Exception, SystemExit) as error:
        said = f"{type(error).__name__}: {of_system(error)[:200]}"
        raise InputError(f"{spec.method.name}: {what} raises {said}") from error


def _refused(spec: RunSpec, text: str) -> InputError:
    return InputError(f"{spec.method.name}: {text}")
