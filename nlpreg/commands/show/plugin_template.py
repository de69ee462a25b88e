"""The package that `nlpreg init --plugin NAME` writes: a part, its test, and the entry point that registers it."""

import os
import re

from nlpreg.common.checks import ConfigurationError

_FILES = {
    "pyproject.toml": """\
[build-system]
requires = ["setuptools>=70.1"]
build-backend = "setuptools.build_meta"

[project]
name = "PROJECT"
version = "0.1.0"
description = "Parts for nlpreg."
requires-python = ">=3.10"
dependencies = ["nlpreg"]

# nlpreg imports these packages when it starts, so that configs can name their parts.
[project.entry-points."nlpreg.plugins"]
PROJECT = "PACKAGE"

[tool.setuptools]
packages = ["PACKAGE"]
""",
    "PACKAGE/__init__.py": '''\
"""Parts for nlpreg. Import every module here that registers some."""

from PACKAGE.scaled_encoder import ScaledEncoder

__all__ = ["ScaledEncoder"]
''',
    "PACKAGE/scaled_encoder.py": '''\
"""An encoder that scales its input: a first part to start from."""

import torch
from nlpreg.modules import Seq2SeqEncoder


@Seq2SeqEncoder.register("PACKAGE_scaled")
class ScaledEncoder(Seq2SeqEncoder):
    """Multiplies every vector by a learned number.

    The annotations of the constructor are what `nlpreg check` and `nlpreg describe` go by.

    Args:
        input_dim: width of the vectors.
        start: the number before training.
    """

    def __init__(self, input_dim: int, start: float = 1.0) -> None:
        super().__init__()
        self.input_dim = input_dim
        self.scale = torch.nn.Parameter(torch.tensor(start))

    def forward(self, inputs: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """The scaled vectors.

        Args:
            inputs: (B, T, D), T words in the longest of B texts.
            mask: (B, T), true for words, false for padding.

        Returns:
            (B, T, D), zeros at padding.
        """
        return inputs * self.scale * mask.unsqueeze(-1)

    def get_input_dim(self) -> int:
        """Width of the input."""
        return self.input_dim

    def get_output_dim(self) -> int:
        """Width of the output, the same."""
        return self.input_dim

    def is_bidirectional(self) -> bool:
        """No: each word is scaled by itself."""
        return False
''',
    "configs/tagger.jsonnet": """\
// nlpreg train configs/tagger.jsonnet -s out
{
  // Each line is a sentence; ### stands between a word and its tag.
  dataset_reader: { type: 'sequence_tagging' },
  train_data_path: 'data/train.txt',
  validation_data_path: 'data/train.txt',
  model: {
    type: 'simple_tagger',
    text_field_embedder: { token_embedders: { tokens: { type: 'embedding', embedding_dim: 10 } } },
    encoder: { type: 'PACKAGE_scaled', input_dim: 10 },
  },
  data_loader: { batch_size: 2 },
  trainer: { num_epochs: 10, optimizer: { type: 'adam', lr: 0.1 } },
}
""",
    "data/train.txt": """\
the###DET dog###NOUN barks###VERB
a###DET cat###NOUN sleeps###VERB
""",
    "tests/test_scaled_encoder.py": '''\
"""Run it in the folder of the plugin: python -m pytest"""

import torch
from nlpreg.common.testing import ModelTestCase
from nlpreg.modules import Seq2SeqEncoder

from PACKAGE import ScaledEncoder


def test_vectors_are_scaled() -> None:
    encoder = ScaledEncoder(input_dim=2, start=3.0)
    mask = torch.tensor([[True, True], [True, False]])
    scaled = encoder(torch.ones(2, 2, 2), mask)
    assert scaled.tolist() == [[[3.0, 3.0], [3.0, 3.0]], [[3.0, 3.0], [0.0, 0.0]]]


def test_configs_find_it() -> None:
    assert Seq2SeqEncoder.by_name("PACKAGE_scaled") is ScaledEncoder


class TestTagger(ModelTestCase):
    def test_a_tagger_with_it_trains_saves_and_loads(self) -> None:
        self.set_up_model("configs/tagger.jsonnet", "data/train.txt")
        self.ensure_model_can_train_save_and_load(self.param_file)
''',
    "README.md": """\
# PROJECT

Parts for [nlpreg](https://pypi.org/project/nlpreg).

    pip install -e .                                  # registers the parts, for every command
    python -m pytest                                  # runs the tests
    nlpreg describe seq2seq_encoder:PACKAGE_scaled
    nlpreg train configs/tagger.jsonnet -s out
""",
}


def write_plugin(folder: str) -> list[str]:
    """Write a package for parts of one's own.

    Args:
        folder: the new folder; its last part is the name of the project.

    Returns:
        The paths of the files.

    Raises:
        ConfigurationError: the name cannot be that of a package, or there is something in the folder.
    """
    project = os.path.basename(os.path.normpath(folder))
    package = project.replace("-", "_").lower()
    if not re.fullmatch(r"[a-z]\w*", package) or package in ("nlpreg", "tests"):
        raise ConfigurationError(
            f"--plugin: expected a name for a Python package, such as my_parts, got {project!r}"
        )
    if os.path.isdir(folder) and os.listdir(folder):
        raise ConfigurationError(f"--plugin: {folder}: this folder is not empty; choose another name")
    written = []
    for name, text in _FILES.items():
        path = os.path.join(folder, name.replace("PACKAGE", package))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace("PROJECT", project).replace("PACKAGE", package))
        written.append(path)
    return written
