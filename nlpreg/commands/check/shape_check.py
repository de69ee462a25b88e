"""Checks of dimensions that must match.

Modules are constructed on torch's "meta" device, which allocates no memory, to get their dimensions; encoders of plugins are
therefore checked too. A class declares the data flow between its arguments by `dimension_chain`, a tuple of argument names in
the order of the data flow; a tuple in it has arguments whose outputs may be concatenated, which are checked if only one is
given.
"""

import contextlib
import itertools
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import FrameType
from typing import Any

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.config.nodes import Call, Container, Literal, Node, value_of, walk_calls
from nlpreg.common.config.problems import Problem, refusal
from nlpreg.common.runtime.process import is_importing

_INPUT_ARGUMENTS = ("input_size", "input_dim", "embedding_dim")
_READS_FILES = ("pretrained_file", "weight", "initializer")
_NEEDS_FILES = (
    "pretrained_transformer",
    "elmo",
    "cls_pooler",
    "bert_pooler",
    "language_model_token_embedder",
)

SECONDS_FOR_A_TRIAL = 5.0
"""Time limit; a module of a few hundred layers takes less than a second without memory."""
_SECONDS_BETWEEN_TRIES = 0.1


class TrialTooLongError(Exception):
    """The trial construction of a module exceeded its time limit."""


class _TimeLimitReached(BaseException):
    """Aborts the construction of a module; not an `Exception`, so that the module does not catch it."""


def shape_problems(experiment: Call, not_checked: list[Problem]) -> Iterator[Problem]:
    """Find dimensions that do not match.

    Args:
        experiment: the resolved experiment.
        not_checked: a list to which modules that took too long are added.
    """
    seen: set[tuple[str, str]] = set()
    for problem in _all_problems(experiment, not_checked):
        if (problem.path, problem.message) not in seen:  # a module inside another one is constructed twice
            seen.add((problem.path, problem.message))
            yield problem


def _all_problems(experiment: Call, not_checked: list[Problem]) -> Iterator[Problem]:
    for path, call in walk_calls(experiment):
        chain = getattr(call.cls, "dimension_chain", ())
        steps = [
            [name for name in ((step,) if isinstance(step, str) else step) if _is_given(call, name)]
            for step in chain
        ]
        links = [name for names in steps for name in names]
        if links:
            yield from _chain_problems(path, call, steps, not_checked)
        too_long = {problem.path for problem in not_checked}
        if "contextualizer" in links and _joined(path, "contextualizer") not in too_long:
            yield from _direction_problems(path, call)


def _is_given(call: Call, name: str) -> bool:
    """Whether a part of the chain exists; without an optional part, the parts before and after it must match."""
    argument = call.arguments.get(name)
    if argument is None:
        return call.defaults.get(name) is not None
    return not (isinstance(argument, Literal) and argument.value is None)


def _chain_problems(
    path: str, call: Call, steps: list[list[str]], not_checked: list[Problem]
) -> Iterator[Problem]:
    modules = {}
    # which of several vectors are concatenated depends on the model
    for name in (names[0] for names in steps if len(names) == 1):
        if not isinstance(call.arguments.get(name), Call):  # for example a module from an archive
            continue
        try:
            modules[name] = build_on_trial(call.arguments[name])
        except TrialTooLongError:
            not_checked.append(
                Problem(
                    _joined(path, name),
                    f"not checked: it could not be built within {SECONDS_FOR_A_TRIAL:.0f} seconds, even without allocating "
                    "memory; is it meant to be that large?",
                )
            )
        # a module that cannot be constructed without memory or data is not checked
        except Exception as error:
            failed_path = getattr(error, "config_path", "") or _joined(path, name)
            failed = next(
                (inner for _, inner in walk_calls(call.arguments[name]) if inner.path == failed_path), None
            )
            if "overflow" in str(error) and isinstance(error, RuntimeError):
                yield Problem(failed_path, "its weights are larger than any memory; make it smaller")
            elif _is_about_arguments(error, failed):
                yield refusal(failed_path, failed.arguments if failed else (), error)
    yield from _memory_problems(path, modules)
    for (before, *_), (after, *_) in itertools.pairwise(filter(None, steps)):
        output_dim = dimension_of(modules.get(before), "get_output_dim")
        input_dim = dimension_of(modules.get(after), "get_input_dim")
        if output_dim is None or input_dim is None or output_dim == input_dim:
            continue
        with contextlib.suppress(TrialTooLongError):
            if output_dim != dimension_of(build_on_trial(call.arguments[before], 1001), "get_output_dim"):
                continue  # it depends on the size of the vocabulary
        receiver = call.arguments[after]
        assert isinstance(receiver, Call)
        argument = next((name for name in _INPUT_ARGUMENTS if name in receiver.arguments), None)
        yield Problem(
            _joined(path, after, argument or ""),
            f"{after} takes vectors of {input_dim}, but {before} gives {_sum(call.arguments[before], output_dim)}; "
            f"set {argument or 'its input size'} to {output_dim}",
        )


def _memory_problems(path: str, modules: Mapping[str, Any]) -> Iterator[Problem]:
    """Report modules whose weights are larger than the memory of this machine."""
    memory = _bytes_of_memory()
    for name, module in modules.items():
        size = sum(weights.numel() * weights.element_size() for weights in module.parameters())
        if memory is not None and size > memory:
            yield Problem(
                _joined(path, name),
                f"its weights take {size / 2**30:,.0f} GiB, and this machine has {memory / 2**30:,.0f} GiB of memory; make it "
                "smaller",
            )


