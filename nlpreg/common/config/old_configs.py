"""Configs of AllenNLP 0.x and 1.x rewritten as text: renames by the table, and a function for each change of structure."""

import json
import math
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from nlpreg.common.config.config_file import ConfigFile
from nlpreg.common.config.config_text import ConfigText, Section
from nlpreg.common.config.old_names import Old, family_at, new_module_name, old_key, old_keys_in, old_name

_MAX_CHANGES = 1000
_SPLITTERS = ("just_spaces", "letters_digits", "spacy")
"""Word splitters that are tokenizers of the same name now."""
_SPACY_KEYS = ("language", "pos_tags", "parse", "ner", "keep_spacy_tokens", "split_on_spaces")
_SPACY_FEATURES = {"pos_tag": "pos_", "dependency_label": "dep_", "ner_tag": "ent_type_"}
_TENSORBOARD = {
    "summary_interval": "summary_interval",
    "histogram_interval": "distribution_interval",
    "log_batch_size_period": "batch_size_interval",
    "batch_size_interval": "batch_size_interval",
    "should_log_parameter_statistics": "should_log_parameter_statistics",
    "should_log_learning_rate": "should_log_learning_rate",
}


@dataclass
class MigrationLog:
    """The changes of a migration and what has to be done by hand, each with its location, `path:line`.

    Args:
        done: (place, message) of what was rewritten.
        left: (place, message) of what has to be done by hand.
    """

    done: list[tuple[str, str]] = field(default_factory=list)
    left: list[tuple[str, str]] = field(default_factory=list)

    def did(self, place: str, message: str) -> None:
        """Record a change, without duplicates."""
        if (place, message) not in self.done:
            self.done.append((place, message))

    def leave(self, place: str, message: str) -> None:
        """Record something to be done by hand, without duplicates."""
        if (place, message) not in self.left:
            self.left.append((place, message))


Rule = Callable[[ConfigText, Section, MigrationLog], bool]
"""Makes one change in a section, or none, and returns whether it made one."""


def migrate_config(
    path: str, log: MigrationLog, texts: dict[str, str] | None = None, own: Collection[str] = ()
) -> dict[str, str]:
    """New texts of a config and of the files that it imports.

    Args:
        path: the config.
        log: records what was done, and what has to be done by hand.
        texts: path -> content of files that overrides the disk.
        own: names that the project registers itself.
    """
    config = ConfigText(path, texts)
    if not config.is_understood:
        log.leave(path, "this Jsonnet cannot be parsed; nothing in it was changed")
        return {}
    _apply(config, log, _RULES)
    after = ConfigFile.read(config.path, texts=config.texts)
    if after.config is None and ConfigFile.read(config.path, texts=texts).config is not None:
        reasons = "; ".join(problem.message for problem in after.problems)
        log.leave(config.path, f"the rewritten config cannot be evaluated: {reasons}")
    for key_path, advice in old_keys_in(after.config or {}, own=own):
        parent, _, key = key_path.rpartition(".")
        homes = config.at(parent)
        home = next((home for home in reversed(homes) if key in home), homes[-1] if homes else None)
        log.leave(config.path if home is None else config.place(home, key), f"{key_path}: {advice}")
    return dict(config.texts)


def migrated_part(config: dict[str, Any]) -> dict[str, Any]:
    """A config with its structure rewritten as by `migrate`; keys and names are renamed when the config is read.

    Args:
        config: the config of an archive, plain JSON; sections that only training needs are not changed.
    """
    name = "config.json"
    text = ConfigText(name, {name: json.dumps(config)})
    if text.is_understood:
        _apply(text, MigrationLog(), _STRUCTURE_RULES)
    result: dict[str, Any] = json.loads(text.texts[name])
    return result


def _apply(config: ConfigText, log: MigrationLog, rules: tuple[tuple[str, Rule], ...]) -> None:
    for _ in range(_MAX_CHANGES):
        sections = list(config.all_sections())
        if not any(
            rule(config, section, log)
            for pattern, rule in rules
            for section in sections
            if re.fullmatch(pattern, section.path)
        ):
            break


