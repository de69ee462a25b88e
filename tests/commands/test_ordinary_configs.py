"""Configs as users of AllenNLP wrote them: nothing in them is called wrong that would run."""

from pathlib import Path

import pytest

from nlpreg.commands.check.checking import check_file
from nlpreg.common.plugins import import_builtin_parts

LANGUAGE_MODEL = """
local gpus = 2;
local accumulate = 4;
local per_step = 256 / gpus / accumulate;
local reader = {
  type: "simple_language_modeling",
  tokenizer: {type: "just_spaces"},
  token_indexers: {
    tokens: {type: "single_id"},
    token_characters: {type: "elmo_characters"},
  },
  max_sequence_length: 200,
  start_tokens: ["<S>"], end_tokens: ["</S>"],
};
{
  dataset_reader: {type: "sharded", base_reader: reader},
  train_data_path: std.extVar("DATA") + "/*",
  vocabulary: {type: "from_files", directory: std.extVar("DATA")},
  model: {
    type: "language_model",
    bidirectional: true,
    num_samples: 4096,
    sparse_embeddings: false,
    dropout: 0.1,
    text_field_embedder: {token_embedders: {
      tokens: {type: "empty"},
      token_characters: {
        type: "character_encoding",
        embedding: {embedding_dim: 12, num_embeddings: 262},
        encoder: {type: "cnn-highway", activation: "relu", embedding_dim: 12, filters: [[1, 24], [3, 48], [5, 96]],
                  num_highway: 1, projection_dim: 256, projection_location: "after_highway", do_layer_norm: true},
      },
    }},
    contextualizer: {type: "bidirectional_language_model_transformer", input_dim: 256, hidden_dim: 1024,
                     num_layers: 4, dropout: 0.1, input_dropout: 0.1},
  },
  data_loader: {max_instances_in_memory: per_step * 100, batch_sampler: {type: "bucket", batch_size: per_step}},
  [if gpus > 1 then "distributed"]: {cuda_devices: std.repeat([-1], gpus)},
  trainer: {
    num_epochs: 10,
    optimizer: {type: "dense_sparse_adam"},
    learning_rate_scheduler: {type: "noam", model_size: 256, warmup_steps: 6000},
    num_gradient_accumulation_steps: accumulate,
    use_amp: true,
  },
}
"""

ENTITIES = """
local word = 64; local character = 20; local filters = 60; local widths = [2, 3];
{
  random_seed: 1, numpy_seed: 1, pytorch_seed: 1,
  dataset_reader: {
    type: "conll2003", tag_label: "ner", coding_scheme: "BIOUL",
    token_indexers: {
      tokens: {type: "single_id", lowercase_tokens: true},
      token_characters: {type: "characters", min_padding_length: 3},
      elmo: {type: "elmo_characters"},
    },
  },
  train_data_path: std.extVar("DATA"), validation_data_path: std.extVar("DATA"), test_data_path: std.extVar("DATA"),
  evaluate_on_test: true,
  model: {
    type: "crf_tagger",
    label_encoding: "BIOUL", constrain_crf_decoding: true, calculate_span_f1: true, verbose_metrics: false,
    include_start_end_transitions: false, dropout: 0.3,
    text_field_embedder: {token_embedders: {
      tokens: {type: "embedding", pretrained_file: "https://host/vectors.txt.gz", embedding_dim: word, trainable: true, sparse: true},
      token_characters: {type: "character_encoding",
        embedding: {vocab_namespace: "token_characters", embedding_dim: character, sparse: true},
        encoder: {type: "cnn", num_filters: filters, ngram_filter_sizes: widths, conv_layer_activation: "relu", embedding_dim: character}},
      elmo: {type: "elmo_token_embedder", do_layer_norm: false, dropout: 0.1, options_file: "https://host/o.json", weight_file: "https://host/w.hdf5"},
    }},
    encoder: {type: "stacked_bidirectional_lstm", input_size: word + filters * std.length(widths) + 1024, hidden_size: 150, num_layers: 2,
              recurrent_dropout_probability: 0.1, use_highway: true},
    feedforward: {num_layers: 1, input_dim: 300, hidden_dims: 300, activations: "tanh", dropout: 0.3},
    initializer: {regexes: [[".*projection.*weight", {type: "xavier_uniform"}], [".*bias_hh.*", {type: "lstm_hidden_bias"}],
                            [".*weight_hh.*", {type: "orthogonal"}], [".*bias.*ih.*", {type: "zero"}]], prevent_regexes: ["x"]},
    regularizer: {regexes: [["scalar_parameters", {alpha: 0.01, type: "l2"}]]},
  },
  data_loader: {batch_size: 48},
  trainer: {
    optimizer: {lr: 0.002, type: "dense_sparse_adam"},
    validation_metric: "+f1-measure-overall", num_epochs: 60, patience: 10, grad_norm: 4.0, cuda_device: -1,
    checkpointer: {keep_most_recent_by_count: 1},
    moving_average: {type: "exponential", decay: 0.9},
    learning_rate_scheduler: {type: "reduce_on_plateau", mode: "max", factor: 0.5, patience: 2},
    callbacks: ["track_epoch_callback", {type: "console_logger", should_log_inputs: false}],
  },
}
"""

