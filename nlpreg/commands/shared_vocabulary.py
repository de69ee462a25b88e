"""One vocabulary for all processes of a run: made once, and handed out to machines that do not see its folder."""

from __future__ import annotations

import os

from torch import distributed as dist

from nlpreg.commands.run_process import RunOptions
from nlpreg.common.files import atomic_write
from nlpreg.common.params import Params
from nlpreg.data.vocabulary import Vocabulary
from nlpreg.models.model import VOCABULARY_FOLDER
from nlpreg.training.util import make_vocab_from_params

__all__ = ["hand_out_vocabulary", "make_vocabulary"]


def make_vocabulary(params: Params, options: RunOptions) -> None:
    """Make the vocabulary once, from all data, and let the config read it.

    Args:
        params: the config, which is changed.
        options: of the run; one that goes on keeps its vocabulary.
    """
    folder = os.path.join(options.serialization_dir, VOCABULARY_FOLDER)
    section = params.params.get("vocabulary") or {}
    tokens = [
        section.get(key) if isinstance(section, dict) else None for key in ("padding_token", "oov_token")
    ]
    if options.recover and os.path.isdir(folder):
        vocab = Vocabulary.from_files(folder, *tokens)
    else:
        vocab = make_vocab_from_params(
            params.duplicate(), options.serialization_dir, print_statistics=options.dry_run
        )
    params.params["vocabulary"] = {
        "type": "from_files",
        "directory": folder,
        "padding_token": vocab._padding_token,
        "oov_token": vocab._oov_token,
    }


def hand_out_vocabulary(params: Params, serialization_dir: str, local_rank: int) -> None:
    """Give all processes the vocabulary of the first one, which has made it; all call this.

    Args:
        params: the config, which is changed.
        serialization_dir: folder of the run; on another machine perhaps one that only looks the same.
        local_rank: number of this process on its machine, the first of which writes the files if they are not there.
    """
    folder = os.path.join(serialization_dir, VOCABULARY_FOLDER)
    is_first = dist.get_rank() == 0
    handed = [params.params["vocabulary"], _files_in(folder)] if is_first else [None, None]
    dist.broadcast_object_list(handed, src=0)
    section, files = handed
    assert isinstance(section, dict) and isinstance(files, dict)
    found = _files_in(folder)
    if local_rank == 0 and not is_first and found != files:
        os.makedirs(folder, exist_ok=True)
        for name in found.keys() - files.keys():  # of an earlier run
            os.remove(os.path.join(folder, name))
        for name, content in files.items():
            with atomic_write(os.path.join(folder, name)) as file:
                file.write(content)
    dist.barrier()
    params.params["vocabulary"] = {**section, "directory": folder}


def _files_in(folder: str) -> dict[str, bytes]:
    """The contents of the vocabulary's files."""
    if not os.path.isdir(folder):
        return {}
    contents = {}
    for name in sorted(os.listdir(folder)):
        if not name.startswith("."):  # neither locks nor what a killed process left
            with open(os.path.join(folder, name), "rb") as file:
                contents[name] = file.read()
    return contents