def duplicates(config: ConfigText, section: Section, log: MigrationLog) -> bool:
    """Remove duplicate keys of an object: the last one counts, as in JSON."""
    seen: set[str] = set()
    for key in reversed(section.shape.keys):
        if key.name in seen and key.token is not None:
            log.did(
                config.place(section, key.name),
                f"{_path(section, key.name)} was given twice; the last one counts",
            )
            config.remove_key(section, key)
            return True
        seen.add(key.name)
    return False


def table(config: ConfigText, section: Section, log: MigrationLog) -> bool:
    """Rename or remove keys and registered names according to the table of old names."""
    if section.shape.kind != "object":
        return False
    family = family_at(section.path)
    kind = section.value("type")
    for name in [name for name in section.keys if name in section]:
        value = section.value(name)
        of = family if name == "type" else family_at(_path(section, name))
        old = old_name(of, value) if of is not None else None
        if old is not None and old.is_mechanical:
            if old.new:
                config.replace(section, name, config.literal(old.new, section))
            else:
                config.remove(section, name)
            told = f'now "{old.new}"' if old.new else "the default, and was removed"
            log.did(config.place(section, name), f'{_path(section, name)}: "{value}" is {told}')
            return True
        entry = old_key(family, kind, name) if family is not None else None
        if entry is not None and entry.new is not None:
            _rename(config, section, entry, log)
            return True
    return False


def _rename(config: ConfigText, section: Section, old: Old, log: MigrationLog) -> None:
    """Give a key its current name and place, or remove it."""
    assert old.new is not None
    name, place = old.old, config.place(section, old.old)
    path = _path(section, name)
    if old.new in ("", "-"):
        config.remove(section, name)
        tell = log.leave if old.note else log.did
        tell(place, f"{path} was removed" + (f": {old.note}" if old.note else ""))
        return
    value = section.value(name)
    renewed = old.renewed_value(value)
    text = section.source(name) if renewed == value else config.literal(renewed, section)
    target, _, inner = old.new.partition(".")
    homes = config.at(_path(section, target)) if inner else config.at(section.path)
    if any((inner or target) in home for home in homes):
        config.remove(section, name)
        log.did(place, f"{path} was removed: {old.new} is given too")
    elif not inner:
        config.replace(section, name, text)
        config.rename(section, name, target)
        log.did(place, f"{path} is now {old.new}")
    else:
        if homes:
            config.insert(homes[-1], inner, text)
        else:
            config.insert(section, target, config.object_text({inner: text}, section))
        config.remove(section, name)
        log.did(place, f"{path} is now {_path(section, old.new)}")


def _iterator_to_loader(config: ConfigText, top: Section, log: MigrationLog) -> bool:
    """Replace `iterator` by `data_loader`."""
    for old, new in (("iterator", "data_loader"), ("validation_iterator", "validation_data_loader")):
        if old not in top:
            continue
        sections = config.at(old)
        if new in top or len(sections) != 1:
            log.leave(
                config.place(top),
                f'"{old}" could not be turned into "{new}": it is put together from several parts',
            )
            continue
        config.replace_section(sections[0], _loader_of_iterator(config, sections[0], log))
        config.rename(top, old, new)
        log.did(config.place(sections[0]), f'"{old}" is now "{new}"')
        return True
    return False


def _loader_of_iterator(config: ConfigText, iterator: Section, log: MigrationLog) -> str:
    """The text of the data loader that is equivalent to an iterator."""
    members: dict[str, str] = {}
    kind = iterator.value("type", "bucket")
    if kind == "multiprocess" and "base_iterator" in iterator:
        members["num_workers"] = iterator.source("num_workers") if "num_workers" in iterator else "1"
        inner = config.at(f"{iterator.path}.base_iterator")
        iterator = inner[-1] if inner else iterator
        kind = iterator.value("type", "bucket")
    size = iterator.source("batch_size") if "batch_size" in iterator else "32"
    if kind == "basic":
        shuffle = config.at("trainer")[-1].value("shuffle", True) if config.at("trainer") else True
        members = {"batch_size": size, "shuffle": config.literal(shuffle, iterator), **members}
    else:
        if kind != "bucket":
            log.leave(
                config.place(iterator),
                f'there is no counterpart of the iterator "{kind}"; "bucket" was put in its place',
            )
        members = {"batch_sampler": _sampler(config, iterator, size, log), **members}
    if "max_instances_in_memory" in iterator:
        members["max_instances_in_memory"] = iterator.source("max_instances_in_memory")
    if iterator.value("instances_per_epoch", 0) is not None and "instances_per_epoch" in iterator:
        members["batches_per_epoch"] = _ratio(iterator, "instances_per_epoch", size)
    if iterator.value("track_epoch"):
        log.leave(
            config.place(iterator),
            'track_epoch: add "track_epoch_callback" to trainer.callbacks; it sets model.epoch',
        )
    return config.object_text(members, iterator)


