"""`nlpreg init`: a first config for a model, with comments; or a package for a plugin."""

import argparse
import contextlib
import inspect
import os
import re
import textwrap
from pathlib import Path
from typing import Any, NamedTuple

from nlpreg.commands.options import check_output_file, write_output
from nlpreg.commands.subcommand import Subcommand
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.config import kinds
from nlpreg.common.config.describe import Argument, argument_type, describe, describe_class, summary
from nlpreg.common.config.jsonnet import jsonnet_key, jsonnet_text
from nlpreg.common.config.nodes import is_json
from nlpreg.common.config.registry import REGISTRY
from nlpreg.common.config.resolve import extras_of, passed_extras

_PLUGIN_TEMPLATE = Path(__file__).parent / "plugin"
"""A project whose names are PROJECT and PACKAGE; every file is a text file here, with .txt appended to its name."""


@Subcommand.register("init")
class Init(Subcommand):
    """Write a config for a model: values for the required keys, and the optional keys as comments with their defaults.

    Set the data paths, and train it with `nlpreg train`.

    examples:
      nlpreg init simple_tagger > tagger.jsonnet
      nlpreg init language_model -o lm.jsonnet
      nlpreg init crf_tagger --reader conllu -o ner.jsonnet
      nlpreg init --plugin my-parts
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments of the command."""
        parser.add_argument(
            "model", metavar="MODEL", nargs="?", help="registered name; `nlpreg list model` shows them"
        )
        parser.add_argument(
            "--plugin",
            metavar="FOLDER",
            help="write a package for a plugin instead: a part, its test, and the entry point that registers it",
        )
        parser.add_argument(
            "--reader", metavar="NAME", help="dataset reader; by default one that fits the model"
        )
        parser.add_argument("-o", "--output", metavar="FILE", help="write here instead of the console")
        parser.add_argument("-f", "--force", action="store_true", help="replace FILE if it exists")
        parser.set_defaults(func=_run)

    def validate(self, args: argparse.Namespace) -> None:
        """Refuse to overwrite a file before anything slow is imported."""
        if (args.model is None) == (args.plugin is None):
            raise ConfigurationError("expected either MODEL, for a config, or --plugin FOLDER, for a package")
        if args.output:
            check_output_file(args.output)
            if os.path.exists(args.output) and not args.force:
                raise ConfigurationError(f"{args.output}: this exists already; -f replaces it")


def _run(args: argparse.Namespace) -> None:
    if args.plugin is not None:
        for path in write_plugin(args.plugin):
            print(path)
        print(f"install it with: pip install -e {args.plugin}; test it there with: python -m pytest")
        return
    note = f"set the data paths, then check it with: nlpreg check {args.output}"
    write_output(args.output, skeleton_config(args.model, args.reader), note)


_INDEXERS = {"tokens": {"type": "single_id"}}


TRANSFORMER = "bert-base-uncased"
_LOADER = {"batch_sampler": {"type": "bucket", "batch_size": 32}}


class _Data(NamedTuple):
    """Data that models can be trained on.

    Args:
        fields: what its instances have.
        reader: section of the reader.
        path: of the data; `{part}` stands for `train`, `validation` or `test`.
        loader: section of the data loader.
    """

    fields: frozenset[str]
    reader: dict[str, Any]
    path: Any = "data/{part}.txt"
    loader: dict[str, Any] = _LOADER


def _text_reader(name: str) -> dict[str, Any]:
    return {"type": name, "tokenizer": "whitespace", "token_indexers": _INDEXERS}


_CLASSIFICATION = _text_reader("text_classification_json")
_LANGUAGE_MODELING = {
    "type": "simple_language_modeling",
    "tokenizer": "just_spaces",
    "token_indexers": _INDEXERS,
    "max_sequence_length": 100,
    "start_tokens": ["<S>"],
    "end_tokens": ["</S>"],
}
_TAGGING = {"type": "sequence_tagging", "token_indexers": _INDEXERS}
_TAGGED = _Data(frozenset(["tokens", "tags", "metadata"]), _TAGGING)

