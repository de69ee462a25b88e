"""One process of `test_distributed_language_model.py`: `distributed_language_model.py ACCELERATOR RANK SIZE FOLDER`.

Trains a small transformer on its share of each batch and writes the loss of every update, the mean over processes.
"""

import json
import sys
from datetime import timedelta
from pathlib import Path

import torch
from torch import distributed as dist

from nlpreg.common import Params
from nlpreg.data import Vocabulary
from nlpreg.models import Model
from nlpreg.nn.parallel import DdpAccelerator

NUM_UPDATES = 20


def losses(accelerator_name: str, rank: int, size: int) -> list[float]:
    """The loss of every update; of one process without an accelerator."""
    vocab = Vocabulary()
    vocab.add_tokens_to_namespace([f"word{i}" for i in range(30)])
    accelerator = None
    if size > 1:
        accelerator = DdpAccelerator.from_params(Params({"type": accelerator_name}), cuda_device=-1)
    torch.manual_seed(0)
    config = {
        "type": "causal_language_model",
        "text_field_embedder": {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 8}}},
        "contextualizer": {
            "type": "transformer_lm",
            "input_dim": 8,
            "num_layers": 2,
            "num_attention_heads": 2,
        },
        "softmax": "tied_softmax",
    }
    model = Model.from_params(Params(config), vocab=vocab, ddp_accelerator=accelerator)
    forward = model
    if accelerator is not None:
        model, wrapped = accelerator.wrap_model(model)
        forward = wrapped.model
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    generator = torch.Generator().manual_seed(1)
    found = []
    for _ in range(NUM_UPDATES):
        ids = torch.randint(2, 32, (4, 9), generator=generator)[rank::size]
        optimizer.zero_grad()
        loss = forward(source={"tokens": {"tokens": ids}})["loss"]
        loss.backward()
        optimizer.step()
        total = loss.detach().clone()
        if size > 1:
            dist.all_reduce(total)
        found.append(total.item() / size)
    return found


if __name__ == "__main__":
    name, rank_of_this, num_processes, folder = (
        sys.argv[1],
        int(sys.argv[2]),
        int(sys.argv[3]),
        Path(sys.argv[4]),
    )
    if num_processes > 1:
        dist.init_process_group(
            "gloo",
            init_method=f"file://{folder}/rendezvous_{name}",
            rank=rank_of_this,
            world_size=num_processes,
            timeout=timedelta(seconds=120),
        )
    result = losses(name, rank_of_this, num_processes)
    (folder / f"{name}_{num_processes}_{rank_of_this}.json").write_text(json.dumps(result))
    if num_processes > 1:
        dist.destroy_process_group()
