"""The most common mistakes in a config, and what `nlpreg check` says of each.

The texts are in `golden/`. After a deliberate change write them anew, and read what changed:
`NLPREG_WRITE_GOLDEN=1 python -m pytest tests/commands/test_golden_messages.py`.
"""

import os
from pathlib import Path

import pytest

from nlpreg.commands.check.checking import check_file, report
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.plugins import import_builtin_parts
from nlpreg.modules.seq2seq_encoders import Seq2SeqEncoder

GOLDEN = Path(__file__).parent / "golden"

CONFIG = """
{
  dataset_reader: {
    type: 'sequence_tagging',
    token_indexers: {
      tokens: { type: 'single_id' },
      token_characters: { type: 'characters', min_padding_length: 3 },
    },
  },
  train_data_path: 'train.txt',
  validation_data_path: 'validation.txt',
  model: {
    type: 'crf_tagger',
    text_field_embedder: {
      token_embedders: {
        tokens: { type: 'embedding', embedding_dim: 50 },
        token_characters: {
          type: 'character_encoding',
          embedding: { embedding_dim: 16 },
          encoder: { type: 'cnn', embedding_dim: 16, num_filters: 10, ngram_filter_sizes: [2, 3] },
        },
      },
    },
    encoder: { type: 'lstm', input_size: 70, hidden_size: 60, bidirectional: true },
    label_encoding: 'BIO',
  },
  data_loader: { batch_sampler: { type: 'bucket', batch_size: 16 } },
  trainer: {
    num_epochs: 5,
    optimizer: { type: 'adam', lr: 0.004 },
    callbacks: ['track_epoch_callback'],
  },
}
"""

