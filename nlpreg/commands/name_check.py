"""Names that two sections must share, compared before the run: token indexers and token embedders."""

from __future__ import annotations

from collections.abc import Iterator

from nlpreg.common.nodes import Call, Container, LazyCall, Node
from nlpreg.common.problems import Problem
from nlpreg.common.suggestions import nearest

__all__ = ["name_problems"]

_DEFAULT_INDEXERS = frozenset(["tokens"])


def name_problems(experiment: Call) -> Iterator[Problem]:
    """Token embedders without an indexer of their name, and indexers without an embedder.

    Only where both the reader and the model come with nlpreg, whose ways are known.

    Args:
        experiment: the resolved experiment.
    """
    embedder_path = "model.text_field_embedder.token_embedders"
    embedders = _embedder_names(experiment.arguments.get("model"))
    if embedders is None:
        return
    for key in ("dataset_reader", "validation_dataset_reader"):
        path, indexers = _indexer_names(experiment.arguments.get(key), key)
        if indexers is None:
            continue
        for name in sorted(embedders - indexers):
            likely = nearest(name, indexers - embedders)
            hint = f'; did you mean "{likely}"?' if likely else f" (there are: {', '.join(sorted(indexers))})"
            yield Problem(f"{embedder_path}.{name}", f"{path} has no indexer of this name{hint}")
        for name in sorted(indexers - embedders):
            if not nearest(name, embedders - indexers):
                yield Problem(
                    f"{path}.{name}",
                    f'{embedder_path} has no embedder of this name; add one, which may be "empty" if the indexer '
                    "only serves something else, or remove the indexer",
                )


def _embedder_names(model: Node | None) -> set[str] | None:
    """Names of the embedders of a model that hands its whole text to a basic embedder."""
    if isinstance(model, LazyCall):
        model = model.inner
    if not (isinstance(model, Call) and _is_ours(model)) or "elmo" in model.arguments:
        return None
    embedder = model.arguments.get("text_field_embedder")
    if not (isinstance(embedder, Call) and _is_ours(embedder)):
        return None
    embedders = embedder.arguments.get("token_embedders")
    return (
        set(embedders.items)
        if isinstance(embedders, Container) and isinstance(embedders.items, dict)
        else None
    )


def _indexer_names(reader: Node | None, path: str) -> tuple[str, set[str] | None]:
    """Where a reader's indexers stand, and their names; None where they are not known."""
    while (
        isinstance(reader, Call)
        and _is_ours(reader)
        and isinstance(reader.arguments.get("base_reader"), Call)
    ):
        reader, path = reader.arguments["base_reader"], f"{path}.base_reader"
    if not (isinstance(reader, Call) and _is_ours(reader)):
        return path, None
    path = f"{path}.token_indexers"
    indexers = reader.arguments.get("token_indexers")
    if indexers is None and reader.defaults.get("token_indexers", indexers) is None:
        is_known = "token_indexers" in reader.defaults
        return path, set(_DEFAULT_INDEXERS) if is_known else None
    is_dict = isinstance(indexers, Container) and isinstance(indexers.items, dict)
    return path, set(indexers.items) if is_dict else None  # type: ignore[union-attr]


def _is_ours(call: Call) -> bool:
    return str(call.cls.__module__).startswith("nlpreg.")
