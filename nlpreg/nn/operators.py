"""Functions that `torch.compile` does not trace."""

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor
from torch.utils import _pytree


def define_operator(
    name: str, signature: str, function: Callable[..., list[Tensor]], shapes: Callable[..., list[Tensor]]
) -> Callable[..., list[Tensor]]:
    """Register a function as a custom operator, because the compiler would unroll its loops for every length.

    The backward pass calls the function again in order to differentiate it.

    Args:
        name: unique name, `namespace::name`.
        signature: names and types of the arguments, in torch's schema language.
        function: the implementation, without side effects or random numbers; its results share no memory with its arguments.
        shapes: the fake kernel: called with the same arguments, returns empty tensors of the shapes and types of the results.

    Returns:
        The operator, called with positional arguments. It supports first derivatives only.
    """
    operator = torch.library.custom_op(name, function, mutates_args=(), schema=f"({signature}) -> Tensor[]")
    operator.register_fake(shapes)

    def differentiate(*arguments: Any) -> list[Tensor]:
        leaves, structure = _pytree.tree_flatten(list(arguments[:-1]))
        # Operators run with autograd disabled.
        recording = torch._C._SetExcludeDispatchKeyGuard(torch._C.DispatchKey.AutogradFunctionality, False)
        with recording, torch.enable_grad():
            leaves = [leaf.detach().requires_grad_() if _is_real(leaf) else leaf for leaf in leaves]
            results = function(*_pytree.tree_unflatten(leaves, structure))
            wanted = [leaf for leaf in leaves if _is_real(leaf)]
            found = torch.autograd.grad(
                results, wanted, arguments[-1], allow_unused=True, materialize_grads=True
            )
        return [gradient.clone(memory_format=torch.contiguous_format) for gradient in found]

    def shapes_of_gradients(*arguments: Any) -> list[Tensor]:
        leaves = _pytree.tree_leaves(list(arguments[:-1]))
        return [leaf.new_empty(leaf.shape) for leaf in leaves if _is_real(leaf)]

    derivative = torch.library.custom_op(
        f"{name}_backward",
        differentiate,
        mutates_args=(),
        schema=f"({signature}, Tensor[] gradients) -> Tensor[]",
    )
    derivative.register_fake(shapes_of_gradients)
    operator.register_autograd(_backward_by(derivative), setup_context=_keep_for_backward)
    return operator


def for_autocast(*tensors: Tensor) -> list[Tensor]:
    """Cast floating-point tensors to the dtype of autocast if it is enabled, because custom operators ignore it."""
    device_type = tensors[0].device.type
    if not torch.is_autocast_enabled(device_type):
        return list(tensors)
    dtype = torch.get_autocast_dtype(device_type)
    return [tensor.to(dtype) for tensor in tensors]


def _is_real(leaf: object) -> bool:
    """Whether the value is a floating-point tensor."""
    return isinstance(leaf, Tensor) and leaf.is_floating_point()


def _keep_for_backward(ctx: Any, inputs: tuple[Any, ...], output: list[Tensor]) -> None:
    """Save the arguments for the backward pass, which recomputes everything else."""
    leaves, ctx.structure = _pytree.tree_flatten(list(inputs))
    ctx.others = [None if isinstance(leaf, Tensor) else (leaf,) for leaf in leaves]
    ctx.save_for_backward(*(leaf for leaf in leaves if isinstance(leaf, Tensor)), *output)


def _backward_by(derivative: Callable[..., list[Tensor]]) -> Callable[..., tuple[Any, ...]]:
    def backward(ctx: Any, gradients: list[Tensor | None]) -> tuple[Any, ...]:
        """Gradients of all arguments, None where there is none."""
        saved = iter(ctx.saved_tensors)
        leaves = [next(saved) if other is None else other[0] for other in ctx.others]
        given = [
            torch.zeros_like(result) if gradient is None else gradient.contiguous()
            for gradient, result in zip(gradients, saved, strict=True)
        ]
        found = iter(derivative(*_pytree.tree_unflatten(leaves, ctx.structure), given))
        by_leaf = [next(found) if _is_real(leaf) else None for leaf in leaves]
        return tuple(_pytree.tree_unflatten(by_leaf, ctx.structure))

    return backward


_exporting: ContextVar[bool] = ContextVar("a model is being exported", default=False)


def is_exporting() -> bool:
    """Whether a model is being exported to a program that runs without nlpreg.

    Modules then use plain tensor operations whose number does not depend on the data, even if they are slower.
    """
    # `torch.compile` cannot trace a ContextVar. A model is exported without Dynamo, so its tracing is no export.
    return not torch.compiler.is_dynamo_compiling() and _exporting.get()


@contextlib.contextmanager
def exporting() -> Iterator[None]:
    """Context manager in which `is_exporting` returns true."""
    token = _exporting.set(True)
    try:
        yield
    finally:
        _exporting.reset(token)


P = ParamSpec("P")
R = TypeVar("R")


def run_uncompiled(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call a function; in a compiled model, as plain Python code after a graph break.

    Used for functions whose shapes depend on the data, or whose loops the compiler would unroll for every length.
    (`torch.compiler.disable` as a decorator would load the compiler whenever nlpreg is imported.)

    Args:
        function: what to call.
        args: its arguments.
        kwargs: its named arguments.
    """
    if torch.compiler.is_compiling() and not is_exporting():
        uncompiled: Callable[P, R] = torch.compiler.disable(function)  # type: ignore[no-untyped-call]  # torch leaves it untyped
        return uncompiled(*args, **kwargs)
    return function(*args, **kwargs)
