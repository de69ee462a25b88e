"""The state of every generator of random numbers, as tensors and plain values."""

from __future__ import annotations

import random
from typing import Any

import numpy
import torch


def random_state() -> dict[str, Any]:
    """The states of the generators of Python, numpy and torch, GPUs included."""
    version, words, next_gauss = random.getstate()
    name, keys, position, has_gauss, cached = numpy.random.get_state(legacy=True)
    return {
        "python": {"version": version, "words": torch.tensor(words), "next_gauss": next_gauss},
        "numpy": {
            "name": str(name),
            "keys": torch.from_numpy(numpy.asarray(keys).astype(numpy.int64)),
            "position": int(position),
            "has_gauss": int(has_gauss),
            "cached": float(cached),
        },
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def set_random_state(state: dict[str, Any]) -> None:
    """Put the generators back to where `random_state` found them.

    The state of the GPUs is left alone where their number is another one.
    """
    python, legacy = state["python"], state["numpy"]
    random.setstate((python["version"], tuple(python["words"].tolist()), python["next_gauss"]))
    keys = legacy["keys"].numpy().astype(numpy.uint32)
    numpy.random.set_state((legacy["name"], keys, legacy["position"], legacy["has_gauss"], legacy["cached"]))
    torch.set_rng_state(state["torch"])
    if state["cuda"] and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])
