"""One process of distributed runs, started by `test_communicator.py`: `distributed_job.py RANK SIZE FOLDER`.

Reads its orders, one run after another, from `FOLDER/orders.json`, and writes what came of them to
`FOLDER/result_RANK.json`.
"""

import importlib.util
import json
import logging
import os
import random
import signal
import sys
from datetime import timedelta
from pathlib import Path

import numpy
import torch
from torch import distributed as dist

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.runtime.process import SigTermReceived, end_process, stay_on_this_machine
from nlpreg.nn.parallel import DdpAccelerator
from nlpreg.training import Trainer
from nlpreg.training.callbacks import TrainerCallback

LIMIT = timedelta(seconds=60)  # for each wait of one process for the other


def load_conftest():
    spec = importlib.util.spec_from_file_location("parts", Path(__file__).with_name("conftest.py"))
    parts = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(parts)
    return parts


def shared_out(loader, rank, size):
    """The loader with each batch cut into equal shares, of which it gives that of one rank."""
    whole = loader.batch

    def share(epoch, index):
        batch = whole(epoch, index)
        length = len(batch["y"]) // size
        return {name: value[rank * length : (rank + 1) * length] for name, value in batch.items()}

    loader.batch = share
    return loader


@TrainerCallback.register("ask_to_end")
class AskToEnd(TrainerCallback):
    """One of the processes is asked to end after some updates."""

    def __init__(self, serialization_dir, rank: int, after: int):
        super().__init__(serialization_dir)
        self.rank = rank
        self.after = after

    def on_batch(self, trainer, *args, is_training, **kwargs):
        if is_training and dist.get_rank() == self.rank and trainer._total_batches_completed == self.after:
            os.kill(os.getpid(), signal.SIGTERM)


def run(orders, rank, size, folder):
    parts = load_conftest()
    random.seed(1)
    numpy.random.seed(2)
    torch.manual_seed(3)
    model = parts.TinyModel(dropout=orders.get("dropout", 0.0), reports_weight=True)
    model.scale = torch.nn.Parameter(torch.ones(1))  # parameters without a dimension cannot be sharded
    if orders.get("few"):  # fewer batches than processes
        loader, validation = parts.TinyLoader(1 - rank), parts.TinyLoader(2, seed=7)
    elif orders.get("uneven"):
        loader, validation = (
            parts.TinyLoader(5 - 2 * rank, seed=rank),
            parts.TinyLoader(2 + rank, seed=7 + rank),
        )
    else:
        loader = shared_out(parts.TinyLoader(6, sizes=(8, 4)), rank, size)
        validation = shared_out(parts.TinyLoader(3, seed=5, sizes=(6,), is_fixed=True), rank, size)
    params = Params({"num_epochs": 2, "optimizer": {"type": "sgd", "lr": 0.1}, **orders.get("trainer", {})})
    accelerator = None if size == 1 else DdpAccelerator.by_name(orders.get("accelerator", "torch"))()
    extras = {} if size == 1 else {"distributed": True, "world_size": size}
    trainer = Trainer.from_params(
        params,
        serialization_dir=str(folder / orders["folder"]),
        model=model,
        data_loader=loader,
        validation_data_loader=validation,
        local_rank=rank,
        ddp_accelerator=accelerator,
        cuda_device=-1,
        **extras,
    )
    result = {"given": loader.given, "validated": validation.given}
    try:
        result["metrics"] = trainer.train()
    except SigTermReceived as error:
        result["ended"] = str(error)
    except ConfigurationError as error:
        result["refused"] = str(error)
    wrapped = trainer.run.wrapped_model
    weights = model.state_dict() if wrapped is None else wrapped.state_dict()
    result["weights"] = {
        name: (value.full_tensor() if hasattr(value, "full_tensor") else value).tolist()
        for name, value in weights.items()
    }
    return result


def main(rank, size, folder):
    logging.basicConfig(filename=folder / f"log_{rank}.txt", level=logging.INFO)
    torch.set_num_threads(1)
    stay_on_this_machine()
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=size, timeout=LIMIT
    )
    orders = json.loads((folder / "orders.json").read_text())
    results = {name: run(order, rank, size, folder) for name, order in orders.items()}
    (folder / f"result_{rank}.json").write_text(json.dumps(results))
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
    end_process(0)
