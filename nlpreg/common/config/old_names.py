"""Keys and registered names of AllenNLP 0.x and 1.x and their replacements: one table for check, loading and migrate."""

import contextlib
import functools
import importlib
import logging
import re
import symtable
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import nlpreg
from nlpreg.common.config.registry import REGISTRY
from nlpreg.common.config.untrusted import current_origin

logger = logging.getLogger(__name__)


class Old(NamedTuple):
    """A key, or a registered name, of an earlier version of AllenNLP.

    Args:
        owner: the class that had the key; `Base:name` for the class registered under a name; the base of the registry
            for a name.
        old: the key or name.
        new: the equivalent key (a dotted path for a key of a subsection) or name. An empty string means that it can be left
            out (for a name: that it is the default), "-" that leaving it out changes something, and None that there is no
            automatic replacement.
        note: advice in addition to `new`.
        kind: whether `old` is a key or a registered name.
        values: old value -> equivalent value, for values that changed.
    """

    owner: str
    old: str
    new: str | None
    note: str = ""
    kind: Literal["key", "name"] = "key"
    values: Mapping[Any, Any] = {}

    @property
    def is_mechanical(self) -> bool:
        """Whether `new` is equivalent, so that old configs can be read unchanged."""
        return self.new is not None and self.new != "-"

    @property
    def advice(self) -> str:
        """Advice on the replacement."""
        if self.note or self.new is None:
            return self.note
        return f'use "{self.new}"' if self.new not in ("", "-") else "leave it out"

    def renewed_value(self, value: Any) -> Any:
        """The equivalent of an old value, which may be a list or an object."""
        return next((new for old, new in self.values.items() if old == value), value)


def _name(base: str, old: str, new: str | None, note: str = "") -> Old:
    return Old(base, old, new, note, "name")


_ALL = {-1: None}
_CALLBACKS = 'give TrainerCallbacks under "callbacks"'
_TENSORBOARD = 'it is an argument of the callback "tensorboard" now'
_NOT_KEPT = "only the most recent checkpoints are kept"
_ADAMW = "use the scheduler linear_with_warmup, trainer.grad_norm and betas"

