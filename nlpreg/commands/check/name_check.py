"""Check of names that several sections share: indexers, embedders and vocabulary namespaces."""

import json
from collections.abc import Iterator, Mapping

from nlpreg.common.checks import did_you_mean, nearest
from nlpreg.common.config.nodes import Call, Container, Node, call_in, is_built_in, value_of, walk_calls
from nlpreg.common.config.problems import Problem

_EMBEDDERS = "model.text_field_embedder.token_embedders"
_DEFAULT_INDEXERS: dict[str, Node | None] = {"tokens": None}


def name_problems(experiment: Call) -> Iterator[Problem]:
    """Report token embedders without an indexer, indexers without an embedder, and namespaces that nothing fills.

    Only built-in readers and models are checked, because the behaviour of others is unknown.

    Args:
        experiment: the resolved experiment.
    """
    embedders = _embedders(experiment.arguments.get("model"))
    if embedders is None:
        return
    for key in ("dataset_reader", "validation_dataset_reader"):
        path, indexers = _indexers(experiment.arguments.get(key), key)
        if indexers is None:
            continue
        missing, unused = embedders.keys() - indexers.keys(), indexers.keys() - embedders.keys()
        for name in sorted(missing):
            hint = did_you_mean(name, unused) or f" (there are: {', '.join(sorted(indexers))})"
            yield Problem(f"{_EMBEDDERS}.{name}", f"{path} has no indexer of this name{hint}")
        for name in sorted(unused):
            if not nearest(name, missing):
                yield Problem(
                    f"{path}.{name}",
                    f'{_EMBEDDERS} has no embedder of this name; add one, which may be "empty" if the indexer '
                    "only serves something else, or remove the indexer",
                )
        yield from _length_problems(embedders, indexers, path)
        if key == "dataset_reader":
            yield from _namespace_problems(embedders, indexers, path)


def missing_namespaces(experiment: Call) -> Iterator[tuple[list[str], str, Problem]]:
    """The namespaces for character embeddings without `vocab_namespace`: those of their indexers.

    The constructor's default is the namespace of words, whose size is unrelated to the number of characters. The default
    cannot change, because archives, also of AllenNLP, have tables of that size. A new run gets the namespace of the indexer
    instead, and its config records it.

    Args:
        experiment: the resolved experiment.

    Yields:
        The key path of the missing value, the value, and a warning that says so.
    """
    path, indexers = _indexers(experiment.arguments.get("dataset_reader"), "dataset_reader", of_plugins=True)
    for name, steps, embedder in _token_embedders(experiment.arguments.get("model")):
        indexer = (indexers or {}).get(name)
        if embedder.type_name != "character_encoding" or indexer is None:
            continue
        table = embedder.arguments.get("embedding")
        if not isinstance(table, Call) or {"vocab_namespace", "num_embeddings"} & table.arguments.keys():
            continue
        counted, default = value_of(indexer, "namespace"), table.defaults.get("vocab_namespace")
        if isinstance(counted, str) and default is not None and counted != default:
            warning = Problem(
                ".".join([*steps, "embedding", "vocab_namespace"]),
                f"not given, so it is that of {path}.{name}, {json.dumps(counted)} (AllenNLP would take "
                f"{json.dumps(default)}, whose size is that of another table): write it down",
            )
            yield [*steps, "embedding", "vocab_namespace"], counted, warning


def _token_embedders(model: Node | None) -> Iterator[tuple[str, list[str], Call]]:
    """The token embedders of all text field embedders in a model: name, key path and section."""
    for path, call in walk_calls(model, "model"):
        for name, embedder in (_items(call.arguments.get("token_embedders")) or {}).items():
            if isinstance(embedder, Call):
                yield name, [*path.split("."), "token_embedders", name], embedder


def _length_problems(
    embedders: Mapping[str, Node], indexers: Mapping[str, Node | None], path: str
) -> Iterator[Problem]:
    """Report transformers whose indexer and embedder split texts into segments of different lengths."""
    for name in sorted(embedders.keys() & indexers.keys()):
        indexer, embedder = indexers[name], embedders[name]
        if not isinstance(indexer, Call) or not isinstance(embedder, Call):
            continue
        if any("max_length" not in {**call.defaults, **call.arguments} for call in (indexer, embedder)):
            continue
        by_indexer, by_embedder = (value_of(call, "max_length") for call in (indexer, embedder))
        if by_indexer != by_embedder:
            yield Problem(
                f"{_EMBEDDERS}.{name}.max_length",
                f"expected that of {path}.{name}, {by_indexer or 'none'}, got {by_embedder or 'none'}: both must split long "
                "texts into the same segments",
            )


def _namespace_problems(
    embedders: Mapping[str, Node], indexers: Mapping[str, Node | None], path: str
) -> Iterator[Problem]:
    """Report embeddings for a namespace of the vocabulary that no indexer fills."""
    filled = [value_of(indexer, "namespace") for indexer in indexers.values()]
    if not all(isinstance(name, str) for name in filled):  # an unknown indexer may fill any namespace
        return
    for table_path, call in walk_calls(Container(dict, dict(embedders)), _EMBEDDERS):
        is_table = call.type_name == "embedding" or call.cls.__name__ == "Embedding"
        if not is_table or "vocab_namespace" not in call.arguments or "num_embeddings" in call.arguments:
            continue
        namespace = value_of(call, "vocab_namespace")
        if isinstance(namespace, str) and namespace not in filled:
            known = sorted(set(filled))
            yield Problem(
                f"{table_path}.vocab_namespace",
                f'no indexer of {path} has "namespace": "{namespace}"'
                f"{did_you_mean(namespace, known)} (there are: {', '.join(known)})",
            )


def _embedders(model: Node | None) -> dict[str, Node] | None:
    """The token embedders of a built-in model with a built-in text field embedder; None for other models."""
    call = call_in(model)
    if call is None or not is_built_in(call) or "elmo" in call.arguments:
        return None
    embedder = call.arguments.get("text_field_embedder")
    if not (isinstance(embedder, Call) and is_built_in(embedder)):
        return None
    return _items(embedder.arguments.get("token_embedders"))


def _indexers(
    reader: Node | None, path: str, of_plugins: bool = False
) -> tuple[str, Mapping[str, Node | None] | None]:
    """The key path of a reader's indexers, and the indexers; None where they are not known."""
    # `sharded` and `fold` pass on the instances of their base reader
    while (
        isinstance(reader, Call)
        and (of_plugins or is_built_in(reader))
        and isinstance(reader.arguments.get("base_reader"), Call)
    ):
        reader, path = reader.arguments["base_reader"], f"{path}.base_reader"
    if not (isinstance(reader, Call) and (of_plugins or is_built_in(reader))):
        return path, None
    path = f"{path}.token_indexers"
    indexers = reader.arguments.get("token_indexers")
    if indexers is None and reader.defaults.get("token_indexers", indexers) is None:
        return path, _DEFAULT_INDEXERS if "token_indexers" in reader.defaults else None
    return path, _items(indexers)


def _items(node: Node | None) -> dict[str, Node] | None:
    return node.items if isinstance(node, Container) and isinstance(node.items, dict) else None
