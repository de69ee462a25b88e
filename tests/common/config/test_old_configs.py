import json
from pathlib import Path
from typing import Any

import pytest

from nlpreg.common.config.jsonnet import evaluate_jsonnet, with_overrides
from nlpreg.common.config.old_configs import MigrationLog, migrate_config

OLD = """
// An experiment of the year 2018.
local dim = 100;  // used twice
{
  dataset_reader: {
    type: 'simple_language_modeling',
    lazy: true,
    tokenizer: { type: 'word', word_splitter: { type: 'just_spaces' } },
    token_indexers: {
      tokens: { type: 'single_id' },
      bert: { type: 'bert-pretrained', pretrained_model: 'bert-base-cased', do_lowercase: false },
    },
  },
  train_data_path: 'train.txt',  // stays
  vocabulary: { directory_path: 'vocab', extend: false },
  model: {
    type: 'language_model',
    text_field_embedder: {
      // the embedders
      tokens: { type: 'embedding', embedding_dim: dim },
      bert: { type: 'bert-pretrained', pretrained_model: 'bert-base-cased', requires_grad: true },
      allow_unmatched_keys: true,
    },
    contextualizer: { type: 'lstm', input_size: dim + 768, hidden_size: 10 },
    initializer: [['.*weight', { type: 'xavier_uniform' }], ['.*bias', 'prevent']],
  },
  iterator: {
    type: 'bucket',
    batch_size: 32,
    sorting_keys: [['source', 'num_tokens']],  // old pairs
    instances_per_epoch: 1000,
    padding_noise: 0.2,
  },
  trainer: {
    num_epochs: 10,
    shuffle: true,
    num_serialized_models_to_keep: 3,
    summary_interval: 50,
    histogram_interval: 500,
    should_log_learning_rate: true,
    opt_level: 'O1',
    cuda_device: [0, 1],
    optimizer: 'adam',
  },
}
"""

NEW = {
    "dataset_reader": {
        "type": "simple_language_modeling",
        "tokenizer": "just_spaces",
        "token_indexers": {
            "tokens": {"type": "single_id"},
            "bert": {"type": "pretrained_transformer_mismatched", "model_name": "bert-base-cased"},
        },
    },
    "train_data_path": "train.txt",
    "vocabulary": {"directory": "vocab", "type": "from_files"},
    "model": {
        "type": "language_model",
        "text_field_embedder": {
            "token_embedders": {
                "tokens": {"type": "embedding", "embedding_dim": 100},
                "bert": {
                    "type": "pretrained_transformer_mismatched",
                    "model_name": "bert-base-cased",
                    "train_parameters": True,
                },
            }
        },
        "contextualizer": {"type": "lstm", "input_size": 868, "hidden_size": 10},
        "initializer": {
            "regexes": [[".*weight", {"type": "xavier_uniform"}]],
            "prevent_regexes": [".*bias"],
        },
    },
    "data_loader": {
        "batch_sampler": {
            "type": "bucket",
            "batch_size": 32,
            "sorting_keys": ["source"],
            "padding_noise": 0.2,
        },
        "batches_per_epoch": 32,
        "max_instances_in_memory": 1000,
    },
    "trainer": {
        "num_epochs": 10,
        "optimizer": "adam",
        "use_amp": True,
        "checkpointer": {"keep_most_recent_by_count": 3},
        "callbacks": [
            {
                "type": "tensorboard",
                "summary_interval": 50,
                "distribution_interval": 500,
                "should_log_learning_rate": True,
            }
        ],
    },
    "distributed": {"cuda_devices": [0, 1]},
}


def migrated(tmp_path: Path, text: str, name: str = "c.jsonnet") -> tuple[Any, str, MigrationLog]:
    path = tmp_path / name
    path.write_text(text)
    log = MigrationLog()
    new = migrate_config(str(path), log)[str(path)]
    return evaluate_jsonnet(str(path), new, {}), new, log


def test_an_old_experiment(tmp_path: Path) -> None:
    value, text, log = migrated(tmp_path, OLD)
    assert value == NEW
    for comment in ("// An experiment of the year 2018.", "// used twice", "// the embedders", "// stays"):
        assert comment in text
    assert "embedding_dim: dim" in text and "input_size: dim + 768" in text
    assert (f"{tmp_path}/c.jsonnet:27", '"iterator" is now "data_loader"') in log.done
    assert (
        f"{tmp_path}/c.jsonnet:37",
        "trainer.num_serialized_models_to_keep is now trainer.checkpointer.keep_most_recent_by_count",
    ) in log.done