OLD: tuple[Old, ...] = (
    # the experiment
    Old("TrainModel", "iterator", None, 'use "data_loader"'),
    Old("TrainModel", "validation_iterator", None, 'use "validation_data_loader"'),
    Old("DistributedConfig", "master_address", "primary_address"),
    Old("DistributedConfig", "master_port", "primary_port"),
    Old("Vocabulary", "pad_token", "padding_token"),
    Old("Vocabulary", "directory_path", None, 'use "type": "from_files" with "directory"'),
    Old("Vocabulary", "extend", None, 'use "type": "extend"'),
    # the training
    _name("Trainer", "default", "gradient_descent"),
    _name(
        "Trainer",
        "callback",
        None,
        'use "gradient_descent", which has the callbacks of that trainer built in',
    ),
    Old("Trainer", "shuffle", None, "it belongs to data_loader now"),
    Old("Trainer", "num_serialized_models_to_keep", "checkpointer.keep_most_recent_by_count", values=_ALL),
    Old("Trainer", "model_save_interval", "checkpointer.save_every_num_seconds"),
    Old("Trainer", "keep_serialized_model_every_num_seconds", "", _NOT_KEPT),
    Old("Trainer", "summary_interval", None, _TENSORBOARD),
    Old("Trainer", "histogram_interval", None, f'{_TENSORBOARD}, named "distribution_interval"'),
    Old("Trainer", "log_batch_size_period", None, f'{_TENSORBOARD}, named "batch_size_interval"'),
    Old("Trainer", "batch_size_interval", None, _TENSORBOARD),
    Old("Trainer", "should_log_parameter_statistics", None, _TENSORBOARD),
    Old("Trainer", "should_log_learning_rate", None, _TENSORBOARD),
    Old("Trainer", "should_log_inputs", "-", 'it is an argument of the callback "console_logger" now'),
    Old("Trainer", "tensorboard_writer", None, 'use the callback "tensorboard"'),
    Old("Trainer", "opt_level", None, 'use "use_amp": true'),
    Old("Trainer", "batch_callbacks", None, _CALLBACKS),
    Old("Trainer", "epoch_callbacks", None, _CALLBACKS),
    Old("Trainer", "end_callbacks", None, _CALLBACKS),
    Old("Trainer", "trainer_callbacks", "callbacks"),
    Old("Trainer", "gradient_accumulation_batch_size", "-", 'use "num_gradient_accumulation_steps"'),
    Old("Checkpointer", "num_serialized_models_to_keep", "keep_most_recent_by_count", values=_ALL),
    Old("Checkpointer", "model_save_interval", "save_every_num_seconds"),
    Old("Checkpointer", "keep_serialized_model_every_num_seconds", "", _NOT_KEPT),
    Old("LogWriterCallback", "histogram_interval", "distribution_interval"),
    Old("LogWriterCallback", "log_batch_size_period", "batch_size_interval"),
    _name("Optimizer", "bert_adam", "huggingface_adamw"),
    Old("Optimizer:huggingface_adamw", "e", "eps"),
    *(
        Old("Optimizer:huggingface_adamw", key, "-", _ADAMW)
        for key in ("warmup", "t_total", "schedule", "max_grad_norm", "b1", "b2")
    ),
    # the data
    _name("DatasetReader", "multiprocess", "sharded"),
    Old("DatasetReader", "lazy", "", 'use "max_instances_in_memory" of the data_loader'),
    Old("DatasetReader", "cache_directory", ""),
    Old("DatasetReader:sharded", "num_workers", "", "the data loader has it"),
    Old("DatasetReader:sharded", "epochs_per_read", ""),
    Old("DatasetReader:sharded", "output_queue_size", ""),
    _name("DataLoader", "pytorch_dataloader", ""),
    _name("DataLoader", "default", ""),
    Old("DataLoader", "pin_memory", ""),
    Old("DataLoader", "timeout", ""),
    Old("DataLoader", "worker_init_fn", ""),
    Old("DataLoader", "prefetch_factor", ""),
    Old("DataLoader", "multiprocessing_context", "start_method"),
    _name("Tokenizer", "word", None, 'name what was its word_splitter, such as "just_spaces" or "spacy"'),
    Old("Tokenizer", "word_splitter", None, 'name the tokenizer itself, as in "tokenizer": "just_spaces"'),
    Old("Tokenizer", "word_filter", None, "leave it out, or filter words in a tokenizer of your own"),
    Old("Tokenizer", "word_stemmer", None, "leave it out, or stem words in a tokenizer of your own"),
    _name("TokenIndexer", "bert-pretrained", "pretrained_transformer_mismatched"),
    Old("TokenIndexer:pretrained_transformer_mismatched", "pretrained_model", "model_name"),
    Old("TokenIndexer:pretrained_transformer_mismatched", "max_pieces", "max_length"),
    *(
        Old("TokenIndexer:pretrained_transformer_mismatched", key, "")
        for key in ("do_lowercase", "use_starting_offsets", "truncate_long_sequences")
    ),
    _name("TokenIndexer", "pos_tag", None, 'use "single_id" with "feature_name": "tag_" or "pos_"'),
    _name("TokenIndexer", "dependency_label", None, 'use "single_id" with "feature_name": "dep_"'),
    _name("TokenIndexer", "ner_tag", None, 'use "single_id" with "feature_name": "ent_type_"'),
    _name("TokenIndexer", "openai_transformer", None, 'use "pretrained_transformer"'),
    _name("TokenIndexer", "openai_transformer_byte_pair", None, 'use "pretrained_transformer"'),
    # the model
    Old("Model", "constraint_type", "label_encoding"),
    Old(
        "TextFieldEmbedder",
        "allow_unmatched_keys",
        None,
        'use the embedder "empty" for an indexer without one',
    ),
    Old(
        "TextFieldEmbedder",
        "embedder_to_indexer_map",
        "-",
        "embedders and indexers belong together by their names",
    ),
    _name("TokenEmbedder", "bert-pretrained", "pretrained_transformer_mismatched"),
    Old("TokenEmbedder:pretrained_transformer_mismatched", "pretrained_model", "model_name"),
    Old("TokenEmbedder:pretrained_transformer_mismatched", "requires_grad", "train_parameters"),
    Old("TokenEmbedder:pretrained_transformer_mismatched", "top_layer_only", "last_layer_only"),
    Old("TokenEmbedder:pretrained_transformer_mismatched", "scalar_mix_parameters", ""),
    _name("TokenEmbedder", "openai_transformer_embedder", None, 'use "pretrained_transformer"'),
    _name("Seq2SeqEncoder", "stacked_self_attention", None, 'use "pytorch_transformer", the nearest'),
    _name("Seq2SeqEncoder", "multi_head_self_attention", None, 'use "pytorch_transformer", the nearest'),
)

