"""Keys and names of AllenNLP 0.x and 1.x in readers, tokenizers, indexers, embedders, models and vocabularies."""

from __future__ import annotations

import re
from collections.abc import Callable

from nlpreg.commands.migrate.config_text import ConfigText, Section
from nlpreg.commands.migrate.log import MigrationLog
from nlpreg.commands.migrate.module_names import new_name

__all__ = ["PART_RULES"]

_SPLITTERS = {
    "just_spaces": "just_spaces",
    "letters_digits": "letters_digits",
    "spacy": "spacy",
    "simple": "letters_digits",
}
_SPACY_KEYS = ("language", "pos_tags", "parse", "ner", "keep_spacy_tokens", "split_on_spaces")
_SPACY_FEATURES = {"pos_tag": "pos_", "dependency_label": "dep_", "ner_tag": "ent_type_"}
_BERT_INDEXER = {"pretrained_model": "model_name", "max_pieces": "max_length"}
_BERT_EMBEDDER = {
    "pretrained_model": "model_name",
    "requires_grad": "train_parameters",
    "top_layer_only": "last_layer_only",
}
_BERT = "pretrained_transformer_mismatched"
_BERT_ADAM = {"e": "eps"}


def readers(config: ConfigText, log: MigrationLog) -> bool:
    """Lazy reading is the loader's business; a reader for several processes is `sharded`."""
    for section in config.all_sections():
        if "dataset_reader" not in section.path.split(".")[0]:
            continue
        if "lazy" in section:
            if section.value("lazy") is True:
                _insert_in_loader(config, section, log)
            config.remove(_again(config, section, "lazy"), "lazy")
            log.did(
                section.place,
                f"{section.path}.lazy was removed: the data loader decides what is held in memory",
            )
            return True
        if "cache_directory" in section:
            config.remove(section, "cache_directory")
            log.did(section.place, f"{section.path}.cache_directory was removed")
            return True
        if section.value("type") == "multiprocess" and "base_reader" in section:
            config.replace(section, "type", config.literal("sharded", section))
            for name in ("num_workers", "epochs_per_read", "output_queue_size"):
                if name in section:
                    config.remove(_again(config, section, name), name)
            log.did(
                section.place, 'the reader "multiprocess" is now "sharded"; workers are the data loader\'s'
            )
            return True
    return False


def _insert_in_loader(config: ConfigText, section: Section, log: MigrationLog) -> None:
    loaders = config.at("data_loader")
    if loaders and not any("max_instances_in_memory" in loader for loader in loaders):
        config.insert(loaders[-1], "max_instances_in_memory", "1000")
        log.did(
            loaders[-1].place,
            "data_loader.max_instances_in_memory was added for lazy reading; choose the number",
        )
    elif not loaders:
        log.leave(section.place, "lazy reading: give data_loader.max_instances_in_memory")


def tokenizers(config: ConfigText, log: MigrationLog) -> bool:
    """A tokenizer "word" with a `word_splitter` is named by its splitter."""
    for section in config.all_sections():
        for name in section.keys:
            if re.search(r"(^|_)tokenizer$", name) and section.value(name) == "word":
                config.replace(section, name, config.literal("spacy", section))
                log.did(section.place, f'{_path(section, name)}: the tokenizer "word" is now "spacy"')
                return True
        is_word = re.search(r"(^|_)tokenizer$", section.last_step) and section.value("type") == "word"
        if section.shape.kind == "object" and ("word_splitter" in section or is_word):
            config.replace_section(section, _tokenizer(config, section, log))
            log.did(section.place, f"{section.path} is named by what was its word_splitter")
            return True
    return False


