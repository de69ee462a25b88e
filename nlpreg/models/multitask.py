"""`MultiTaskModel`: a shared backbone and a head for each task."""

import inspect
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from nlpreg.data.vocabulary import Vocabulary
from nlpreg.models.heads import Head
from nlpreg.models.model import Model
from nlpreg.modules.backbones import Backbone
from nlpreg.nn.initializers import InitializerApplicator
from nlpreg.nn.operators import is_exporting
from nlpreg.training.metrics import Metric

_BACKBONE = "backbone"


@Model.register("multitask")
class MultiTaskModel(Model):
    """A backbone that encodes each input, and a head for each task.

    The field `task` of an instance selects its head. A head gets the rows of its task, of those outputs of the backbone and
    fields of the batch that its `forward` names.

    Where several batches make one update, each counts the same (in training there is no `batch_weight`): the loss of a
    batch adds up means over targets of different kinds, words and texts say, and their common number would let the task
    with the most targets outweigh what `loss_weights` says. In evaluation the loss is weighted by the number of targets, so
    that it does not depend on the batches.

    Args:
        vocab: the vocabulary of all tasks.
        backbone: encodes the input of all tasks.
        heads: the head of each task.
        loss_weights: weight of the loss of each head; 1.0 by default.
        arg_name_mapping: for a head, or for `backbone`: name of a field or output -> name of its parameter.
        allowed_arguments: for a head, or for `backbone`: the parameters that it gets; by default those of its `forward`.
        initializer: sets the initial values of parameters, after everything is built.
        **kwargs: arguments of `Model`.
    """

    default_predictor = "multitask"
    raw_outputs = (*Model.raw_outputs, "encoded_text")
    per_token_outputs: ClassVar[dict[str, str]] = {
        "encoded_text": "encoded_text_mask",
        "encoded_text_mask": "encoded_text_mask",
        "token_ids": "encoded_text_mask",
    }

    def __init__(
        self,
        vocab: Vocabulary,
        backbone: Backbone,
        heads: dict[str, Head],
        *,
        loss_weights: dict[str, float] | None = None,
        arg_name_mapping: dict[str, dict[str, str]] | None = None,
        allowed_arguments: dict[str, set[str]] | None = None,
        initializer: InitializerApplicator | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(vocab, **kwargs)
        self._backbone = backbone
        self._heads = nn.ModuleDict(heads)
        self._loss_weights = {name: (loss_weights or {}).get(name, 1.0) for name in heads}
        self._arg_name_mapping = arg_name_mapping or {}
        parts: dict[str, nn.Module] = {_BACKBONE: backbone, **heads}
        self._allowed_arguments = allowed_arguments or {
            name: get_forward_arguments(part) for name, part in parts.items()
        }
        self._heads_called = _HeadsCalled(list(heads))
        if initializer is not None:
            initializer(self)

    def forward(self, **kwargs: Any) -> dict[str, Any]:
        """Run the backbone on the whole batch, and each head on the rows of its task.

        Args:
            kwargs: the fields of the batch; `task` is the list of the tasks' names. An exported program has none: every head
                gets all rows.

        Returns:
            The outputs of the backbone; those of each head, with `<head>_` before their names; and, if a head has one,
            `loss`, the weighted sum of the heads' losses, 0-d, and in evaluation mode `batch_weight`, the number of
            targets that these losses are means over, 0-d.

        Raises:
            ValueError: there is no `task`, or two inputs go to one parameter.
        """
        if "task" not in kwargs and not is_exporting():
            raise ValueError(
                "MultiTaskModel: expected a field `task` in each instance, a MetadataField with the name of its head; "
                f"got the fields {sorted(kwargs)}"
            )
        outputs: dict[str, Any] = dict(self._backbone(**self._arguments_of(_BACKBONE, kwargs)))
        available = {**outputs, **kwargs}
        if is_exporting():
            for name, head in self._named_heads():
                head_outputs = head(**self._arguments_of(name, available))
                outputs.update({f"{name}_{key}": value for key, value in head_outputs.items()})
            return outputs
        rows: dict[str, list[int]] = {}
        for row, task in enumerate(kwargs["task"]):
            rows.setdefault(task, []).append(row)
        loss: Tensor | None = None
        weights: list[Tensor] = []
        for name, head in self._named_heads():
            if name not in rows:
                continue
            arguments = self._arguments_of(name, available)
            head_outputs = head(**{key: _select(value, rows[name]) for key, value in arguments.items()})
            outputs.update({f"{name}_{key}": value for key, value in head_outputs.items()})
            if "loss" in head_outputs:
                self._heads_called(name)
                weighted = self._loss_weights[name] * head_outputs["loss"]
                loss = weighted if loss is None else loss + weighted
                # a head that does not say what its loss is a mean over counts by its inputs
                weight = head_outputs.get("batch_weight")
                weights.append(
                    weighted.new_tensor(len(rows[name])) if weight is None else weight.to(weighted)
                )
        if loss is not None:
            outputs["loss"] = loss
        if not self.training and weights:
            outputs["batch_weight"] = torch.stack(weights).sum()
        return outputs

    def _arguments_of(self, part: str, available: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments that a part takes out of what there is.

        Raises:
            ValueError: two of them have the same name after mapping.
        """
        mapping = self._arg_name_mapping.get(part, {})
        arguments: dict[str, Any] = {}
        for name, value in available.items():
            parameter = mapping.get(name, name)
            if parameter not in self._allowed_arguments[part]:
                continue
            if parameter in arguments:
                raise ValueError(
                    f"{part}: two inputs go to the parameter {parameter!r}; change arg_name_mapping"
                )
            arguments[parameter] = value
        return arguments

    def make_output_human_readable(self, output_dict: dict[str, Any]) -> dict[str, Any]:
        """Let the backbone and each head add readable outputs; those of a head are named `<head>_...`."""
        output_dict = self._backbone.make_output_human_readable(output_dict)
        for name, head in self._named_heads():
            prefix = f"{name}_"
            of_head = {
                key.removeprefix(prefix): value
                for key, value in output_dict.items()
                if key.startswith(prefix)
            }
            readable = head.make_output_human_readable(of_head)
            output_dict.update({prefix + key: value for key, value in readable.items()})
        return output_dict

    def get_metrics(self, reset: bool = False) -> dict[str, float]:
        """The metrics of each head with a loss since the last reset, with `<head>_` before their names."""
        called = self._heads_called.get_metric(reset)
        return {
            f"{name}_{key}": value
            for name, head in self._named_heads()
            if name in called
            for key, value in head.get_metrics(reset).items()
        }

    def _named_heads(self) -> Iterator[tuple[str, Head]]:
        for name, head in self._heads.items():
            assert isinstance(head, Head)
            yield name, head


def get_forward_arguments(module: nn.Module) -> set[str]:
    """The names of the parameters of a module's `forward`."""
    return set(inspect.signature(module.forward).parameters)


class _HeadsCalled(Metric):
    """The heads that had a loss on any rank, so that all ranks compute the metrics of the same heads."""

    supports_distributed = True
    accumulators = ("_counts",)

    def __init__(self, names: list[str]) -> None:
        self._names = names
        self.reset()

    def __call__(self, name: str) -> None:
        self._counts[self._names.index(name)] += 1

    def get_metric(self, reset: bool = False) -> list[str]:
        """The names of the heads."""
        (counts,) = self._totals(reset)
        return [name for name, count in zip(self._names, counts.tolist(), strict=True) if count]

    def reset(self) -> None:
        """Forget all calls."""
        self._counts = [0] * len(self._names)


def _select(value: Any, rows: list[int]) -> Any:
    """The given rows of a batch's tensors, of dicts of them, and of lists; other values as they are."""
    if isinstance(value, Tensor):
        return value.index_select(0, torch.tensor(rows, device=value.device)) if value.dim() > 0 else value
    if isinstance(value, dict):
        return {key: _select(item, rows) for key, item in value.items()}
    if isinstance(value, list):
        return [value[row] for row in rows]
    return value