def test_what_is_new_already_stays_as_it_is(tmp_path: Path) -> None:
    text = json.dumps(NEW)
    assert migrated(tmp_path, text, "c.json")[1] == text


def test_json_stays_json(tmp_path: Path) -> None:
    old = json.dumps(evaluate_jsonnet("old", OLD, {}), indent=2)
    value, text, _ = migrated(tmp_path, old, "c.json")
    assert json.loads(text) == value == NEW


def test_a_second_migration_changes_nothing(tmp_path: Path) -> None:
    text = migrated(tmp_path, OLD)[1]
    assert migrated(tmp_path, text)[1] == text


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            "{iterator: {type: 'basic', batch_size: 8}, trainer: {shuffle: false}}",
            {"data_loader": {"batch_size": 8, "shuffle": False}, "trainer": {}},
        ),
        (
            "local n = 10; {iterator: {type: 'basic', batch_size: 2 * n, instances_per_epoch: 100 * n}}",
            {"data_loader": {"batch_size": 20, "shuffle": True, "batches_per_epoch": 50}},
        ),
        (
            "{iterator: {type: 'multiprocess', num_workers: 3, base_iterator: {type: 'bucket', batch_size: 8}}}",
            {"data_loader": {"batch_sampler": {"type": "bucket", "batch_size": 8}, "num_workers": 3}},
        ),
        (
            "{iterator: {type: 'bucket', maximum_samples_per_batch: ['num_tokens', 500], max_instances_in_memory: 9}}",
            {
                "data_loader": {
                    "batch_sampler": {"type": "max_tokens_sampler", "max_tokens": 500},
                    "max_instances_in_memory": 9,
                }
            },
        ),
        (
            "{iterator: {type: 'basic'}, validation_iterator: {type: 'bucket', batch_size: 3, skip_smaller_batches: true}}",
            {
                "data_loader": {"batch_size": 32, "shuffle": True},
                "validation_data_loader": {
                    "batch_sampler": {"type": "bucket", "batch_size": 3, "drop_last": True}
                },
            },
        ),
        (
            "local loop = {iterator: {type: 'basic', batch_size: 8}}; loop + {trainer: {shuffle: true}}",
            {"data_loader": {"batch_size": 8, "shuffle": True}, "trainer": {}},
        ),
        (
            "{data_loader: {batch_size: 8}, trainer: {shuffle: true}}",
            {"data_loader": {"batch_size": 8, "shuffle": True}, "trainer": {}},
        ),
        (
            "{data_loader: {batch_sampler: {type: 'bucket', batch_size: 8}}, trainer: {shuffle: true}}",
            {"data_loader": {"batch_sampler": {"type": "bucket", "batch_size": 8}}, "trainer": {}},
        ),
        (
            "{data_loader: {type: 'pytorch_dataloader', batch_size: 8, pin_memory: true}}",
            {"data_loader": {"batch_size": 8}},
        ),
        (
            "{data_loader: {batch_sampler: {type: 'bucket', batch_size: 8, sorting_keys: [['a', 'x'], ['a', 'y'], 'b']}}}",
            {
                "data_loader": {
                    "batch_sampler": {"type": "bucket", "batch_size": 8, "sorting_keys": ["a", "b"]}
                }
            },
        ),
        ("{trainer: {cuda_device: [2]}}", {"trainer": {"cuda_device": 2}}),
        ("{trainer: {opt_level: 'O0'}}", {"trainer": {}}),
        (
            "{trainer: {num_serialized_models_to_keep: -1, model_save_interval: 600}}",
            {"trainer": {"checkpointer": {"keep_most_recent_by_count": None, "save_every_num_seconds": 600}}},
        ),
        (
            "{trainer: {checkpointer: {num_serialized_models_to_keep: 1}}}",
            {"trainer": {"checkpointer": {"keep_most_recent_by_count": 1}}},
        ),
        (
            "{trainer: {tensorboard_writer: {histogram_interval: 9}, callbacks: ['x']}}",
            {"trainer": {"callbacks": ["x", {"type": "tensorboard", "distribution_interval": 9}]}},
        ),
        ("{trainer: {type: 'default'}}", {"trainer": {"type": "gradient_descent"}}),
        (
            "{distributed: {cuda_devices: [0, 1], master_port: 1, master_address: 'a'}}",
            {"distributed": {"cuda_devices": [0, 1], "primary_port": 1, "primary_address": "a"}},
        ),
        (
            "{vocabulary: {directory_path: 'v', extend: true, min_count: {a: 1}}}",
            {"vocabulary": {"directory": "v", "type": "extend", "min_count": {"a": 1}}},
        ),
        ("{vocabulary: {pad_token: 'x'}}", {"vocabulary": {"padding_token": "x"}}),
        (
            "{dataset_reader: {type: 'multiprocess', base_reader: {type: 'x', lazy: false}, num_workers: 2}}",
            {"dataset_reader": {"type": "sharded", "base_reader": {"type": "x"}}},
        ),
        ("{dataset_reader: {tokenizer: 'word'}}", {"dataset_reader": {"tokenizer": "spacy"}}),
        (
            "{dataset_reader: {source_tokenizer: {type: 'word'}}}",
            {"dataset_reader": {"source_tokenizer": "spacy"}},
        ),
        (
            "{dataset_reader: {tokenizer: {word_splitter: {type: 'spacy', language: 'de'}, start_tokens: ['<S>']}}}",
            {"dataset_reader": {"tokenizer": {"type": "spacy", "language": "de", "start_tokens": ["<S>"]}}},
        ),
        (
            "{dataset_reader: {token_indexers: {pos: {type: 'pos_tag', namespace: 'p'}, ner: {type: 'ner_tag'}}}}",
            {
                "dataset_reader": {
                    "token_indexers": {
                        "pos": {"type": "single_id", "namespace": "p", "feature_name": "tag_"},
                        "ner": {"type": "single_id", "feature_name": "ent_type_"},
                    }
                }
            },
        ),
        (
            "{model: {text_field_embedder: {type: 'basic', tokens: {type: 'embedding'}}}}",
            {"model": {"text_field_embedder": {"token_embedders": {"tokens": {"type": "embedding"}}}}},
        ),
        (
            "{model: {text_field_embedder: {type: 'mine', tokens: 1}, constraint_type: 'BIO'}}",
            {"model": {"text_field_embedder": {"type": "mine", "tokens": 1}, "label_encoding": "BIO"}},
        ),
        (
            "{model: {label_encoding: 'BIO', constraint_type: 'BIO'}}",
            {"model": {"label_encoding": "BIO"}},
        ),
        (
            "{model: {regularizer: [['.*', {type: 'l2', alpha: 0.1}]]}}",
            {"model": {"regularizer": {"regexes": [[".*", {"type": "l2", "alpha": 0.1}]]}}},
        ),
        (
            "{trainer: {optimizer: {type: 'bert_adam', lr: 1, e: 2, warmup: 0.1}}}",
            {"trainer": {"optimizer": {"type": "huggingface_adamw", "lr": 1, "eps": 2}}},
        ),
        (
            "{model: {type: 'allennlp.models.simple_tagger.SimpleTagger'}}",
            {"model": {"type": "nlpreg.models.simple_tagger.SimpleTagger"}},
        ),
        (
            "{model: {type: 'allennlp_models.tagging.models.crf_tagger.CrfTagger'}}",
            {"model": {"type": "nlpreg.models.crf_tagger.CrfTagger"}},
        ),
    ],
)
def test_single_keys(tmp_path: Path, old: str, new: dict[str, Any]) -> None:
    assert migrated(tmp_path, old)[0] == new