def _sampler(config: ConfigText, iterator: Section, size: str, log: MigrationLog) -> str:
    sampler = {"type": config.literal("bucket", iterator), "batch_size": size}
    largest = iterator.value("maximum_samples_per_batch")
    if isinstance(largest, list) and len(largest) == 2:
        sampler = {"type": config.literal("max_tokens_sampler", iterator), "max_tokens": str(largest[1])}
        log.leave(
            config.place(iterator),
            "maximum_samples_per_batch: max_tokens counts the padding of the longest text too",
        )
    elif iterator.value("maximum_samples_per_batch", "computed") and "maximum_samples_per_batch" in iterator:
        log.leave(
            config.place(iterator),
            'maximum_samples_per_batch was removed: use a "max_tokens_sampler" instead',
        )
    keys = _field_names(iterator.value("sorting_keys"))
    if keys:
        sampler["sorting_keys"] = config.literal(keys, iterator)
    elif iterator.value("sorting_keys", "computed") and "sorting_keys" in iterator:
        log.leave(
            config.place(iterator), "sorting_keys was removed: it must now be a list of names of fields"
        )
    for old, new in (("padding_noise", "padding_noise"), ("skip_smaller_batches", "drop_last")):
        if old in iterator:
            sampler[new] = iterator.source(old)
    return config.object_text(sampler, iterator)


def _field_names(sorting_keys: Any) -> list[str]:
    """Names of fields from the old pairs (field, padding key), without duplicates."""
    keys = sorting_keys if isinstance(sorting_keys, list) else []
    names = [key[0] if isinstance(key, list) and key else key for key in keys]
    return list(dict.fromkeys(name for name in names if isinstance(name, str)))


def _ratio(section: Section, name: str, divisor: str) -> str:
    """`ceil(value / divisor)`, computed if both are numbers."""
    value = section.value(name)
    if isinstance(value, int) and divisor.isdigit():
        return str(math.ceil(value / int(divisor)))
    return f"std.ceil(({section.source(name)}) / ({divisor}))"


def _shuffle(config: ConfigText, trainer: Section, log: MigrationLog) -> bool:
    if "shuffle" not in trainer or config.at("iterator"):  # the rule for iterators reads it first
        return False
    loaders = _objects_at(config, "data_loader")
    message = "trainer.shuffle was removed: the data loader, or its batch sampler, decides"
    if loaders and not any("batch_sampler" in loader or "shuffle" in loader for loader in loaders):
        config.insert(loaders[-1], "shuffle", trainer.source("shuffle"))
        message = "trainer.shuffle is now data_loader.shuffle"
    config.remove(trainer, "shuffle")
    log.did(config.place(trainer, "shuffle"), message)
    return True


def _opt_level(config: ConfigText, trainer: Section, log: MigrationLog) -> bool:
    if "opt_level" not in trainer:
        return False
    message = "trainer.opt_level was removed: it asked for full precision"
    if trainer.value("opt_level") not in (None, "O0") and "use_amp" not in trainer:
        config.insert(trainer, "use_amp", "true")
        message = "trainer.opt_level is now trainer.use_amp: true"
    config.remove(trainer, "opt_level")
    log.did(config.place(trainer, "opt_level"), message)
    return True


def _devices(config: ConfigText, trainer: Section, log: MigrationLog) -> bool:
    devices = trainer.value("cuda_device")
    if not isinstance(devices, list):
        return False
    if len(devices) == 1:
        config.replace(trainer, "cuda_device", str(devices[0]))
        message = "trainer.cuda_device is a single number now"
    else:
        message = 'trainer.cuda_device was removed: "distributed" has the devices'
        tops = config.at("")
        if not any("distributed" in top for top in tops):
            section = config.object_text({"cuda_devices": str(devices)}, tops[-1])
            config.insert(tops[-1], "distributed", section)
            message = "a list under trainer.cuda_device is now distributed.cuda_devices"
        config.remove(trainer, "cuda_device")
    log.did(config.place(trainer, "cuda_device"), message)
    return True


