"""Time and peak memory of one softmax loss with its gradients, in a process of its own.

    python benchmarks/softmax_memory.py chunked|plain|adaptive INPUTS CLASSES WIDTH [--device cuda] [--threads 2]

Prints JSON: `seconds`, and `mebibytes` at the peak over what there was before (of inputs, weights and libraries).
"""

from __future__ import annotations

import argparse
import functools
import json
import subprocess
import sys
import time
from pathlib import Path

import torch
from reporting import synchronize
from torch.nn import functional

from nlpreg.modules import AdaptiveSoftmaxLoss
from nlpreg.nn.util.losses import linear_softmax_nll

KINDS = ("chunked", "plain", "adaptive")


def measure_in_process(
    kind: str, num_inputs: int, num_classes: int, width: int, device: torch.device, threads: int | None
) -> dict[str, float]:
    """Run this file.

    Raises:
        subprocess.CalledProcessError: it failed, which the system does to whoever needs more memory than there is.
    """
    command = [sys.executable, str(Path(__file__)), kind, *map(str, (num_inputs, num_classes, width))]
    command += ["--device", str(device)]
    if threads is not None:
        command += ["--threads", str(threads)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def _run(
    kind: str, inputs: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, targets: torch.Tensor
) -> None:
    if kind == "adaptive":
        loss = _made_adaptive(*weight.shape, weight.device)(inputs, targets)
    elif kind == "chunked":
        loss = linear_softmax_nll(inputs, weight, bias, targets)
    else:
        loss = functional.cross_entropy(torch.addmm(bias, inputs, weight), targets, reduction="sum")
    torch.autograd.backward(loss)


@functools.cache
def _made_adaptive(width: int, num_classes: int, device: torch.device) -> AdaptiveSoftmaxLoss:
    return AdaptiveSoftmaxLoss(num_classes, width).to(device)


def _memory(device: torch.device, at_peak: bool) -> float:
    """MiB in use now, or at the peak so far.

    On the CPU it is read from /proc: `getrusage` gives a process the peak of the one that started it.
    """
    if device.type == "cuda":
        used = torch.cuda.max_memory_allocated if at_peak else torch.cuda.memory_allocated
        return used(device) / 2**20
    name = "VmHWM:" if at_peak else "VmRSS:"
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(name)) / 1024


def main() -> None:
    """Measure what the command line says."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("kind", choices=KINDS)
    for name in ("inputs", "classes", "width"):
        options.add_argument(name, type=int)
    options.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    options.add_argument("--threads", type=int)
    given = options.parse_args()
    if given.threads is not None:
        torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    inputs = torch.randn(given.inputs, given.width, device=given.device, requires_grad=True)
    weight = (
        torch.randn(given.width, given.classes, device=given.device).div_(given.width**0.5).requires_grad_()
    )
    bias = torch.zeros(given.classes, device=given.device, requires_grad=True)
    targets = torch.randint(0, given.classes, (given.inputs,), device=given.device)
    if given.kind == "adaptive":  # has weights of its own, which count no more than those of the others
        _made_adaptive(given.width, given.classes, given.device)
    # Libraries load parts of themselves at the first use.
    _run(given.kind, inputs[:8], weight[:, :8].contiguous(), bias[:8], targets[:8] % 8)
    inputs.grad = None
    before = _memory(given.device, at_peak=False)
    synchronize(given.device)
    start = time.perf_counter()
    _run(given.kind, inputs, weight, bias, targets)
    synchronize(given.device)
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "mebibytes": _memory(given.device, at_peak=True) - before}))


if __name__ == "__main__":
    main()