@pytest.mark.parametrize(
    ("old", "message"),
    [
        (
            "{trainer: {batch_callbacks: ['x']}}",
            "trainer.batch_callbacks: AllenNLP had this in earlier versions; give TrainerCallbacks",
        ),
        ("{trainer: {type: 'callback'}}", 'trainer: "callback" is a name of earlier versions of AllenNLP'),
        (
            "{trainer: {keep_serialized_model_every_num_seconds: 3}}",
            "was removed: only the most recent checkpoints are kept",
        ),
        (
            "{iterator: {type: 'homogeneous_batch', batch_size: 3}}",
            'no counterpart of the iterator "homogeneous_batch"',
        ),
        ("{iterator: {type: 'basic', track_epoch: true}}", "track_epoch_callback"),
        ("local keys = ['a']; {iterator: {sorting_keys: keys + keys}}", "sorting_keys was removed"),
        ("{iterator: {sorting_keys: 3}}", "sorting_keys was removed"),
        ("{iterator: {maximum_samples_per_batch: 500}}", "maximum_samples_per_batch was removed"),
        (
            "{dataset_reader: {tokenizer: {word_splitter: 'openai'}}}",
            'no counterpart of the word_splitter "openai"',
        ),
        (
            "{dataset_reader: {tokenizer: {word_splitter: 'spacy', word_filter: 'stopwords'}}}",
            "word_filter was removed",
        ),
        ("{model: {encoder: {type: 'stacked_self_attention'}}}", 'use "pytorch_transformer", the nearest'),
        (
            "{trainer: std.mergePatch({shuffle: true}, {})}",
            "trainer.shuffle: AllenNLP had this in earlier versions",
        ),
        ("{iterator: {type: 'basic'}, x: $.iterator.type}", "the rewritten config cannot be evaluated"),
        ("{iterator: {type: 'basic'}} + {iterator+: {batch_size: 3}}", "put together from several parts"),
        (
            "{ trainer: { [if true then 'shuffle']: true } }",
            "trainer.shuffle: AllenNLP had this in earlier versions",
        ),
        ("{ not jsonnet", "this Jsonnet cannot be parsed"),
    ],
)
def test_what_is_left_to_a_person_is_named(tmp_path: Path, old: str, message: str) -> None:
    path = tmp_path / "c.jsonnet"
    path.write_text(old)
    log = MigrationLog()
    migrate_config(str(path), log)
    assert any(message in line for _, line in log.left), log.left