TRANSFORMER_TAGGER = """
local m = "some-encoder";
{
  dataset_reader: {type: "ontonotes_ner", coding_scheme: "BIOUL",
    token_indexers: {tokens: {type: "pretrained_transformer_mismatched", model_name: m, max_length: 256}}},
  train_data_path: std.extVar("DATA"),
  model: {
    type: "crf_tagger", label_encoding: "BIOUL", constrain_crf_decoding: true, calculate_span_f1: true,
    text_field_embedder: {token_embedders: {tokens: {type: "pretrained_transformer_mismatched", model_name: m, max_length: 256}}},
    encoder: {type: "pass_through", input_dim: 768},
  },
  data_loader: {batch_sampler: {type: "bucket", batch_size: 16, sorting_keys: ["tokens"]}, num_workers: 1},
  trainer: {
    num_epochs: 20, cuda_device: -1, validation_metric: ["+f1-measure-overall", "+accuracy"],
    optimizer: {type: "huggingface_adamw", correct_bias: true, eps: 1e-8, lr: 3e-5, weight_decay: 0.05,
      parameter_groups: [[["LayerNorm\\\\.weight", "layer_norm\\\\.weight", "bias"], {weight_decay: 0}]]},
    learning_rate_scheduler: {type: "linear_with_warmup", warmup_steps: 200},
  },
}
"""

CLASSIFIER = """
local transformer = "some-encoder";
{
  dataset_reader: {
    type: "sst_tokens", granularity: "5-class", use_subtrees: true,
    tokenizer: {type: "pretrained_transformer", model_name: transformer},
    token_indexers: {tokens: {type: "pretrained_transformer", model_name: transformer}},
  },
  validation_dataset_reader: self.dataset_reader + {use_subtrees: false},
  train_data_path: "https://host/train.txt", validation_data_path: "https://host/x.zip!dir/dev.txt", test_data_path: "https://host/test.txt",
  model: {
    type: "basic_classifier",
    text_field_embedder: {token_embedders: {tokens: {type: "pretrained_transformer", model_name: transformer}}},
    seq2vec_encoder: {type: "bert_pooler", dropout: 0.2, pretrained_model: transformer},
    num_labels: 5, namespace: "tags",
  },
  data_loader: {batch_sampler: {type: "bucket", batch_size: 8, sorting_keys: ["tokens"]}},
  trainer: {
    validation_metric: "+accuracy", num_epochs: 6, num_gradient_accumulation_steps: 4,
    learning_rate_scheduler: {type: "slanted_triangular", cut_frac: 0.1, num_epochs: 6, num_steps_per_epoch: 2000},
    optimizer: {type: "huggingface_adamw", weight_decay: 0.05, lr: 3e-5},
  },
}
"""