_COMPANION = "AllenNLP's model package had this, nlpreg does not"
OLD += tuple(
    _name(base, name, None, _COMPANION)
    for base, names in {
        "Model": """bart bidaf bidaf-ensemble biaffine_parser bimpm composed_seq2seq constituency_parser copynet_seq2seq
            coref decomposable_attention dialog_qa esim event2mind graph_parser naqanet nlvr2 nlvr2_vilbert open_information_extraction
            qanet simple_seq2seq srl srl_bert transformer_mc transformer_qa transformer_qa_v2 trajectory visual_entailment
            visual_entailment_vilbert vqa vqa_vilbert vilbert_vqa""",
        "DatasetReader": """cnn_dm commonsenseqa copa copynet_seq2seq coref drop event2mind gqa nlvr2 penn_tree_bank piqa preco
            qangaroo quac quora_paraphrase race semantic_dependencies seq2seq snli squad squad1 squad2 srl swag
            transformer_rc transformer_squad transformer_superglue_rte triviaqa universal_dependencies
            universal_dependencies_multilang visual-entailment visual_genome_qa vqav2 winobias""",
        "Predictor": """biaffine_dependency_parser constituency_parser coreference_resolution dialog_qa event2mind
            open_information_extraction reading_comprehension semantic_dependency_parser seq2seq semantic_role_labeling
            textual_entailment transformer_mc transformer_qa""",
    }.items()
    for name in names.split()
)

_BY_OWNER: dict[tuple[str, str, str], Old] = {(old.kind, old.owner, old.old): old for old in OLD}

_FAMILIES: tuple[tuple[str, str], ...] = (
    ("", "TrainModel"),
    (r"trainer", "Trainer"),
    (r"trainer\.checkpointer", "Checkpointer"),
    (r"trainer\.tensorboard_writer", "LogWriterCallback"),
    (r"distributed", "DistributedConfig"),
    (r"vocabulary", "Vocabulary"),
    (r"(validation_)?data_loader", "DataLoader"),
    (r"(validation_)?dataset_reader(.*\.(base_reader|readers\.[^.]+))?", "DatasetReader"),
    (r"(.*[._])?tokenizer", "Tokenizer"),
    (r"(.*\.)?token_indexers\.[^.]+", "TokenIndexer"),
    (r"model", "Model"),
    (r"(.*[._])?text_field_embedder", "TextFieldEmbedder"),
    (r"(.*\.)?token_embedders\.[^.]+", "TokenEmbedder"),
    (r"(.*\.)?optimizer", "Optimizer"),
    (r"model\..*(encoder|contextualizer)", "Seq2SeqEncoder"),
)
"""Where the classes of the table occur in a config: (pattern of the key path, the class or its base)."""

_warned: set[str] = set()


def family_at(path: str) -> str | None:
    """The class, or the base of classes, of the section at a key path, if the table has it."""
    return next((family for pattern, family in _FAMILIES if re.fullmatch(pattern, path)), None)


def old_key(family: str, type_name: Any, key: str) -> Old | None:
    """The entry for a key of a section, by the base of its class and by the registered name of its class."""
    return _key_of([f"{family}:{type_name}".replace("-", "_"), family], key)


def _key_of(families: list[str], key: str) -> Old | None:
    """The entry for a key of the first class that has one."""
    entries = (_BY_OWNER.get(("key", family, key)) for family in families)
    return next((old for old in entries if old is not None), None)


def old_name(family: str, name: Any) -> Old | None:
    """The entry for a registered name."""
    return _BY_OWNER.get(("name", family, name)) if isinstance(name, str) else None


def advice_on_key(cls: Any, key: str) -> str | None:
    """Advice on an old key of a class; None for other keys."""
    old = _key_of(_families_of(cls), key)
    return None if old is None else old.advice


def advice_on_name(base: Any, name: str) -> str | None:
    """Advice on an old registered name; None for other names."""
    old = old_name(base.__name__, name)
    return None if old is None else old.advice


def renewed_name(base: Any, name: Any) -> Any:
    """The current name of a class that an earlier version registered under `name`; other names unchanged."""
    old = old_name(base.__name__, name)
    if old is None or not old.is_mechanical or name in REGISTRY.get(base, {}):
        return name
    return old.new or base.default_implementation


