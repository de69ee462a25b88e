"""Keys that AllenNLP 0.x and 1.x had, and what replaces each: for configs that are older than the library."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["advice_on_key", "advice_on_name", "old_keys_in"]

_CALLBACKS = 'give TrainerCallbacks under "callbacks"'
_TENSORBOARD = 'it is an argument of the callback "tensorboard" now'

_KEYS: dict[str, dict[str, str]] = {
    "TrainModel": {
        "iterator": 'use "data_loader"',
        "validation_iterator": 'use "validation_data_loader"',
    },
    "Trainer": {
        "shuffle": "it belongs to data_loader now",
        "num_serialized_models_to_keep": 'use "checkpointer": {"keep_most_recent_by_count": ...}',
        "keep_serialized_model_every_num_seconds": 'use "checkpointer": {"keep_most_recent_by_age": ...}',
        "model_save_interval": 'use "checkpointer": {"save_every_num_seconds": ...}',
        "summary_interval": _TENSORBOARD,
        "histogram_interval": f'{_TENSORBOARD}, named "distribution_interval"',
        "log_batch_size_period": f'{_TENSORBOARD}, named "batch_size_interval"',
        "batch_size_interval": _TENSORBOARD,
        "should_log_parameter_statistics": _TENSORBOARD,
        "should_log_learning_rate": _TENSORBOARD,
        "tensorboard_writer": 'use the callback "tensorboard"',
        "opt_level": 'use "use_amp": true',
        "batch_callbacks": _CALLBACKS,
        "epoch_callbacks": _CALLBACKS,
        "end_callbacks": _CALLBACKS,
        "trainer_callbacks": _CALLBACKS,
        "gradient_accumulation_batch_size": 'use "num_gradient_accumulation_steps"',
    },
    "Checkpointer": {
        "num_serialized_models_to_keep": 'use "keep_most_recent_by_count"',
        "keep_serialized_model_every_num_seconds": 'use "keep_most_recent_by_age"',
        "model_save_interval": 'use "save_every_num_seconds"',
    },
    "DatasetReader": {
        "lazy": 'use "max_instances_in_memory" of the data_loader',
        "cache_directory": "leave it out",
    },
    "DataLoader": {
        "pin_memory": "leave it out",
        "timeout": "leave it out",
        "worker_init_fn": "leave it out",
        "multiprocessing_context": 'use "start_method"',
    },
    "Tokenizer": {
        "word_splitter": 'name the tokenizer itself, as in "tokenizer": "just_spaces"',
        "word_filter": "leave it out",
        "word_stemmer": "leave it out",
    },
    "TextFieldEmbedder": {
        "allow_unmatched_keys": 'use the embedder "empty" for an indexer without one',
        "embedder_to_indexer_map": "embedders and indexers belong together by their names",
    },
    "TokenIndexer": {
        "do_lowercase": "leave it out",
        "use_starting_offsets": "leave it out",
        "coarse_tags": 'use "feature_name" of the indexer "single_id"',
    },
    "Vocabulary": {
        "directory_path": 'use "type": "from_files" with "directory"',
        "extend": 'use "type": "extend"',
        "pad_token": 'use "padding_token"',
    },
    "Model": {"constraint_type": 'use "label_encoding"'},
    "DistributedConfig": {},
}
"""Base of the registry, or class -> key -> what to do."""

_NAMES: dict[str, dict[str, str]] = {
    "Tokenizer": {"word": 'name what was its word_splitter, such as "just_spaces" or "spacy"'},
    "TokenIndexer": {
        "bert-pretrained": 'use "pretrained_transformer_mismatched"',
        "pos_tag": 'use "single_id" with "feature_name": "tag_" or "pos_"',
        "dependency_label": 'use "single_id" with "feature_name": "dep_"',
        "ner_tag": 'use "single_id" with "feature_name": "ent_type_"',
    },
    "TokenEmbedder": {"bert-pretrained": 'use "pretrained_transformer_mismatched"'},
    "Trainer": {"default": 'use "gradient_descent"', "callback": 'use "gradient_descent"'},
    "DatasetReader": {"multiprocess": 'use "sharded"'},
    "DataLoader": {"pytorch_dataloader": "leave the type out"},
    "Optimizer": {"bert_adam": 'use "huggingface_adamw"'},
    "Seq2SeqEncoder": {
        "stacked_self_attention": 'use "pytorch_transformer"',
        "multi_head_self_attention": 'use "pytorch_transformer"',
    },
}
"""Base of the registry -> name -> what to do."""

_SECTIONS = {
    "": "TrainModel",
    "trainer": "Trainer",
    "trainer.checkpointer": "Checkpointer",
    "dataset_reader": "DatasetReader",
    "validation_dataset_reader": "DatasetReader",
    "data_loader": "DataLoader",
    "validation_data_loader": "DataLoader",
    "vocabulary": "Vocabulary",
    "model.text_field_embedder": "TextFieldEmbedder",
}
"""Where the families stand in every config."""


def advice_on_key(cls: Any, key: str) -> str | None:
    """What to write instead of a key that a class, or its older version, had; None for other keys."""
    return _advice(_KEYS, [base.__name__ for base in getattr(cls, "__mro__", ())], key)


def advice_on_name(base: Any, name: str) -> str | None:
    """What to write instead of a name that was registered once; None for other names."""
    return _advice(_NAMES, [base.__name__], name)


def old_keys_in(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Key paths of old keys in a config, each with what to do."""
    for path, family in _SECTIONS.items():
        section: Any = config
        for step in path.split(".") if path else ():
            section = section.get(step) if isinstance(section, Mapping) else None
        if isinstance(section, Mapping):
            for key in section:
                advice = _advice(_KEYS, [family], key)
                if advice is not None:
                    yield f"{path}.{key}" if path else key, f"AllenNLP had this in earlier versions; {advice}"


def _advice(table: dict[str, dict[str, str]], families: list[str], name: str) -> str | None:
    return next((table[family][name] for family in families if name in table.get(family, {})), None)