_DATA = (
    _Data(frozenset(["source"]), _LANGUAGE_MODELING),
    _Data(frozenset(["tokens", "mask_positions", "target_ids"]), _text_reader("masked_language_modeling")),
    _Data(frozenset(["tokens", "target_ids"]), _text_reader("next_token_lm")),
    _TAGGED,
    _Data(frozenset(["tokens", "label"]), _CLASSIFICATION, "data/{part}.jsonl"),
)
_DATA_OF_MODELS = {
    "multitask": _Data(
        frozenset(),
        {"type": "multitask", "readers": {"topic": _CLASSIFICATION}},
        {"topic": "data/topic_{part}.jsonl"},
        {"type": "multitask", "scheduler": {"batch_size": 32}},
    ),
    "from_archive": _TAGGED,
    "tnt_tagger": _TAGGED._replace(loader={"batch_size": 32}),
    "transformer_classification_tt": _Data(
        frozenset(["tokens", "label"]),
        {
            "type": "text_classification_json",
            "tokenizer": {"type": "pretrained_transformer", "model_name": TRANSFORMER},
            "token_indexers": {"tokens": {"type": "pretrained_transformer", "model_name": TRANSFORMER}},
        },
        "data/{part}.jsonl",
    ),
}
_TRAINERS = {"tnt_tagger": {"type": "counting"}}
_MADE_OTHERWISE = {
    "tagger_ensemble": "an ensemble is not trained; train its members (`nlpreg init simple_tagger` writes a config for one), "
    "then pack them with `nlpreg ensemble`",
}
"""Models that are not trained, and how they are made."""

_SENTENCES = ["the dog barks", "a cat sleeps"]
SAMPLES: dict[str, tuple[str, list[str]]] = {
    "boolq": (
        "Each line is a JSON object with a passage, a question about it, and the answer:",
        [
            '{"passage": "the dog barks", "question": "does it bark", "label": true}',
            '{"passage": "a cat sleeps", "question": "does it bark", "label": false}',
        ],
    ),
    "ccgbank": (
        "Each line is a derivation of CCGbank, whose leaves have categories and words; other lines are skipped:",
        ["(<T S[dcl] 1 2> (<L NP NNS NNS dogs NP_1>) (<L S[dcl]\\NP VBP VBP bark S[dcl]\\NP_1>))"],
    ),
    "conll2000": (
        "Each line has a word, its part of speech and its chunk; a blank line ends a sentence:",
        ["the DT B-NP", "dog NN I-NP", "barks VBZ B-VP", "", "it PRP B-NP", "sleeps VBZ B-VP"],
    ),
    "conll2003": (
        "Each line has a word, its part of speech, its chunk and its entity; a blank line ends a sentence:",
        ["Rex NNP I-NP I-PER", "barks VBZ I-VP O", "", "it PRP I-NP O", "sleeps VBZ I-VP O"],
    ),
    "conllu": (
        "Each line has the ten columns of CoNLL-U for a word, separated by tabs; a blank line ends a sentence:",
        [
            "1\tdogs\tdog\tNOUN\tNNS\t_\t2\tnsubj\t_\t_",
            "2\tbark\tbark\tVERB\tVBP\t_\t0\troot\t_\t_",
        ],
    ),
    "masked_language_modeling": ("Each line is a sentence, whose first word is masked:", _SENTENCES),
    "next_token_lm": ("Each line is a sentence, whose last word is to be predicted:", _SENTENCES),
    "plain_text_language_modeling": ("Plain text; the ends of lines count as well:", _SENTENCES),
    "sequence_tagging": (
        "Each line is a sentence; ### stands between a word and its tag:",
        ["the###DET dog###NOUN barks###VERB", "a###DET cat###NOUN sleeps###VERB"],
    ),
    "simple_language_modeling": ("Each line is a sentence:", _SENTENCES),
    "sst_tokens": (
        "Each line is a tree with sentiments from 0 to 4 at its nodes:",
        ["(3 (2 It) (4 (2 's) (4 good)))", "(1 (2 It) (0 (2 's) (0 bad)))"],
    ),
    "text_classification_json": (
        "Each line is a JSON object with a text and its label:",
        ['{"text": "the dog barks", "label": "loud"}', '{"text": "a cat sleeps", "label": "quiet"}'],
    ),
}
"""The data format of each reader: a sentence about it, and a few lines."""
SAMPLES["conllu_language_modeling"] = SAMPLES["conllu"]
_NUM_LABELS = {"boolq": 2}
"""For readers whose labels are ids already, so that the vocabulary has none."""