def _tokenizer(config: ConfigText, section: Section, log: MigrationLog) -> str:
    splitter = section.value("word_splitter", "spacy" if "word_splitter" not in section else None)
    options = splitter if isinstance(splitter, dict) else {"type": splitter or "spacy"}
    old = options.get("type", "spacy")
    new = _SPLITTERS.get(str(old))
    if new is None or old == "simple":
        advice = (
            '"letters_digits" is the nearest'
            if old == "simple"
            else 'choose a tokenizer by hand; "spacy" was put in its place'
        )
        log.leave(
            section.place, f'{section.path}: there is no counterpart of the word_splitter "{old}"; {advice}'
        )
    members = {"type": config.literal(new or "spacy", section)}
    if (new or "spacy") == "spacy":
        members.update({key: config.literal(options[key], section) for key in _SPACY_KEYS if key in options})
    for name in ("start_tokens", "end_tokens"):
        if name in section and members["type"][1:-1] == "spacy":
            members[name] = section.source(name)
        elif name in section:
            log.leave(
                section.place,
                f"{section.path}.{name} was removed: only the tokenizer spacy has it; many readers have",
            )
    for name in ("word_filter", "word_stemmer"):
        if section.value(name) not in (None, "pass_through", {"type": "pass_through"}):
            log.leave(
                section.place,
                f"{section.path}.{name} was removed: filter or stem words in a tokenizer of your own",
            )
    return members["type"] if len(members) == 1 else config.object_text(members, section)


def indexers(config: ConfigText, log: MigrationLog) -> bool:
    """Indexers of BERT and of spaCy's annotations."""
    for section in config.all_sections():
        if not re.search(r"(^|\.)token_indexers\.[^.]+$", section.path):
            continue
        kind = section.value("type")
        if kind == "bert-pretrained":
            _to_bert(
                config,
                section,
                _BERT_INDEXER,
                ("do_lowercase", "use_starting_offsets", "truncate_long_sequences"),
                log,
            )
            return True
        if kind in _SPACY_FEATURES:
            feature = (
                "tag_"
                if kind == "pos_tag" and section.value("coarse_tags") is not True
                else _SPACY_FEATURES[kind]
            )
            config.replace(section, "type", config.literal("single_id", section))
            config.insert(_again(config, section, "type"), "feature_name", config.literal(feature, section))
            if "coarse_tags" in section:
                config.remove(_again(config, section, "coarse_tags"), "coarse_tags")
            log.did(
                section.place, f'{section.path}: the indexer "{kind}" is now "single_id" with a feature_name'
            )
            return True
        if str(kind).startswith("openai"):
            log.leave(
                section.place,
                f'{section.path}: there is no counterpart of "{kind}"; use "pretrained_transformer"',
            )
    return False


def embedders(config: ConfigText, log: MigrationLog) -> bool:
    """Token embedders stand inside `token_embedders`; BERT's has another name."""
    for section in config.all_sections():
        if section.last_step == "text_field_embedder" and section.shape.kind == "object":
            for name in ("allow_unmatched_keys", "embedder_to_indexer_map"):
                if name in section:
                    config.remove(section, name)
                    log.leave(
                        section.place,
                        f"{section.path}.{name} was removed: embedders and indexers of one name "
                        'belong together, and the embedder "empty" stands for an indexer without one',
                    )
                    return True
            others = [name for name in section.keys if name not in ("type", "token_embedders")]
            is_basic = section.value("type", "basic") == "basic"
            if "token_embedders" not in section and others and is_basic and "_pretrained" not in section:
                _wrap_embedders(config, section)
                log.did(section.place, f"{section.path}: the embedders stand inside token_embedders now")
                return True
        is_embedder = re.search(r"(^|\.)token_embedders\.[^.]+$", section.path)
        if is_embedder and section.value("type") == "bert-pretrained":
            _to_bert(config, section, _BERT_EMBEDDER, ("scalar_mix_parameters",), log)
            return True
    return False


def _wrap_embedders(config: ConfigText, section: Section) -> None:
    if "type" in section:
        config.remove(section, "type")
        section = next(s for s in config.at(section.path) if s.shape.start == section.shape.start)
    text = section.text[section.shape.start : section.shape.end]
    lines = text.split("\n")
    indented = "\n".join([lines[0], *(f"  {line}" if line.strip() else line for line in lines[1:])])
    if len(lines) == 1:
        config.replace_section(section, config.object_text({"token_embedders": text}, section))
        return
    outer = re.match(r" *", lines[-1])
    indent = outer.group() if outer else ""
    key = (
        '"token_embedders"'
        if '"' in config.object_text({"token_embedders": ""}, section)
        else "token_embedders"
    )
    config.replace_section(section, f"{{\n{indent}  {key}: {indented}\n{indent}}}")