def renewed(cls: Any, config: dict[str, Any], taken: Collection[str], path: str) -> dict[str, Any]:
    """A section with the keys of earlier versions renamed if the replacement is equivalent.

    Args:
        cls: the class of the section.
        config: the section.
        taken: the keys that the class takes, which are not changed.
        path: key path of the section, for the warning.
    """
    families = _families_of(cls)
    changed = dict(config)
    for key in config:
        old = _key_of(families, key)
        if old is None or key in taken or not old.is_mechanical:
            continue
        if old.new == "":
            del changed[key]
            _warn_once(path, key, "left out")
        elif _set_path(changed, str(old.new), old.renewed_value(config[key])):
            del changed[key]
            _warn_once(path, key, f"read as {old.new!r}")
    return _with_tensorboard(changed, taken, path) if "Trainer" in families else changed


def _set_path(section: dict[str, Any], key_path: str, value: Any) -> bool:
    """Set the value at a dotted path unless there is one already, or a part of the path is not an object."""
    first, _, rest = key_path.partition(".")
    home = section.get(first, {}) if rest else section
    if not isinstance(home, Mapping) or (rest or first) in home:
        return False
    section[first] = {**home, rest: value} if rest else value
    return True


def _with_tensorboard(section: dict[str, Any], taken: Collection[str], path: str) -> dict[str, Any]:
    """A trainer's section with the callback `tensorboard` instead of a `tensorboard_writer`."""
    for old in ("batch_callbacks", "epoch_callbacks", "end_callbacks"):
        if old not in taken and not section.get(old, True):  # null or an empty list
            del section[old]
    options, callbacks = section.get("tensorboard_writer") or {}, section.get("callbacks") or []
    is_old = "tensorboard_writer" in section and "tensorboard_writer" not in taken
    if is_old and isinstance(options, Mapping) and isinstance(callbacks, list):
        del section["tensorboard_writer"]
        section["callbacks"] = [*callbacks, {**options, "type": "tensorboard"}]
        _warn_once(path, "tensorboard_writer", "read as the callback 'tensorboard'")
    return section


def _families_of(cls: Any) -> list[str]:
    """The names of a class in the table: `Base:name` for each registered name, and the names of its bases."""
    bases = getattr(cls, "__mro__", ())
    registered = [
        f"{base.__name__}:{name}".replace("-", "_")
        for base in bases
        for name, (found, _) in REGISTRY.get(base, {}).items()
        if found is cls
    ]
    return [*registered, *(base.__name__ for base in bases)]


def _warn_once(path: str, key: str, what: str) -> None:
    key_path = f"{path}.{key}" if path else key
    if key_path not in _warned and current_origin() is None:
        _warned.add(key_path)
        logger.warning(
            "%s: a key of an earlier version of AllenNLP, %s; `nlpreg migrate` rewrites the config",
            key_path,
            what,
        )


def old_keys_in(config: Any, path: str = "", own: Collection[str] = ()) -> Iterator[tuple[str, str]]:
    """Key paths of old keys and names anywhere in a config, each with advice.

    Args:
        config: the config, or a section of it.
        path: key path of the section.
        own: names that a project registers itself.
    """
    family = family_at(path)
    if family is not None:
        name = config.get("type") if isinstance(config, Mapping) else config
        old = old_name(family, name)
        if old is not None and name not in own:
            yield path, f'"{name}" is a name of earlier versions of AllenNLP; {old.advice}'
    if not isinstance(config, (Mapping, list)):
        return
    for key, value in config.items() if isinstance(config, Mapping) else enumerate(config):
        key_path = f"{path}.{key}" if path else str(key)
        found = old_key(family, name, key) if family is not None and isinstance(key, str) else None
        if found is not None:
            yield key_path, f"AllenNLP had this in earlier versions; {found.advice}"
        yield from old_keys_in(value, key_path, own)


# Modules and what is in them

_PARTS = {
    "dataset_readers": "nlpreg.data.dataset_readers",
    "models": "nlpreg.models",
    "predictors": "nlpreg.predictors",
    "modules": "nlpreg.modules",
    "metrics": "nlpreg.training.metrics",
    "heads": "nlpreg.models.heads",
}
"""Parts of a task in the companion package, and their modules in nlpreg."""