def _tensorboard(config: ConfigText, trainer: Section, log: MigrationLog) -> bool:
    """Move the options of the summary writer to the callback `tensorboard`."""
    options = {new: trainer.source(old) for old, new in _TENSORBOARD.items() if old in trainer}
    writer = config.at("trainer.tensorboard_writer")
    for section in writer:
        known = {
            _TENSORBOARD.get(name, name): section.source(name) for name in section.keys if name != "type"
        }
        known.pop("serialization_dir", None)
        options.update(known)
    if not options and "tensorboard_writer" not in trainer:
        return False
    callback = config.object_text({"type": config.literal("tensorboard", trainer), **options}, trainer)
    callbacks = config.at("trainer.callbacks")
    if "callbacks" not in trainer:
        config.insert(trainer, "callbacks", f"[{callback}]")
    elif callbacks and callbacks[-1].shape.kind == "array":
        config.append(callbacks[-1], callback)
    else:
        log.leave(config.place(trainer), f"trainer.callbacks is computed; add to it: {callback}")
    for section in config.at("trainer"):
        for old in (*_TENSORBOARD, "tensorboard_writer"):
            if old in section:
                config.remove(section, old)
    log.did(config.place(trainer), 'the options of TensorBoard are now those of the callback "tensorboard"')
    return True


def sorting_keys(config: ConfigText, sampler: Section, log: MigrationLog) -> bool:
    """Replace pairs of a field and its padding key by names of fields."""
    keys = sampler.value("sorting_keys")
    if not isinstance(keys, list) or not any(isinstance(key, list) for key in keys):
        return False
    config.replace(sampler, "sorting_keys", config.literal(_field_names(keys), sampler))
    log.did(config.place(sampler), f"{sampler.path}.sorting_keys is a list of names of fields now")
    return True


def _lazy_reading(config: ConfigText, reader: Section, log: MigrationLog) -> bool:
    """Replace `lazy` of readers by an argument of the data loader."""
    if "lazy" not in reader:
        return False
    loaders = _objects_at(config, "data_loader")
    if reader.value("lazy") is True and not loaders:
        log.leave(config.place(reader), "lazy reading: give data_loader.max_instances_in_memory")
    elif reader.value("lazy") is True and not any("max_instances_in_memory" in one for one in loaders):
        config.insert(loaders[-1], "max_instances_in_memory", "1000")
        log.did(
            config.place(loaders[-1]),
            "data_loader.max_instances_in_memory was added for lazy reading; choose the number",
        )
    config.remove(reader, "lazy")
    log.did(
        config.place(reader, "lazy"),
        f"{reader.path}.lazy was removed: the data loader decides what is held in memory",
    )
    return True


def tokenizers(config: ConfigText, section: Section, log: MigrationLog) -> bool:
    """Replace the tokenizer "word" by the tokenizer that corresponds to its `word_splitter`."""
    for name in section.keys:
        if re.search(r"(^|_)tokenizer$", name) and section.value(name) == "word":
            config.replace(section, name, config.literal("spacy", section))
            log.did(config.place(section), f'{_path(section, name)}: the tokenizer "word" is now "spacy"')
            return True
    is_word = re.search(r"(^|_)tokenizer$", section.last_step) and section.value("type") == "word"
    if section.shape.kind != "object" or not ("word_splitter" in section or is_word):
        return False
    config.replace_section(section, _tokenizer(config, section, log))
    log.did(config.place(section), f"{section.path} now has the name of its former word_splitter")
    return True


def _tokenizer(config: ConfigText, section: Section, log: MigrationLog) -> str:
    splitter = section.value("word_splitter")
    options = splitter if isinstance(splitter, dict) else {"type": splitter or "spacy"}
    old = options.get("type", "spacy")
    new = old if old in _SPLITTERS else "letters_digits" if old == "simple" else "spacy"
    if new != old:
        advice = (
            '"letters_digits" is the nearest'
            if old == "simple"
            else 'choose a tokenizer by hand; "spacy" was put in its place'
        )
        log.leave(
            config.place(section),
            f'{section.path}: there is no counterpart of the word_splitter "{old}"; {advice}',
        )
    members = {"type": config.literal(new, section)}
    if new == "spacy":
        members.update({key: config.literal(options[key], section) for key in _SPACY_KEYS if key in options})
    for name in ("start_tokens", "end_tokens"):
        if name in section and new == "spacy":
            members[name] = section.source(name)
        elif name in section:
            log.leave(
                config.place(section),
                f"{section.path}.{name} was removed: only the tokenizer spacy has it; many readers have",
            )
    for name in ("word_filter", "word_stemmer"):
        if section.value(name) not in (None, "pass_through", {"type": "pass_through"}):
            log.leave(
                config.place(section),
                f"{section.path}.{name} was removed: filter or stem words in a tokenizer of your own",
            )
    return members["type"] if len(members) == 1 else config.object_text(members, section)