def test_imported_files_are_rewritten_too(tmp_path: Path) -> None:
    (tmp_path / "lib.libsonnet").write_text("{ trainer: { shuffle: true, num_epochs: 1 } }")
    path = tmp_path / "c.jsonnet"
    path.write_text("(import 'lib.libsonnet') + { data_loader: { batch_size: 1 } }")
    texts = migrate_config(str(path), MigrationLog())
    assert texts[str(tmp_path / "lib.libsonnet")] == "{ trainer: { num_epochs: 1 } }"
    assert "shuffle: true" in texts[str(path)]


def test_places_do_not_depend_on_edits_of_other_sections(tmp_path: Path) -> None:
    text = "{\n  data_loader: {\n    batch_size: 8,\n  },\n  dataset_reader: {\n    lazy: true,\n  },\n}"
    _, _, log = migrated(tmp_path, text)
    (place,) = [place for place, message in log.done if message.startswith("dataset_reader.lazy")]
    assert place == f"{tmp_path}/c.jsonnet:6"


def test_null_needs_no_work_by_hand(tmp_path: Path) -> None:
    _, _, log = migrated(tmp_path, "{iterator: {sorting_keys: null, maximum_samples_per_batch: null}}")
    assert not log.left


OLD_KEYS = [
    "dataset_reader.lazy",
    "dataset_reader.tokenizer",
    "dataset_reader.tokenizer.word_splitter",
    "dataset_reader.token_indexers",
    "dataset_reader.token_indexers.bert.type",
    "vocabulary",
    "vocabulary.directory_path",
    "model.text_field_embedder",
    "model.text_field_embedder.tokens.type",
    "iterator",
    "iterator.type",
    "iterator.sorting_keys",
    "iterator.sorting_keys.0",
    "iterator.sorting_keys.0.0",
    "trainer",
    "trainer.cuda_device",
    "trainer.num_serialized_models_to_keep",
]


@pytest.mark.parametrize("wrong", [[], 3])
@pytest.mark.parametrize("key", [*OLD_KEYS, "data_loader", "distributed"])
def test_values_of_a_wrong_type_do_not_stop_a_migration(tmp_path: Path, key: str, wrong: Any) -> None:
    config = evaluate_jsonnet("old", OLD, {})
    path = tmp_path / "c.json"
    path.write_text(json.dumps(with_overrides(config, {key: wrong})))
    migrate_config(str(path), MigrationLog())