def skeleton_config(model: str, reader: str | None = None) -> str:
    """The text of a config for a model.

    Args:
        model: its registered name.
        reader: registered name of the dataset reader; by default one whose instances have the fields that the
            model's `forward` takes.

    Raises:
        ConfigurationError: there is no such model or reader, or the model is not trained by a config.
    """
    from nlpreg.data.dataset_readers.dataset_reader import DatasetReader
    from nlpreg.models.model import Model

    cls, _ = Model.resolve_class_name(model)
    if model in _MADE_OTHERWISE:
        raise ConfigurationError(f"{model}: {_MADE_OTHERWISE[model]}")
    data, is_known = (_DATA_OF_MODELS[model], True) if model in _DATA_OF_MODELS else _data_for(cls)
    if reader is not None:
        data = data._replace(reader=_reader_section(DatasetReader, reader))
    trainer: dict[str, Any] = _TRAINERS.get(model) or {
        "num_epochs": 20,
        "patience": 3,
        "validation_metric": "-loss",
        "optimizer": {"type": "adam", "lr": 0.001},
        "grad_norm": 5.0,
    }
    parts = [
        f"// Train it with: nlpreg train {model}.jsonnet -s out",
        "// Keys that are commented out may be set as well; they show their defaults.",
        "// `nlpreg list` names all parts, `nlpreg describe seq2seq_encoder:lstm` says what one of them takes.",
        "{",
        *_comment(_fields(cls), 2),
        *([] if is_known or reader else _comment(_NO_READER, 2)),
        *_sample_lines(data.reader),
        f"  dataset_reader: {jsonnet_text(data.reader, 2)},",
        f"  train_data_path: {_path(data, 'train')},",
        f"  validation_data_path: {_path(data, 'validation')},",
        f"  // test_data_path: {_path(data, 'test')},",
        "  // evaluate_on_test: true,",
        "",
        *_model_lines(Model, model, _NUM_LABELS.get(data.reader["type"])),
        "",
        f"  data_loader: {jsonnet_text(data.loader, 2)},",
        f"  trainer: {jsonnet_text(trainer, 2, 60)},",
        "}",
    ]
    return "\n".join(parts) + "\n"


_NO_READER = (
    "No reader is known whose instances have these fields. Put the name of one in place of this one, or write one: see "
    "the page 'Write a dataset reader' of the documentation."
)


def fitting_reader(cls: Any) -> str | None:
    """The dataset reader whose instances have the fields that a model's `forward` needs; None where none is known."""
    data, fits = _data_for(cls)
    return data.reader["type"] if fits else None


def _data_for(cls: Any) -> tuple[_Data, bool]:
    """Data for a model, and whether they have the fields that its `forward` needs."""
    required, optional, _ = forward_arguments(cls)
    needed, names = set(required), {*required, *optional}
    own = _reader_beside(cls, needed)
    if own is not None:
        return _Data(frozenset(needed), own), True
    fitting = [data for data in _DATA if needed <= data.fields and names & data.fields]
    if fitting:
        # the one that gives most of what the model can take, and least of what it cannot
        return max(fitting, key=lambda data: (len(names & data.fields), -len(data.fields - names))), True
    return _TAGGED, not needed


