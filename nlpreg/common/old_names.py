"""Keys that AllenNLP 0.x and 1.x had, and what replaces each: for configs that are older than the library."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from nlpreg.common.untrusted import current_origin

__all__ = ["advice_on_key", "advice_on_name", "old_keys_in", "renewed", "renewed_name"]

logger = logging.getLogger(__name__)

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

_RENEWED: dict[str, dict[str, str | None]] = {
    "DatasetReader": {"lazy": None, "cache_directory": None},
    "DataLoader": {
        "pin_memory": None,
        "timeout": None,
        "worker_init_fn": None,
        "multiprocessing_context": "start_method",
    },
    "Checkpointer": {
        "num_serialized_models_to_keep": "keep_most_recent_by_count",
        "keep_serialized_model_every_num_seconds": None,
        "model_save_interval": "save_every_num_seconds",
    },
    "GradientDescentTrainer": {"trainer_callbacks": "callbacks"},
    "LogWriterCallback": {"histogram_interval": "distribution_interval"},
}
"""Class -> key of AllenNLP 1.x -> the key that means the same now; None for a key that can be left out."""

_told: set[str] = set()

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


def renewed_name(base: Any, name: Any) -> Any:
    """The present name of what AllenNLP 1.x registered; any other name as it is."""
    is_loader = base.__name__ == "DataLoader" and name == "pytorch_dataloader"
    return base.default_implementation if is_loader else name


def renewed(cls: Any, config: dict[str, Any], taken: Collection[str], path: str) -> dict[str, Any]:
    """A section without the keys of AllenNLP 1.x: those that have another name now have it, others are left out.

    Args:
        cls: the class that the section is for.
        config: the section.
        taken: the keys that the class takes, which are left alone.
        path: key path of the section, for the warning.
    """
    families = [base.__name__ for base in getattr(cls, "__mro__", ())]
    changed = dict(config)
    for family in families:
        for old, new in _RENEWED.get(family, {}).items():
            if old in changed and old not in taken and new not in changed:
                value = changed.pop(old)
                if new is not None:
                    changed[new] = value
                _tell(path, old, f"read as {new!r}" if new else "left out")
    if "GradientDescentTrainer" not in families:
        return changed
    for old in ("batch_callbacks", "epoch_callbacks", "end_callbacks"):
        if old not in taken and not changed.get(old, True):  # null or an empty list
            del changed[old]
    options, callbacks = changed.get("tensorboard_writer") or {}, changed.get("callbacks") or []
    is_old = "tensorboard_writer" in changed and "tensorboard_writer" not in taken
    if is_old and isinstance(options, Mapping) and isinstance(callbacks, list):
        del changed["tensorboard_writer"]
        changed["callbacks"] = [*callbacks, {**options, "type": "tensorboard"}]
        _tell(path, "tensorboard_writer", "read as the callback 'tensorboard'")
    return changed


def _tell(path: str, key: str, what: str) -> None:
    key_path = f"{path}.{key}" if path else key
    if key_path not in _told and current_origin() is None:
        _told.add(key_path)
        logger.warning("%s: a key of AllenNLP 1.x, %s; `nlpreg migrate` rewrites the config", key_path, what)


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