MISTAKES = {
    "misspelt_key": ("hidden_size: 60", "hiden_size: 60"),
    "misspelt_name": ("type: 'lstm'", "type: 'lstmm'"),
    "key_nobody_takes": ("hidden_size: 60,", "hidden_size: 60, colour: 'red',"),
    "missing_key": ("input_size: 70, hidden_size: 60, ", "input_size: 70, "),
    "missing_type": ("encoder: { type: 'lstm', ", "encoder: { "),
    "missing_section": ("  train_data_path: 'train.txt',\n", ""),
    "number_in_quotes": ("lr: 0.004", "lr: '0.004'"),
    "truth_value_in_quotes": ("bidirectional: true", "bidirectional: 'true'"),
    "fraction_for_a_whole_number": ("num_epochs: 5", "num_epochs: 2.5"),
    "one_value_instead_of_a_list": ("ngram_filter_sizes: [2, 3]", "ngram_filter_sizes: 2"),
    "list_instead_of_an_object": ("optimizer: { type: 'adam', lr: 0.004 }", "optimizer: ['adam']"),
    "value_of_a_fixed_set": ("label_encoding: 'BIO'", "label_encoding: 'BOI'"),
    "name_in_a_list": ("callbacks: ['track_epoch_callback']", "callbacks: ['track_epochs', 'console_loger']"),
    "width_that_does_not_fit": ("input_size: 70", "input_size: 50"),
    "embedder_without_indexer": (
        "      tokens: { type: 'single_id' },",
        "      token: { type: 'single_id' },",
    ),
    "file_that_is_not_there": ("'train.txt'", "'trian.txt'"),
    "variable_that_is_not_set": ("'train.txt'", "std.extVar('NLPREG_TEST_TRAIN')"),
    "key_given_twice": ("    num_epochs: 5,", "    num_epochs: 5,\n    num_epochs: 6,"),
    "comma_forgotten": ("    num_epochs: 5,", "    num_epochs: 5"),
    "key_of_an_old_version": (
        "data_loader: { batch_sampler: { type: 'bucket', batch_size: 16 } }",
        "iterator: { type: 'bucket', batch_size: 16 }",
    ),
    "plugin_that_is_not_imported": ("type: 'crf_tagger'", "type: 'my_tagger'"),
    "gpu_that_is_not_there": ("num_epochs: 5", "num_epochs: 5, cuda_device: 97"),
    "key_beside_the_right_one": (
        "optimizer: { type: 'adam', lr: 0.004 },",
        "optimizer: { type: 'adam', lr: 0.004 }, optimiser: { type: 'sgd', lr: 0.1 },",
    ),
    "key_of_another_section": ("num_epochs: 5,", "num_epochs: 5, batch_size: 16, lr: 0.1,"),
    "loader_without_batch_size": (
        "data_loader: { batch_sampler: { type: 'bucket', batch_size: 16 } }",
        "data_loader: { shuffle: true }",
    ),
    "loader_with_two_batch_sizes": (
        "data_loader: { batch_sampler: ",
        "data_loader: { batch_size: 16, batch_sampler: ",
    ),
    "learning_rate_below_zero": ("lr: 0.004", "lr: -0.004"),
    "metric_without_a_sign": ("num_epochs: 5", "num_epochs: 5, validation_metric: 'accuracy'"),
    "share_above_one": ("    label_encoding: 'BIO',", "    label_encoding: 'BIO', dropout: 30,"),
    "heads_that_do_not_divide": (
        "encoder: { type: 'lstm', input_size: 70, hidden_size: 60, bidirectional: true }",
        "encoder: { type: 'pytorch_transformer', input_dim: 70, num_layers: 2, num_attention_heads: 8 }",
    ),
    "name_of_another_family": ("type: 'lstm', input_size: 70", "type: 'cnn', input_size: 70"),
    "pattern_of_a_shell": (
        "    label_encoding: 'BIO',",
        "    label_encoding: 'BIO', initializer: { regexes: [['*weight', 'xavier_uniform']] },",
    ),
    "namespace_nobody_fills": ("embedding_dim: 50", "embedding_dim: 50, vocab_namespace: 'token'"),
    "null_for_a_number": ("num_epochs: 5", "num_epochs: null"),
    "colon_forgotten": ("  trainer: {", "  trainer {"),
    "device_in_quotes": ("num_epochs: 5", "num_epochs: 5, cuda_device: '0'"),
    "encoding_that_is_not_said": ("    label_encoding: 'BIO',", "    constrain_crf_decoding: true,"),
    "data_set_that_is_not_there": (
        "  train_data_path: 'train.txt',",
        "  train_data_path: 'train.txt',\n  datasets_for_vocab_creation: ['train', 'test'],\n  evaluate_on_test: false,",
    ),
    "one_process_distributed": (
        "  train_data_path: 'train.txt',",
        "  train_data_path: 'train.txt',\n  distributed: { cuda_devices: [-1] },",
    ),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    import_builtin_parts()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NLPREG_TEST_TRAIN", raising=False)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)  # on every machine the same message
    for name in ("train.txt", "validation.txt"):
        (tmp_path / name).write_text("a###B\n")
    return tmp_path


def said(folder: Path, text: str) -> str:
    path = folder / "experiment.jsonnet"
    path.write_text(text.strip() + "\n")
    checked = check_file("experiment.jsonnet")
    return report("experiment.jsonnet", checked.problems) + "\n"


def test_the_config_itself_is_right(folder: Path) -> None:
    assert said(folder, CONFIG) == "experiment.jsonnet: 0 problems\n"


@pytest.mark.parametrize("mistake", MISTAKES)
def test_messages(mistake: str, folder: Path) -> None:
    right, wrong = MISTAKES[mistake]
    assert CONFIG.count(right) == 1
    message = said(folder, CONFIG.replace(right, wrong))
    # Whoever adds an encoder need not change the messages that list them.
    message = message.replace(", ".join(sorted(Seq2SeqEncoder.list_available())), "every encoder")
    golden = GOLDEN / f"{mistake}.txt"
    if os.environ.get("NLPREG_WRITE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(message, encoding="utf-8")
    assert message == golden.read_text(encoding="utf-8")


def test_every_golden_file_belongs_to_a_mistake() -> None:
    assert {path.stem for path in GOLDEN.glob("*.txt")} == set(MISTAKES)


def test_an_override_that_leads_nowhere(folder: Path) -> None:
    (folder / "c.jsonnet").write_text(CONFIG)
    checked = check_file("c.jsonnet", '{"modle.dropout": 0.1}')
    assert "'modle.dropout' leads to nothing in the config" in report("c.jsonnet", checked.problems)
    with pytest.raises(ConfigurationError, match="expected an object"):
        check_file("c.jsonnet", "[1]")