def _reader_beside(cls: Any, needed: set[str]) -> dict[str, Any] | None:
    """Section of a reader of the same package, other than nlpreg, whose code names the fields that a model needs."""
    from nlpreg.data.dataset_readers.dataset_reader import DatasetReader

    package = cls.__module__.partition(".")[0]
    if package == "nlpreg":
        return None
    for name, (reader, _) in REGISTRY[DatasetReader].items():
        if reader.__module__.partition(".")[0] != package:
            continue
        with contextlib.suppress(OSError, TypeError):  # code that was typed in has no source
            source = inspect.getsource(reader)
            if all(f'"{field}"' in source or f"'{field}'" in source for field in needed):
                return _reader_section(DatasetReader, name)
    return None


def _sample_lines(reader: dict[str, Any]) -> list[str]:
    """Comments that show the data format of a reader."""
    from nlpreg.data.dataset_readers.dataset_reader import DatasetReader

    if "readers" in reader:
        return [line for section in reader["readers"].values() for line in _sample_lines(section)]
    if reader["type"] in SAMPLES:
        explanation, lines = SAMPLES[reader["type"]]
        return [*_comment(explanation, 2), *(f"  //     {line}".rstrip() for line in lines)]
    text = summary(DatasetReader.resolve_class_name(reader["type"])[0])
    return _comment(f"The data: {text}", 2) if text else []


def _path(data: _Data, part: str) -> str:
    if isinstance(data.path, dict):
        return jsonnet_text({task: path.format(part=part) for task, path in data.path.items()})
    return jsonnet_text(data.path.format(part=part))


def forward_arguments(cls: Any) -> tuple[list[str], list[str], bool]:
    """The required and the optional arguments of a model's `forward`, and whether it takes any others (`**kwargs`)."""
    parameters = (
        list(inspect.signature(cls.forward).parameters.values())[1:] if hasattr(cls, "forward") else []
    )
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    return (
        [p.name for p in named if p.default is p.empty],
        [p.name for p in named if p.default is not p.empty],
        any(p.kind is p.VAR_KEYWORD for p in parameters),
    )


def _fields(cls: Any) -> str:
    """A comment about the fields that the model takes."""
    required, optional, _ = forward_arguments(cls)
    names = ", ".join([*required, *optional])
    return f"Reads the data. {cls.__name__} takes the fields: {names}." if names else "Reads the data."


def _reader_section(base: Any, reader: str) -> dict[str, Any]:
    section = example_section(base, reader)
    names = {argument.name for argument in describe_class(base, reader).arguments}
    if "tokenizer" in names:
        section.setdefault("tokenizer", "whitespace")
    if "token_indexers" in names:
        section.setdefault("token_indexers", _INDEXERS)
    return section


def _model_lines(base: Any, model: str, num_labels: int | None) -> list[str]:
    section = example_section(base, model)
    arguments = describe_class(base, model).arguments
    if num_labels is not None and any(argument.name == "num_labels" for argument in arguments):
        section["num_labels"] = num_labels
    lines = ["  model: {", f"    type: {jsonnet_text(model)},"]
    for argument in arguments:
        if argument.name in section:
            lines += _comment(argument.doc, 4)
            lines += _comment(_ADVICE.get((model, argument.name), ""), 4)
            lines.append(f"    {jsonnet_key(argument.name)}: {jsonnet_text(section[argument.name], 4)},")
    optional = [a for a in arguments if a.name not in section and a.name not in extras_of(base)]
    if optional:
        lines.append("")
    for argument in optional:
        lines += _comment(_described(argument), 4)
        lines.append(f"    // {jsonnet_key(argument.name)}: {_default(argument)},")
    return [*lines, "  },"]


_ADVICE = {
    ("multi_tagger", "heads"): "The reader conllu gives further fields with labels: see its further_columns.",
    ("bcn", "output_layer"): "The last of hidden_dims is the number of labels: set it to that of your data.",
    ("from_archive", "archive_file"): "The reader must be one that the archived model can work with.",
}


