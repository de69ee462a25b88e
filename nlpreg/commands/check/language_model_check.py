"""Mistakes in configs of language models that go unnoticed in training but make its metrics meaningless."""

import warnings
from collections.abc import Iterator
from typing import Any

from nlpreg.commands.check.preflight import walk_calls
from nlpreg.commands.check.shape_check import build_on_trial, dimension_of
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.config.nodes import Call, LazyCall, Literal, Node
from nlpreg.common.config.problems import Problem

_LOADERS = ("data_loader", "validation_data_loader")
# Loaders that split a text into segments, and the key for the number of words of a segment.
_KEYS_OF_WIDTH = {"running_text": "bptt", "text_blocks": "block_size"}
# Contextualizers with more parameters are only tested at the start of training.
_MOST_VALUES = 50_000_000


def language_model_problems(experiment: Call) -> Iterator[Problem]:
    """Find problems of a language model together with its reader, loader and optimizer.

    Args:
        experiment: the resolved experiment.
    """
    yield from _running_text_problems(experiment)
    yield from _sparse_gradient_problems(experiment)
    for path, call in walk_calls(experiment):
        if _is_language_model(call):
            yield from _peeking_problems(path, call)
            yield from _length_problems(path, call, experiment)


def _is_language_model(call: Call) -> bool:
    from nlpreg.models.peeking import PeekingCheckedModel

    return isinstance(call.cls, type) and issubclass(call.cls, PeekingCheckedModel)


def _peeking_problems(path: str, call: Call) -> Iterator[Problem]:
    """Report a contextualizer that sees the words to predict."""
    from nlpreg.models.peeking import find_peeking

    contextualizer = call.arguments.get("contextualizer")
    if _value(call, "check_peeking") is False or not isinstance(contextualizer, Call):
        return
    try:
        without_memory = build_on_trial(contextualizer)
        width = dimension_of(without_memory, "get_input_dim")
        if width is None or sum(part.numel() for part in without_memory.parameters()) > _MOST_VALUES:
            return
        problem = find_peeking(build_on_trial(contextualizer, device="cpu"), width)
    except Exception:  # reported, if it is the user's, by the check of sizes
        return
    if problem is not None:
        yield Problem(f"{path}.contextualizer", problem)


def _length_problems(path: str, call: Call, experiment: Call) -> Iterator[Problem]:
    """Report texts that may exceed the maximum length of the contextualizer."""
    contextualizer = call.arguments.get("contextualizer")
    if not isinstance(contextualizer, Call):
        return
    key = "max_length"
    limit = _value(contextualizer, key)
    if contextualizer.type_name == "pytorch_transformer":
        key = "positional_embedding_size"
        limit = (
            _value(contextualizer, key)
            if _value(contextualizer, "positional_encoding") == "embedding"
            else None
        )
    if not isinstance(limit, int):
        return
    for name in _LOADERS:
        loader = _call_in(experiment.arguments.get(name))
        size_key = _KEYS_OF_WIDTH.get(str(loader.type_name)) if loader is not None else None
        width = _value(loader, size_key) if loader is not None and size_key else None
        if isinstance(width, int) and loader is not None:
            # A batch of running text starts with the last word of the previous one, unless targets are given.
            width += 1 if size_key == "bptt" and not _value(loader, "targets") else 0
            if width > limit:
                yield Problem(
                    f"{path}.contextualizer.{key}",
                    f"there are {limit} positions, but batches of {name} have {width} words a row; raise it, or lower "
                    f"{name}.{size_key}",
                )
    reader = _call_in(experiment.arguments.get("dataset_reader"))
    longest = _value(reader, "max_sequence_length") if reader is not None else None
    loader = _call_in(experiment.arguments.get("data_loader"))
    is_running = loader is not None and loader.type_name in _KEYS_OF_WIDTH
    if isinstance(longest, int) and longest > limit and not is_running:
        yield Problem(
            f"{path}.contextualizer.{key}",
            f"there are {limit} positions, but dataset_reader.max_sequence_length allows texts of {longest} words; raise "
            "it, or lower that",
        )


def _running_text_problems(experiment: Call) -> Iterator[Problem]:
    """Report a loader of running text with a model that cannot use it."""
    model = _call_in(experiment.arguments.get("model"))
    if model is None or not str(getattr(model.cls, "__module__", "")).startswith("nlpreg."):
        return
    for name in _LOADERS:
        loader = _call_in(experiment.arguments.get(name))
        if loader is None or loader.type_name not in _KEYS_OF_WIDTH:
            continue
        if not _is_language_model(model):
            yield Problem(
                name,
                f"{loader.type_name} cuts the text into pieces that have nothing but its words, for language models; "
                f"{model.type_name or model.cls.__name__} needs whole instances: take another loader, such as the default",
            )
        elif _is_bidirectional(model) and loader.type_name == "text_blocks":
            yield Problem(
                name,
                "text_blocks gives the word after each word, and a language model of both directions predicts the words of "
                "each batch from one another; take running_text without targets",
            )
        elif _is_bidirectional(model) and _value(loader, "targets"):
            yield Problem(
                f"{name}.targets",
                "a language model of both directions predicts the words of each batch from one another; leave this out",
            )


def _is_bidirectional(model: Call) -> bool:
    from nlpreg.models.bidirectional_lm import BidirectionalLanguageModel

    is_always = isinstance(model.cls, type) and issubclass(model.cls, BidirectionalLanguageModel)
    return is_always or _value(model, "bidirectional") is True


def _sparse_gradient_problems(experiment: Call) -> Iterator[Problem]:
    """Report sparse gradients with an optimizer that does not support them."""
    trainer = _call_in(experiment.arguments.get("trainer"))
    model = experiment.arguments.get("model")
    sparse = [
        f"{path}.{key}" if path else key
        for path, call in walk_calls(model, "model")
        for key in ("sparse", "sparse_embeddings")
        if _value(call, key) is True and (key == "sparse" or _value(call, "num_samples") is not None)
    ]
    if trainer is None or not sparse:
        return
    node = trainer.arguments.get("optimizer")
    optimizer = _call_in(node) if node is not None else None
    if node is not None and optimizer is None:
        return
    if _refuses_sparse_gradients(optimizer):
        yield Problem(
            f"{trainer.path or 'trainer'}.optimizer",
            f"{(optimizer and optimizer.type_name) or 'adam'} takes no sparse gradients, which {sparse[0]} "
            "makes; take dense_sparse_adam, or leave that out",
        )


def _refuses_sparse_gradients(optimizer: Call | None) -> bool:
    """Try whether an optimizer (Adam if None) rejects sparse gradients."""
    import torch

    if optimizer is None:
        return True
    parameter = torch.nn.Parameter(torch.zeros(2, 1))
    parameter.grad = torch.ones(2, 1).to_sparse(1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            built = optimizer.build({"model_parameters": [("parameter", parameter)]})
    except Exception:  # reported, if it is the user's, by the check of the trainer's parts
        return False
    if not any(group["params"] for group in built.param_groups):
        return False
    try:
        built.step()
    except (RuntimeError, ConfigurationError) as error:
        return "sparse" in str(error).lower()
    except Exception:  # it needs something that exists only in a run
        return False
    return False


def _call_in(node: Node | None) -> Call | None:
    inner = node.inner if isinstance(node, LazyCall) else node
    return inner if isinstance(inner, Call) else None


def _value(call: Call | None, name: str) -> Any:
    """The value of an argument, its default if it is not given."""
    if call is None:
        return None
    node = call.arguments.get(name)
    if node is None:
        return call.defaults.get(name)
    return node.value if isinstance(node, Literal) else None