def _spacy_indexers(config: ConfigText, section: Section, log: MigrationLog) -> bool:
    """Replace indexers of spaCy's annotations by `single_id` with a `feature_name`."""
    kind = section.value("type")
    is_indexer = family_at(section.path) == "TokenIndexer" and isinstance(kind, str)
    if not is_indexer or kind not in _SPACY_FEATURES:
        return False
    is_fine = kind == "pos_tag" and section.value("coarse_tags") is not True
    feature = "tag_" if is_fine else _SPACY_FEATURES[kind]
    config.replace(section, "type", config.literal("single_id", section))
    config.insert(section, "feature_name", config.literal(feature, section))
    if "coarse_tags" in section:
        config.remove(section, "coarse_tags")
    log.did(
        config.place(section, "type"),
        f'{section.path}: the indexer "{kind}" is now "single_id" with a feature_name',
    )
    return True


def embedders(config: ConfigText, section: Section, log: MigrationLog) -> bool:
    """Move token embedders into `token_embedders`, with one for each indexer."""
    if section.shape.kind != "object" or not _is_text_field_embedder(config, section):
        return False
    options = [name for name in ("allow_unmatched_keys", "embedder_to_indexer_map") if name in section]
    has_embedders = not {"type", "token_embedders", *options}.issuperset(section.keys)
    is_basic = section.value("type", "basic") == "basic"
    must_wrap = has_embedders and is_basic and not {"token_embedders", "_pretrained"} & set(section.keys)
    # the options of the text field embedder itself go first
    if options and (must_wrap or options[0] == "allow_unmatched_keys"):
        _remove_embedder_option(config, section, options[0], log)
    elif must_wrap:
        _wrap_embedders(config, section)
        log.did(config.place(section), f"{section.path}: the embedders are inside token_embedders now")
    else:
        return False
    return True


def _is_text_field_embedder(config: ConfigText, section: Section) -> bool:
    """Whether a section of a model is a text field embedder: by its name, or because it contains only token embedders."""
    if section.path.split(".")[0] != "model" or family_at(section.path) == "TokenEmbedder":
        return False
    if section.last_step.endswith("text_field_embedder"):
        return True
    if not section.last_step.endswith("embedder") or "type" in section:
        return False
    kinds = [inner.value("type") for name in section.keys for inner in config.at(f"{section.path}.{name}")]
    return bool(kinds) and all(kind in _TOKEN_EMBEDDERS for kind in kinds)


_TOKEN_EMBEDDERS = (
    "embedding",
    "character_encoding",
    "elmo_token_embedder",
    "empty",
    "pass_through",
    "bert-pretrained",
    "pretrained_transformer",
)


def _remove_embedder_option(config: ConfigText, section: Section, name: str, log: MigrationLog) -> None:
    """Remove an option of the text field embedder; indexers without an embedder get the embedder `empty`."""
    place, path = config.place(section, name), _path(section, name)
    config.remove(section, name)
    if name == "embedder_to_indexer_map":
        log.leave(place, f"{path} was removed: embedders and indexers of one name belong together")
        return
    homes = config.at(f"{section.path}.token_embedders") or [section]
    indexers = {
        key
        for reader in config.all_sections()
        if reader.path.split(".")[0] == "dataset_reader" and reader.last_step.endswith("token_indexers")
        for key in reader.keys
    }
    missing = sorted(indexers - {key for home in homes for key in home.keys})
    if section.value(name) is False or not missing:
        log.did(place, f"{path} was removed")
        return
    for indexer in missing:
        home = (config.at(f"{section.path}.token_embedders") or config.at(section.path))[-1]
        config.insert(home, indexer, config.object_text({"type": config.literal("empty", home)}, home))
    log.did(place, f'{path} was removed; the embedder "empty" stands for the indexers {", ".join(missing)}')