def _bytes_of_memory() -> int | None:
    """The memory of this machine; None if the system does not report it."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def _is_about_arguments(error: Exception, failed: Call | None) -> bool:
    """Whether a constructor rejected its arguments, and did not fail for lack of a vocabulary or files."""
    if failed is None or not str(failed.cls.__module__).startswith(("nlpreg.", "torch.")):
        return isinstance(error, ConfigurationError)
    needs_vocabulary = any("vocab" in inner.from_extras for _, inner in walk_calls(failed))
    return isinstance(error, (ConfigurationError, ValueError, AssertionError)) and not needs_vocabulary


def _direction_problems(path: str, call: Call) -> Iterator[Problem]:
    wanted = is_bidirectional(call)
    if wanted is None:
        return
    try:
        contextualizer = build_on_trial(call.arguments["contextualizer"])
        actual = contextualizer.is_bidirectional()
    except Exception:  # reported by `_chain_problems` if it is a mistake in the config
        return
    if wanted is not bool(actual):
        words = {True: "works in both directions", False: "works in one direction only"}
        is_given = "bidirectional" in call.arguments
        description = f'has "bidirectional": {str(wanted).lower()}' if is_given else words[wanted]
        yield Problem(
            _joined(path, "contextualizer"),
            f"the model {description}, but its contextualizer {words[bool(actual)]}; change one of the two",
        )


def is_bidirectional(call: Call) -> bool | None:
    """Whether a language model predicts in both directions; None if it is not known."""
    from nlpreg.models import BidirectionalLanguageModel, LanguageModel

    is_ours = isinstance(call.cls, type) and issubclass(call.cls, LanguageModel)
    if is_ours and issubclass(call.cls, BidirectionalLanguageModel):
        return True
    value = value_of(call, "bidirectional") if is_ours or "bidirectional" in call.arguments else None
    return value if isinstance(value, bool) else None


def build_on_trial(node: Node, vocabulary_size: int = 1000, device: str = "meta") -> Any:
    """Build the module of a resolved section, by default without allocating memory, with a vocabulary without entries.

    Args:
        node: the section.
        vocabulary_size: size that the vocabulary reports for every namespace.
        device: device of the module.

    Raises:
        TrialTooLongError: it took too long.
    """
    import torch

    from nlpreg.data import Vocabulary

    vocab = Vocabulary()
    vocab.get_vocab_size = lambda namespace="tokens": vocabulary_size  # type: ignore[method-assign]  # of this one object
    with (
        _time_limit(SECONDS_FOR_A_TRIAL),
        torch.device(device),
        torch.random.fork_rng(devices=[]),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # the run itself will show them
        return _stripped(node).build({"vocab": vocab})


@contextlib.contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Interrupt a block that takes too long, if the system has timers and this is the main thread.

    Raises:
        TrialTooLongError: it took too long.
    """
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: FrameType | None) -> None:
        if not is_importing(frame):  # torch imports parts of itself when they are first used
            raise _TimeLimitReached

    def ignore(unraisable: Any) -> None:
        if not issubclass(unraisable.exc_type, _TimeLimitReached):
            hook_before(unraisable)

    before = signal.signal(signal.SIGALRM, end)
    hook_before, sys.unraisablehook = sys.unraisablehook, ignore
    # Repeatedly, because Python ignores exceptions that are raised in `__del__` or in the callback of a weak reference.
    signal.setitimer(signal.ITIMER_REAL, seconds, _SECONDS_BETWEEN_TRIES)
    try:
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except _TimeLimitReached:
        raise TrialTooLongError(f"more than {seconds} s") from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)  # the inner one may have been interrupted
        sys.unraisablehook = hook_before
        signal.signal(signal.SIGALRM, before if before is not None else signal.SIG_DFL)


def _stripped(node: Node) -> Node:
    """The node without arguments that would make it read files."""
    if isinstance(node, Container):
        items: Any = (
            {key: _stripped(item) for key, item in node.items.items()}
            if isinstance(node.items, dict)
            else [_stripped(item) for item in node.items]
        )
        return replace(node, items=items)
    if isinstance(node, Call):
        if node.type_name is not None and node.type_name.startswith(_NEEDS_FILES):
            raise LookupError(node.type_name)
        kept = {name: _stripped(item) for name, item in node.arguments.items() if name not in _READS_FILES}
        return replace(node, arguments=kept)
    return node


def _joined(*steps: str) -> str:
    return ".".join(step for step in steps if step)


def dimension_of(module: Any, method: str) -> int | None:
    """The result of a module's `get_input_dim` or `get_output_dim`; None if it has none."""
    try:
        value = getattr(module, method)()
    except Exception:  # not every module has the method, or a single dimension
        return None
    return value if isinstance(value, int) else None


def _sum(node: Node, total: int) -> str:
    """The output size of a text field embedder as the sum of its parts; of anything else the number."""
    parts = node.arguments.get("token_embedders") if isinstance(node, Call) else None
    if not isinstance(parts, Container) or not isinstance(parts.items, dict) or len(parts.items) < 2:
        return str(total)
    sizes = {}
    for name, part in sorted(parts.items.items()):
        try:
            sizes[name] = dimension_of(build_on_trial(part), "get_output_dim")
        except Exception:  # then only the total is shown
            return str(total)
    terms = " + ".join(f"{size} ({name})" for name, size in sizes.items() if size is not None)
    return f"{terms} = {total}"