def _described(argument: Argument) -> str:
    """The doc of an argument, with its type if the default does not show it."""
    kind = argument_type(argument)
    return f"{argument.doc} ({kind})" if argument.default is None and argument.doc else argument.doc or kind


def _default(argument: Argument) -> str:
    return jsonnet_text(argument.default) if is_json(argument.default) else "{ ... }"


def _comment(text: str, indent: int) -> list[str]:
    prefix = " " * indent + "// "
    return textwrap.wrap(text, 110, initial_indent=prefix, subsequent_indent=prefix, break_long_words=False)


WIDTH = 100
"""Used for every width, so that they agree."""

_DEEPEST = 8

_PREFERRED = {
    "Activation": "relu",
    "Attention": "dot_product",
    "BatchSampler": "bucket",
    "DatasetReader": "sequence_tagging",
    "Head": "classifier",
    "Initializer": "xavier_uniform",
    "LanguageModelHead": "linear",
    "LearningRateScheduler": "linear_with_warmup",
    "MatrixAttention": "dot_product",
    "Model": "simple_tagger",
    "Regularizer": "l2",
    "Seq2SeqEncoder": "lstm",
    "Seq2VecEncoder": "bag_of_embeddings",
    "SpanExtractor": "endpoint",
    "TextFieldEmbedder": "basic",
    "TokenEmbedder": "embedding",
    "TokenIndexer": "single_id",
    "Tokenizer": "whitespace",
}
"""The most common class of each registry that needs no further package."""

_NAMELESS = ("DataLoader", "TextFieldEmbedder", "Trainer", "Vocabulary")
"""Registries whose default implementation is rarely named in a config."""

