"""Checks for mistakes in configs of language models that raise no error but make the metrics meaningless."""

import warnings
from collections.abc import Iterator

from nlpreg.commands.check.shape_check import build_on_trial, dimension_of, is_bidirectional
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.config.nodes import Call, call_in, is_built_in, value_of, walk_calls
from nlpreg.common.config.problems import Problem

_LOADERS = ("data_loader", "validation_data_loader")
# Loaders that split a text into segments, and the key of the length of a segment in words.
_SEGMENT_LENGTH_KEYS = {"running_text": "bptt", "text_blocks": "block_size"}
# Larger contextualizers are tested only at the start of training.
_MAX_PARAMETERS = 50_000_000


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
    if value_of(call, "check_peeking") is False or not isinstance(contextualizer, Call):
        return
    try:
        on_meta_device = build_on_trial(contextualizer)
        width = dimension_of(on_meta_device, "get_input_dim")
        if width is None or sum(part.numel() for part in on_meta_device.parameters()) > _MAX_PARAMETERS:
            return
        problem = find_peeking(build_on_trial(contextualizer, device="cpu"), width)
    except Exception:  # reported by `shape_check` if it is a mistake in the config
        return
    if problem is not None:
        yield Problem(f"{path}.contextualizer", problem)


def _length_problems(path: str, call: Call, experiment: Call) -> Iterator[Problem]:
    """Report texts that may exceed the maximum length of the contextualizer."""
    contextualizer = call.arguments.get("contextualizer")
    if not isinstance(contextualizer, Call):
        return
    key = "max_length"
    limit = value_of(contextualizer, key)
    if contextualizer.type_name == "pytorch_transformer":
        key = "positional_embedding_size"
        limit = (
            value_of(contextualizer, key)
            if value_of(contextualizer, "positional_encoding") == "embedding"
            else None
        )
    if not isinstance(limit, int):
        return
    for name in _LOADERS:
        loader = call_in(experiment.arguments.get(name))
        size_key = _SEGMENT_LENGTH_KEYS.get(str(loader.type_name)) if loader is not None else None
        width = value_of(loader, size_key) if size_key else None
        if isinstance(width, int):
            # without targets, a batch of running text begins with the last word of the previous one
            width += 1 if size_key == "bptt" and not value_of(loader, "targets") else 0
            if width > limit:
                yield Problem(
                    f"{path}.contextualizer.{key}",
                    f"there are {limit} positions, but batches of {name} have {width} words a row; raise it, or lower "
                    f"{name}.{size_key}",
                )
    reader = call_in(experiment.arguments.get("dataset_reader"))
    longest = value_of(reader, "max_sequence_length")
    loader = call_in(experiment.arguments.get("data_loader"))
    is_running = loader is not None and loader.type_name in _SEGMENT_LENGTH_KEYS
    if isinstance(longest, int) and longest > limit and not is_running:
        yield Problem(
            f"{path}.contextualizer.{key}",
            f"there are {limit} positions, but dataset_reader.max_sequence_length allows texts of {longest} words; raise "
            "it, or lower that",
        )


def _running_text_problems(experiment: Call) -> Iterator[Problem]:
    """Report a loader of running text with a model that cannot use it."""
    model = call_in(experiment.arguments.get("model"))
    if model is None or not is_built_in(model):
        return
    for name in _LOADERS:
        loader = call_in(experiment.arguments.get(name))
        if loader is None or loader.type_name not in _SEGMENT_LENGTH_KEYS:
            continue
        if not _is_language_model(model):
            yield Problem(
                name,
                f"{loader.type_name} splits the text into segments that contain only words, for language models; "
                f"{model.type_name or model.cls.__name__} needs whole instances: use another loader, such as the default",
            )
        elif is_bidirectional(model) and loader.type_name == "text_blocks":
            yield Problem(
                name,
                "text_blocks gives the next word of each word as target, but a bidirectional language model predicts the words "
                "of each batch from one another; use running_text without targets",
            )
        elif is_bidirectional(model) and value_of(loader, "targets"):
            yield Problem(
                f"{name}.targets",
                "a bidirectional language model predicts the words of each batch from one another; leave this out",
            )


def _sparse_gradient_problems(experiment: Call) -> Iterator[Problem]:
    """Report sparse gradients with an optimizer that does not support them."""
    trainer = call_in(experiment.arguments.get("trainer"))
    model = experiment.arguments.get("model")
    sparse = [
        f"{path}.{key}"
        for path, call in walk_calls(model, "model")
        for key in ("sparse", "sparse_embeddings")
        if value_of(call, key) is True and (key == "sparse" or value_of(call, "num_samples") is not None)
    ]
    if trainer is None or not sparse:
        return
    node = trainer.arguments.get("optimizer")
    optimizer = call_in(node)
    if node is not None and optimizer is None:
        return
    if _refuses_sparse_gradients(optimizer):
        yield Problem(
            f"{trainer.path or 'trainer'}.optimizer",
            f"{(optimizer and optimizer.type_name) or 'adam'} does not support sparse gradients, which {sparse[0]} "
            "causes; use dense_sparse_adam, or leave that key out",
        )


def _refuses_sparse_gradients(optimizer: Call | None) -> bool:
    """Whether an optimizer (Adam if None) rejects sparse gradients, found by a trial step."""
    import torch

    if optimizer is None:
        return True
    parameter = torch.nn.Parameter(torch.zeros(2, 1))
    parameter.grad = torch.ones(2, 1).to_sparse(1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            built = optimizer.build({"model_parameters": [("parameter", parameter)]})
    except Exception:  # reported by `trial_check` if it is a mistake in the config
        return False
    if not any(group["params"] for group in built.param_groups):
        return False
    try:
        built.step()
    except (RuntimeError, ConfigurationError) as error:
        return "sparse" in str(error).lower()
    except Exception:  # it needs parts that exist only in a run
        return False
    return False