def _wrap_embedders(config: ConfigText, section: Section) -> None:
    if "type" in section:
        config.remove(section, "type")
        section = config.current(section)
    text = section.text[section.shape.start : section.shape.end]
    first, *rest = text.split("\n")
    if not rest:
        config.replace_section(section, config.object_text({"token_embedders": text}, section))
        return
    indented = "\n".join([first, *(f"  {line}" if line.strip() else line for line in rest)])
    indent = " " * (len(rest[-1]) - len(rest[-1].lstrip(" ")))
    key = config.key_text("token_embedders", section)
    config.replace_section(section, f"{{\n{indent}  {key}: {indented}\n{indent}}}")


def initializers(config: ConfigText, section: Section, log: MigrationLog) -> bool:
    """Move a list of pairs into `regexes`, and the patterns of excluded parameters into `prevent_regexes`."""
    if section.shape.kind != "array":
        return False
    pairs, prevented = [], []
    for name in section.keys:
        value = section.value(name)
        if isinstance(value, list) and len(value) == 2 and value[1] in ("prevent", {"type": "prevent"}):
            prevented.append(config.literal(value[0], section))
        else:
            pairs.append(section.source(name))
    members = {"regexes": f"[{', '.join(pairs)}]"}
    if prevented:
        members["prevent_regexes"] = f"[{', '.join(prevented)}]"
    config.replace_section(section, config.object_text(members, section))
    log.did(config.place(section), f"{section.path}: the list is inside regexes now")
    return True


def vocabulary(config: ConfigText, section: Section, log: MigrationLog) -> bool:
    """Replace the path of a saved vocabulary by `type` and `directory`."""
    if "directory_path" not in section:
        return False
    kind = "extend" if section.value("extend") is True else "from_files"
    config.rename(section, "directory_path", "directory")
    edit = config.replace if "type" in section else config.insert
    edit(section, "type", config.literal(kind, section))
    kept = {"type", "directory_path", "padding_token", "oov_token"}
    for name in section.keys:
        if name == "extend" or (kind == "from_files" and name not in kept):
            config.remove(section, name)
    log.did(config.place(section), f'vocabulary.directory_path is now the directory of a vocabulary "{kind}"')
    return True


def _class_names(config: ConfigText, section: Section, log: MigrationLog) -> bool:
    """Rename fully qualified classes of the old packages."""
    kind = section.value("type")
    if not isinstance(kind, str) or not re.match(r"allennlp(_models)?\.", kind):
        return False
    name, is_known = new_module_name(kind)
    place = config.place(section, "type")
    config.replace(section, "type", config.literal(name, section))
    log.did(place, f"{section.path}.type: {kind} is now {name}")
    if not is_known:
        log.leave(place, f"{section.path}.type: there is no {name} in nlpreg")
    return True


def _objects_at(config: ConfigText, path: str) -> list[Section]:
    """The sections at a path that keys can be added to."""
    return [section for section in config.at(path) if section.shape.kind == "object"]


def _path(section: Section, name: str) -> str:
    return f"{section.path}.{name}" if section.path else name


_ANYWHERE = r"(?s:.*)"

_STRUCTURE_RULES: tuple[tuple[str, Rule], ...] = (
    ("", _iterator_to_loader),
    (_ANYWHERE, tokenizers),
    (_ANYWHERE, _spacy_indexers),
    (_ANYWHERE, embedders),
    (r"(.*[._])?(initializer|regularizer)", initializers),
    ("vocabulary", vocabulary),
)
"""(pattern of the key path, rule) for configs of trained models."""

_RULES: tuple[tuple[str, Rule], ...] = (
    (_ANYWHERE, duplicates),
    ("", _iterator_to_loader),
    ("trainer", _shuffle),
    ("trainer", _opt_level),
    ("trainer", _devices),
    ("trainer", _tensorboard),
    (r"(validation_)?data_loader\.batch_sampler", sorting_keys),
    (r"[^.]*dataset_reader.*", _lazy_reading),
    *_STRUCTURE_RULES[1:],
    (_ANYWHERE, _class_names),
    (_ANYWHERE, table),
)
"""All rules, in the order in which they are applied."""