_MOVED: dict[str, str] = {
    "allennlp_models.lm.util.beam_search_generators": "nlpreg.nn.beam_search_generators",
    "allennlp_models.common.ontonotes": "nlpreg.data.dataset_readers.dataset_utils.ontonotes",
    "allennlp.common.testing.test_case.AllenNlpTestCase": "nlpreg.common.testing.test_case.NlpregTestCase",
    "allennlp.common.util.import_submodules": "nlpreg.common.util.import_module_and_submodules",
    "allennlp.common.util.gpu_memory_mb": "nlpreg.common.util.peak_gpu_memory",
    "allennlp.common.util.peak_memory_mb": "nlpreg.common.util.peak_cpu_memory",
    "allennlp.commands.evaluate.evaluate": "nlpreg.training.util.evaluate",
    "allennlp.data.tokenizers.token": "nlpreg.data.tokenizers.token_class",
    "allennlp.data.tokenizers.word_tokenizer": "nlpreg.data.tokenizers.spacy_tokenizer",
    "allennlp.data.tokenizers.word_tokenizer.WordTokenizer": "nlpreg.data.tokenizers.spacy_tokenizer.SpacyTokenizer",
    "allennlp.data.tokenizers.WordTokenizer": "nlpreg.data.tokenizers.SpacyTokenizer",
    "allennlp.data.tokenizers.word_splitter.SpacyWordSplitter": "nlpreg.data.tokenizers.SpacyTokenizer",
    "allennlp.data.tokenizers.word_splitter.JustSpacesWordSplitter": "nlpreg.data.tokenizers.WhitespaceTokenizer",
    "allennlp.training.trainer.Trainer": "nlpreg.training.gradient_descent_trainer.GradientDescentTrainer",
}
"""Renamed modules, and renamed objects in them; the longest match counts."""

MOVED_NOTES: dict[str, str] = {
    "allennlp.common.util.gpu_memory_mb": "peak_gpu_memory gives bytes, gpu_memory_mb gave megabytes",
    "allennlp.common.util.peak_memory_mb": "peak_cpu_memory gives bytes for each worker, peak_memory_mb gave megabytes",
    "allennlp.data.tokenizers.WordTokenizer": "it took a word_splitter, SpacyTokenizer is one",
    "allennlp.data.tokenizers.word_tokenizer.WordTokenizer": "it took a word_splitter, SpacyTokenizer is one",
    "allennlp.training.trainer.Trainer": "Trainer is the base now; its subclass takes a data_loader, not an iterator",
}
"""Differences in behaviour of some of them."""

_ROOT = Path(nlpreg.__file__).parent


def new_module_name(old: str) -> tuple[str, bool]:
    """The name in nlpreg of a module of AllenNLP or its companion package, or of an object in a module.

    Args:
        old: a dotted name that begins with `allennlp` or `allennlp_models`.

    Returns:
        The new name, and whether it exists.
    """
    for moved in sorted(_MOVED, key=len, reverse=True):
        if old == moved or old.startswith(moved + "."):
            new = _MOVED[moved] + old[len(moved) :]
            return new, exists(new)
    steps = old.split(".")
    if steps[0] == "allennlp":
        new = ".".join(["nlpreg", *steps[1:]])
        return new, exists(new)
    for i, step in enumerate(steps[1:], start=1):
        if step in _PARTS:
            new = ".".join([_PARTS[step], *steps[i + 1 :]])
            return new, exists(new)
    return ".".join(["nlpreg", *steps[1:]]), False


def exists(name: str) -> bool:
    """Whether a dotted name is a module of nlpreg or a name in one; a module is imported only if its text does not tell."""
    steps = name.split(".")[1:]
    for count in range(len(steps), -1, -1):
        path = _ROOT.joinpath(*steps[:count])
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if file.is_file():
            break
    if count == len(steps) or steps[count] in _names_in(file):
        return True
    with contextlib.suppress(ImportError):  # of an optional package
        # such as the classes made from those of torch
        return hasattr(importlib.import_module(".".join(["nlpreg", *steps[:count]])), steps[count])
    return False


@functools.lru_cache(maxsize=512)
def _names_in(file: Path) -> frozenset[str]:
    """Names that a module defines or imports; those that it imports lazily are also imported for type checkers."""
    symbols = symtable.symtable(file.read_text(encoding="utf-8"), str(file), "exec").get_symbols()
    return frozenset(symbol.get_name() for symbol in symbols if symbol.is_assigned() or symbol.is_imported())