_LSTM = {"type": "lstm", "input_size": WIDTH, "hidden_size": WIDTH}
_SECTIONS: dict[tuple[str, str], dict[str, Any]] = {
    ("DataLoader", "multiprocess"): {"batch_size": 32},
    ("DataLoader", "text_lines"): {"batch_size": 32},
    ("Model", "bcn"): {
        "encoder": _LSTM,
        "integrator": {**_LSTM, "input_size": 3 * WIDTH},
        "output_layer": {
            "input_dim": 4 * WIDTH,
            "num_layers": 2,
            "hidden_dims": [WIDTH, 2],
            "activations": ["relu", "linear"],
        },
    },
    ("Model", "bidirectional-language-model"): {"contextualizer": {**_LSTM, "bidirectional": True}},
    ("Model", "masked_language_model"): {
        # which sees the words on both sides of a gap
        "contextualizer": {**_LSTM, "hidden_size": WIDTH // 2, "bidirectional": True},
        "target_namespace": "tokens",
    },
    ("Model", "multi_tagger"): {"heads": {"tags": {"type": "softmax"}}},
    ("Model", "multitask"): {
        "backbone": {
            "type": "text",
            "text_field_embedder": {
                "token_embedders": {"tokens": {"type": "embedding", "embedding_dim": WIDTH}}
            },
            "encoder": _LSTM,
        },
        "heads": {
            "topic": {
                "type": "classifier",
                "seq2vec_encoder": {"type": "bag_of_embeddings", "embedding_dim": WIDTH},
            }
        },
        "arg_name_mapping": {"backbone": {"tokens": "text"}},
    },
    ("Model", "next_token_lm"): {
        "contextualizer": _LSTM,
        "target_namespace": "tokens",
    },
    ("Model", "transformer_classification_tt"): {"transformer_model": TRANSFORMER},
    ("Model", "from_archive"): {"archive_file": "out/model.tar.gz"},
}
"""Arguments of classes for which the general rules would give values that do not fit together."""

_NUMBERS = {
    "batch_size": 32,
    "num_layers": 1,
    "num_heads": 4,
    "num_attention_heads": 4,
    "num_highway": 1,
    "ngram_size": 2,
}
_STRINGS = {
    "model_name": TRANSFORMER,
    "transformer_model": TRANSFORMER,
    "pretrained_model": TRANSFORMER,
    "vocab_namespace": "tokens",
    "namespace": "tokens",
}


def example_section(base: Any, name: str, depth: int = 0) -> dict[str, Any]:
    """A section that builds the registered class of that name.

    Args:
        base: the base of the registry; None if `name` is the full name of a class.
        name: the registered name.
        depth: number of sections that contain this one.
    """
    special = _SECTIONS.get((getattr(base, "__name__", ""), name), {})
    section: dict[str, Any] = {"type": name}
    for argument in describe_class(base, name).arguments:
        if argument.name in special:
            section[argument.name] = special[argument.name]
        elif _is_needed(argument, extras_of(base)):
            section[argument.name] = _example_value(argument.annotation, argument.name, depth + 1)
    return section


def _example_value(annotation: Any, name: str, depth: int = 0) -> Any:
    """An example value for an argument.

    Args:
        annotation: its type, or the kind of that.
        name: its name.
        depth: number of sections that contain it.
    """
    kind = annotation if isinstance(annotation, kinds.Kind) else kinds.kind_of(annotation)
    kind = next(iter(kinds.members_of(kind)), kind)  # of a union the first member
    match kind:
        case kinds.Later() if kind.inner:
            return _example_value(kind.inner, name, depth)
        case kinds.Choice():
            return kind.values[0]
        case kinds.MappingOf():
            return {"tokens": _example_value(kind.value, name, depth)}
        case kinds.ListOf():
            return [_example_value(kind.item, name, depth)]
        case kinds.TupleOf():
            return [_example_value(item, name, depth) for item in kind.items]
        case kinds.Enumeration():
            return next(iter(kind.annotation)).name
        case kinds.Scalar():
            return _example_scalar(kind.annotation, name)
        case kinds.Built() if depth <= _DEEPEST:
            return _example_object(kind.annotation, name, depth)
    return "data/train.txt" if name == "train_data_path" else None


def _example_scalar(cls: type, name: str) -> Any:
    if cls is bool:
        return False
    if cls is int:
        return _NUMBERS.get(name, 1 if name.startswith("num_") and name != "num_filters" else WIDTH)
    if cls is float:
        return 0.001 if name in ("lr", "alpha") else 0.1
    return _STRINGS.get(name, "...")


def _example_object(cls: Any, name: str, depth: int) -> Any:
    if not REGISTRY.get(cls):
        needed = [argument for argument in describe(cls).arguments if _is_needed(argument)]
        return {
            argument.name: _example_value(argument.annotation, argument.name, depth + 1)
            for argument in needed
        }
    chosen = _chosen_name(cls)
    section = example_section(cls, chosen, depth)
    if cls.__name__ in _NAMELESS and chosen == getattr(cls, "default_implementation", None):
        del section["type"]
    return chosen if set(section) == {"type"} else section


def _is_needed(argument: Argument, extras: frozenset[str] | None = None) -> bool:
    return argument.is_required and argument.name not in (passed_extras() if extras is None else extras)


def _chosen_name(base: Any) -> str:
    """The preferred class of a registry, else the default one, else the one with the fewest required arguments."""
    preferred = _PREFERRED.get(base.__name__)
    if preferred in REGISTRY[base]:
        return str(preferred)
    if base.default_implementation is not None:
        return str(base.default_implementation)

    def number_needed(name: str) -> int:
        return sum(_is_needed(argument) for argument in describe_class(base, name).arguments)

    return min(REGISTRY[base], key=number_needed)


def write_plugin(folder: str) -> list[str]:
    """Write a package for a plugin: a part, its test, and the entry point that registers it.

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
    for source in sorted(_PLUGIN_TEMPLATE.rglob("*.txt")):
        name = source.relative_to(_PLUGIN_TEMPLATE).as_posix().removesuffix(".txt")
        text = source.read_text(encoding="utf-8")
        path = os.path.join(folder, name.replace("PACKAGE", package))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace("PROJECT", project).replace("PACKAGE", package))
        written.append(path)
    return written