def _to_bert(
    config: ConfigText, section: Section, names: dict[str, str], removed: tuple[str, ...], log: MigrationLog
) -> None:
    place, path = section.place, section.path
    config.replace(section, "type", config.literal(_BERT, section))
    for old, new in names.items():
        if old in section:
            config.rename(_again(config, section, old), old, new)
    for name in removed:
        if name in section:
            config.remove(_again(config, section, name), name)
    log.did(place, f'{path}: "bert-pretrained" is now "{_BERT}"')


def initializers(config: ConfigText, log: MigrationLog) -> bool:
    """A list of pairs stands inside `regexes`, and what is to be left alone in `prevent_regexes`."""
    for section in config.all_sections():
        if section.shape.kind != "array" or not re.search(
            r"(^|_)(initializer|regularizer)$", section.last_step
        ):
            continue
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
        log.did(section.place, f"{section.path}: the list stands inside regexes now")
        return True
    return False


def vocabulary(config: ConfigText, log: MigrationLog) -> bool:
    """A saved vocabulary is named by `type` and `directory`."""
    for section in config.at("vocabulary"):
        if "pad_token" in section:
            config.rename(section, "pad_token", "padding_token")
            log.did(section.place, "vocabulary.pad_token is now padding_token")
            return True
        if "directory_path" not in section:
            continue
        kind = "extend" if section.value("extend") is True else "from_files"
        config.rename(section, "directory_path", "directory")
        section = _again(config, section, "directory")
        if "type" in section:
            config.replace(section, "type", config.literal(kind, section))
        else:
            config.insert(section, "type", config.literal(kind, section))
        kept = {"type", "directory", "padding_token", "oov_token"}
        for name in section.keys:
            if name == "extend" or (kind == "from_files" and name not in kept):
                config.remove(_again(config, section, name), name)
        log.did(section.place, f'vocabulary.directory_path is now the directory of a vocabulary "{kind}"')
        return True
    return False


def models(config: ConfigText, log: MigrationLog) -> bool:
    """Single keys and names of models and optimizers; class names of the old packages."""
    for section in config.all_sections():
        if "constraint_type" in section and section.path == "model":
            if "label_encoding" in section:
                config.remove(section, "constraint_type")
            else:
                config.rename(section, "constraint_type", "label_encoding")
            log.did(section.place, "model.constraint_type is now label_encoding")
            return True
        kind = section.value("type")
        if isinstance(kind, str) and re.match(r"allennlp(_models)?\.", kind):
            name, is_known = new_name(kind)
            config.replace(section, "type", config.literal(name, section))
            log.did(section.place, f"{section.path}.type: {kind} is now {name}")
            if not is_known:
                log.leave(section.place, f"{section.path}.type: there is no {name} in nlpreg")
            return True
        if kind == "bert_adam":
            _bert_adam(config, section, log)
            return True
        if kind in ("stacked_self_attention", "multi_head_self_attention"):
            log.leave(
                section.place,
                f'{section.path}: there is no "{kind}" any more; "pytorch_transformer" is the nearest',
            )
    return False


def _bert_adam(config: ConfigText, section: Section, log: MigrationLog) -> None:
    config.replace(section, "type", config.literal("huggingface_adamw", section))
    for old, new in _BERT_ADAM.items():
        if old in section:
            config.rename(_again(config, section, old), old, new)
    removed = [
        name for name in ("warmup", "t_total", "schedule", "max_grad_norm", "b1", "b2") if name in section
    ]
    for name in removed:
        config.remove(_again(config, section, name), name)
    log.did(section.place, f'{section.path}: "bert_adam" is now "huggingface_adamw"')
    if removed:
        log.leave(
            section.place,
            f"{section.path}: {', '.join(removed)} were removed; use the scheduler "
            "linear_with_warmup, trainer.grad_norm and betas",
        )


def _again(config: ConfigText, section: Section, name: str) -> Section:
    """The same section as it stands now, after an edit; it has the key `name`."""
    return next(other for other in reversed(config.at(section.path)) if name in other)


def _path(section: Section, name: str) -> str:
    return f"{section.path}.{name}" if section.path else name


PART_RULES: tuple[Callable[[ConfigText, MigrationLog], bool], ...] = (
    readers,
    tokenizers,
    indexers,
    embedders,
    initializers,
    vocabulary,
    models,
)
"""Each makes one change and says whether it did."""
