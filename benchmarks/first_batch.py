"""What `nlpreg train` pays for trying a first batch before it begins: seconds of processor time, beside building the run.

    python benchmarks/first_batch.py FOLDER [--output benchmarks/results/first_batch.md]

FOLDER has the configs and `prep_data.py`, which makes their data.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from configs import CONFIGS, prepare
from reporting import parser, publish, table

from nlpreg.commands.check.checking import check_file
from nlpreg.commands.check.first_batch import try_first_batches
from nlpreg.commands.train.experiment import TrainModel
from nlpreg.commands.train.process import take_command_keys
from nlpreg.common.params import Params
from nlpreg.common.plugins import import_plugins
from nlpreg.common.runtime.environment import prepare_environment

REPEATS = 5


def seconds(config: Path) -> tuple[float, float]:
    """Of processor time: to read the data and build the run, and to try a first batch, the median of five."""
    params = Params(check_file(config).config or {})
    take_command_keys(params)
    prepare_environment(params)
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        run = TrainModel.from_params(
            params=params, serialization_dir=folder, local_rank=0, ddp_accelerator=None
        )
        built = time.process_time() - start
        tried = []
        for _ in range(REPEATS):
            start = time.process_time()
            try_first_batches(run)
            tried.append(time.process_time() - start)
    return built, statistics.median(tried)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write the table."""
    options = parser(__doc__)
    options.add_argument("--configs", nargs="+", default=CONFIGS, metavar="NAME", help="only these")
    options.add_argument("folder", type=Path, help="has the configs and prep_data.py")
    args = options.parse_args(arguments)
    torch.set_num_threads(args.threads or 1)
    import_plugins()
    rows = []
    with tempfile.TemporaryDirectory() as data:
        prepare(args.folder.resolve(), Path(data), args.quick)
        os.environ["BENCH_DATA"] = data
        for name in args.configs:
            built, tried = seconds(args.folder / f"{name}.jsonnet")
            rows.append([f"`{name}`", f"{built:.2f} s", f"{tried:.3f} s"])
    publish("First batch", [table(["config", "reading and building", "first batch"], rows)], args)


if __name__ == "__main__":
    main()