LSTM_CLASSIFIER = """
{
  dataset_reader: {type: "text_classification_json", tokenizer: "whitespace", max_instances: 100},
  train_data_path: std.extVar("DATA"),
  model: {
    type: "basic_classifier",
    text_field_embedder: {token_embedders: {tokens: {type: "embedding", embedding_dim: 512 / 2 / 4, trainable: false}}},
    seq2vec_encoder: {type: "lstm", input_size: 64, hidden_size: 10, num_layers: 2},
    feedforward: {input_dim: 10, num_layers: 2, hidden_dims: [10, 5], activations: ["relu", "linear"], dropout: [0.1, 0]},
  },
  vocabulary: {min_count: {tokens: 2}, tokens_to_add: {tokens: ["x"]}, max_vocab_size: 1000},
  data_loader: {batch_size: 32, shuffle: true, max_instances_in_memory: 100, num_workers: 1},
  trainer: {
    num_epochs: 3, patience: 2, grad_norm: 1, grad_clipping: 0.1, validation_metric: "+accuracy", optimizer: {type: "adam", lr: 0.1},
    learning_rate_scheduler: {type: "multi_step", milestones: [1, 2], gamma: 0.5}, checkpointer: null,
  },
}
"""

BCN = """
{
  dataset_reader: {type: "boolq"},
  train_data_path: std.extVar("DATA"),
  model: {
    type: "bcn",
    text_field_embedder: {token_embedders: {tokens: {type: "embedding", embedding_dim: 30}}},
    embedding_dropout: 0.2,
    pre_encode_feedforward: {input_dim: 30, num_layers: 1, hidden_dims: [30], activations: ["relu"], dropout: [0.2]},
    encoder: {type: "lstm", input_size: 30, hidden_size: 30, num_layers: 1, bidirectional: true},
    integrator: {type: "lstm", input_size: 180, hidden_size: 30, num_layers: 1, bidirectional: true},
    integrator_dropout: 0.1,
    output_layer: {input_dim: 240, num_layers: 3, output_dims: [120, 60, 5], pool_sizes: 4, dropout: [0.2, 0.3, 0.0]},
  },
  data_loader: {batch_sampler: {type: "bucket", sorting_keys: ["tokens"], batch_size: 100}},
  trainer: {num_epochs: 2, optimizer: "adam", learning_rate_scheduler: {type: "polynomial_decay"}},
}
"""

FROM_AN_ARCHIVE = """
{
  dataset_reader: {type: "sequence_tagging"},
  train_data_path: std.extVar("DATA"),
  vocabulary: {type: "extend", directory: std.extVar("DATA")},
  model: {
    type: "simple-tagger",
    text_field_embedder: {_pretrained: {archive_file: "https://host/model.tar.gz", module_path: "_text_field_embedder", freeze: false}},
    encoder: {type: "gru", input_size: 30, hidden_size: 30},
    initializer: {regexes: [["a", {type: "pretrained", weights_file_path: "https://host/best.th", parameter_name_overrides: {}}]]},
  },
  data_loader: {batch_size: 1, batches_per_epoch: 3},
  trainer: {
    optimizer: {type: "multi", optimizers: {default: {type: "sgd", lr: 0.1}, enc: "adam"},
                parameter_groups: [[["^encoder"], {optimizer_name: "enc"}]]},
  },
  evaluation: {type: "simple"},
  include_in_archive: ["*.txt"],
}
"""

CONFIGS = {
    "language_model": LANGUAGE_MODEL,
    "entities": ENTITIES,
    "transformer_tagger": TRANSFORMER_TAGGER,
    "classifier": CLASSIFIER,
    "lstm_classifier": LSTM_CLASSIFIER,
    "bcn": BCN,
    "from_an_archive": FROM_AN_ARCHIVE,
}


@pytest.mark.parametrize("name", CONFIGS)
def test_an_ordinary_config_passes(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import_builtin_parts()
    monkeypatch.setenv("DATA", str(tmp_path))
    path = tmp_path / f"{name}.jsonnet"
    path.write_text(CONFIGS[name])
    assert [str(problem) for problem in check_file(path).problems] == []


@pytest.mark.parametrize("name", CONFIGS)
def test_an_ordinary_config_fits_the_schema(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nlpreg.commands.show.schema import whole_schema

    jsonschema = pytest.importorskip("jsonschema")
    import_builtin_parts()
    monkeypatch.setenv("DATA", str(tmp_path))
    path = tmp_path / f"{name}.jsonnet"
    path.write_text(CONFIGS[name])
    validator = jsonschema.Draft202012Validator(whole_schema())
    assert [error.message for error in validator.iter_errors(check_file(path).config)] == []
