"""`Model`: the base class of models."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from functools import cache, reduce
from typing import Any, ClassVar, TypeVar

import numpy
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.config.untrusted import guarded
from nlpreg.common.params import Params, remove_keys_from_params
from nlpreg.common.registrable import Registrable
from nlpreg.common.util import int_to_device
from nlpreg.data import Batch, Instance, Vocabulary
from nlpreg.models.weights import load_weights
from nlpreg.nn import Module, RegularizerApplicator, util
from nlpreg.nn.module import PenalizedActivations
from nlpreg.nn.parallel import DdpAccelerator
from nlpreg.training.state import fresh_states

logger = logging.getLogger(__name__)

VOCABULARY_FOLDER = "vocabulary"
DEFAULT_WEIGHTS = "best.th"
M = TypeVar("M", bound="Model")
_DEFAULT_WEIGHTS = DEFAULT_WEIGHTS  # the name that code written for AllenNLP imports


def _forward_not_written(self: Model, *args: Any, **fields: Any) -> dict[str, Any]:
    """The outputs for a batch, among them a 0-d `loss` where labels are given; for subclasses to write."""
    raise NotImplementedError(
        f"{type(self).__name__} has no forward; its parameters are the fields of its instances"
    )


class Model(Module, Registrable):
    """A module that computes a dictionary of outputs, with a loss, from a batch, and makes its outputs readable.

    A subclass writes `forward`, whose parameters are named after the fields of its instances; the batch is passed by
    keyword. `forward` returns a dictionary, which holds a scalar `loss` when labels are given.

    Args:
        vocab: the vocabulary that indexes the model's instances.
        regularizer: adds a penalty on the parameters to the loss in training.
        serialization_dir: folder of the run.
        ddp_accelerator: wraps submodules in a distributed run; None otherwise.
    """

    constructor_extras = frozenset(["ddp_accelerator", "serialization_dir", "vocab"])

    default_predictor: ClassVar[str | None] = None
    """Registered name of the default predictor of `nlpreg predict`."""

    per_token_outputs: ClassVar[Mapping[str, str]] = {}
    """Outputs of `forward` (B, T, ...) that include the padding of shorter texts: name -> name of the output (B, T)
    that is true for the tokens of each text. `split_outputs` removes the padding. An output whose name begins with `_`
    is only used for that, and is not returned."""

    raw_outputs: ClassVar[tuple[str, ...]] = ("logits", "class_probabilities", "probs", "mask", "token_ids")
    """Outputs that are not meant to be read, only for further computation. `nlpreg predict` leaves them out unless
    `--all-outputs` is given, also where the name of a head and `_` come before the name."""

    label_namespaces: ClassVar[tuple[str, ...]] = ()
    """Attributes whose value is the namespace of the vocabulary that the size of the output layer comes from."""

    forward: Callable[..., dict[str, Any]] = _forward_not_written

    # Searched once after each call of `train`, because a walk over all modules takes a few percent of a short step.
    _penalized_modules: list[PenalizedActivations] | None = None

    def __init__(
        self,
        vocab: Vocabulary,
        regularizer: RegularizerApplicator | None = None,
        serialization_dir: str | None = None,
        ddp_accelerator: DdpAccelerator | None = None,
    ) -> None:
        super().__init__()
        self.vocab = vocab
        self._sizes_when_built = vocab.namespace_sizes()
        self._regularizer = regularizer
        self.serialization_dir = serialization_dir
        self.ddp_accelerator = ddp_accelerator

    def train(self: M, mode: bool = True) -> M:
        """Set training or evaluation mode, as in `torch.nn.Module`."""
        self._penalized_modules = None  # modules may have been replaced
        return super().train(mode)

    def get_regularization_penalty(self) -> torch.Tensor | None:
        """The penalty on the current parameters and on the activations of the last batch, a 0-d tensor; None for none.

        Raises:
            RuntimeError: the regularizer gave a number that is not zero, through which no gradient can flow.
        """
        if self._penalized_modules is None:
            self._penalized_modules = [m for m in self.modules() if isinstance(m, PenalizedActivations)]
        penalties = [
            module.activation_penalty
            for module in self._penalized_modules
            if module.activation_penalty is not None
        ]
        if self._regularizer is not None:
            penalty = self._regularizer(self)
            if not isinstance(penalty, torch.Tensor):
                if penalty != 0.0:
                    raise RuntimeError(
                        f"regularizer: expected a tensor, got the number {penalty!r}, which no gradient flows through; "
                        "return a tensor from each regularizer's __call__"
                    )
                # no parameter matched
                penalty = torch.zeros((), device=int_to_device(self._get_prediction_device()))
            penalties.append(penalty)
        return reduce(torch.add, penalties) if penalties else None

    def check_before_training(self) -> None:
        """Hook for checks before the first epoch; does nothing by default. `nlpreg check` calls it if it is a static method.

        Raises:
            ConfigurationError: training would be useless.
        """

    def why_not_exported(self) -> str | None:
        """Why `nlpreg export` cannot make a program of this model, as half a sentence; None if nothing is known to prevent it."""
        return None

    def forward_on_instance(self, instance: Instance) -> dict[str, Any]:
        """Readable outputs for one instance, see `forward_on_instances`."""
        return self.forward_on_instances([instance])[0]

    def forward_on_instances(self, instances: Sequence[Instance]) -> list[dict[str, Any]]:
        """Run the model on instances as one batch, and split the outputs by instance.

        Computes no gradients, but leaves the mode (training or evaluation) as it is. Encoders that carry their state
        from batch to batch are reset, and restored afterwards.

        Returns:
            For each instance the outputs, after `make_output_human_readable`: see `split_outputs`.
        """
        if not instances:
            return []
        with torch.no_grad(), fresh_states(self):
            batch = Batch(list(instances))
            batch.index_instances(self.vocab)
            device = int_to_device(self._get_prediction_device())
            inputs = util.move_to_device(batch.as_tensor_dict(), device)
            outputs = self.make_output_human_readable(self(**inputs))
        return self.split_outputs(outputs, len(instances))

    def split_outputs(self, outputs: Mapping[str, Any], num_instances: int) -> list[dict[str, Any]]:
        """Split the outputs of a batch by instance and remove padding.

        Args:
            outputs: of `forward`, also after `make_output_human_readable`.
            num_instances: number of instances in the batch, B.

        Returns:
            For each instance the outputs: tensors as numpy arrays without the batch dimension, and without padding
            where `per_token_outputs` names them. An output that cannot be split by instance is left out, with one
            warning per key.
        """
        shares: list[dict[str, Any]] = [{} for _ in range(num_instances)]
        for name, values in self.without_padding(outputs).items():
            if values is None or name.endswith("batch_weight"):  # a value of the whole batch
                continue
            rows = [_rows(row) for row in values] if name in self.per_token_outputs else _rows(values)
            if rows is None or len(rows) != num_instances:
                _warn_about_output(name)
                continue
            for share, row in zip(shares, rows, strict=True):
                share[name] = row
        return shares

    def without_padding(self, outputs: Mapping[str, Any]) -> dict[str, Any]:
        """The outputs for a batch, where `per_token_outputs` names them as lists of rows (tokens, ...) without padding."""
        kept: dict[str, Any] = {}
        for name, values in outputs.items():
            mask = outputs.get(self.per_token_outputs.get(name, ""))
            if name.startswith("_"):
                continue
            if isinstance(mask, torch.Tensor) and isinstance(values, torch.Tensor):
                kept[name] = [row[:length] for row, length in zip(values, _lengths(mask), strict=True)]
            else:
                kept[name] = values
        return kept

    def gold_labels(self, fields: Mapping[str, Any], outputs: Mapping[str, Any]) -> dict[str, Any]:
        """The names of the gold labels in a batch, under `gold_` and the name of their field.

        Args:
            fields: of the batch; looked at are `tags`, `labels` and `label`, ids (B,) or (B, T).
            outputs: of `forward` for the batch.
        """
        found: dict[str, Any] = {}
        mask = next((outputs[name] for name in ("_mask", "mask") if name in outputs), None)
        for namespace in {getattr(self, attribute) for attribute in self.label_namespaces}:
            names = self.vocab.get_index_to_token_vocabulary(namespace)
            for field in ("tags", "labels", "label"):
                ids = fields.get(field)
                if not isinstance(ids, torch.Tensor) or ids.is_floating_point():
                    continue
                if ids.dim() == 1:
                    found[f"gold_{field}"] = [names.get(index, str(index)) for index in ids.tolist()]
                elif ids.dim() == 2 and mask is not None:
                    found[f"gold_{field}"] = [
                        [names.get(index, str(index)) for index in row[:length]]
                        for row, length in zip(ids.tolist(), _lengths(mask), strict=True)
                    ]
        return found

    def make_output_human_readable(self, output_dict: dict[str, Any]) -> dict[str, Any]:
        """Add readable outputs, such as label names, to the outputs of `forward`; modifies the dict."""
        return output_dict

    def get_metrics(self, reset: bool = False) -> dict[str, float]:
        """The metrics since the last reset; names that start with `_` are hidden from progress bars."""
        return {}

    def get_parameters_for_histogram_logging(self) -> list[str]:
        """Names of the parameters whose distribution is worth logging: all of them."""
        return [name for name, _ in self.named_parameters()]

    get_parameters_for_histogram_tensorboard_logging = get_parameters_for_histogram_logging

    def extend_embedder_vocab(self, embedding_sources_mapping: Mapping[str, str] | None = None) -> None:
        """Extend every embedding to the size of the vocabulary, which may have grown.

        The embeddings of another model inside this one, such as a language model whose states are features, are left alone
        where that model has a vocabulary of its own.

        Args:
            embedding_sources_mapping: dotted path of a module -> file of pretrained vectors for its new words.
        """
        sources = embedding_sources_mapping or {}
        others = tuple(
            f"{path}."
            for path, module in self.named_modules()
            if isinstance(module, Model) and module.vocab is not self.vocab
        )
        for path, module in self.named_modules():
            extend = getattr(module, "extend_vocab", None)
            if extend is not None and not path.startswith(others):
                extend(self.vocab, extension_pretrained_file=sources.get(path), model_path=path)
        # the heads of several tasks, and the members of an ensemble, are models too
        for module in self.modules():
            if isinstance(module, Model) and module.vocab is self.vocab:
                module._refuse_new_labels()

    def _refuse_new_labels(self) -> None:
        """Raise an error if the vocabulary has labels that the output layer was not built for.

        Raises:
            ConfigurationError: it has; the message names them.
        """
        for namespace in {getattr(self, attribute) for attribute in self.label_namespaces}:
            before = self._sizes_when_built.get(namespace, 0)
            size = self.vocab.get_vocab_size(namespace)
            if 0 < before < size:
                new = [self.vocab.get_token_from_index(index, namespace) for index in range(before, size)]
                raise ConfigurationError(
                    f"the model was made for {before} entries of the namespace {namespace!r}, and the extended "
                    f"vocabulary has {size}: new are {', '.join(map(repr, new[:10]))}"
                    + (f" and {len(new) - 10} more" if len(new) > 10 else "")
                    + '. To train it on them, give the model "extend_labels": true beside "archive_file"; or map or '
                    "leave out the data that have them"
                )

    @classmethod
    def load(
        cls,
        config: Params,
        serialization_dir: str | os.PathLike[str],
        weights_file: str | os.PathLike[str] | None = None,
        cuda_device: int = -1,
    ) -> Model:
        """Load a trained model from the folder of its run.

        Args:
            config: the whole config of the experiment.
            serialization_dir: folder with the vocabulary and the weights.
            weights_file: weights to use instead of `best.th` in that folder.
            cuda_device: number of a GPU, or -1 for the CPU.

        Raises:
            ConfigurationError: the config has no `model.type`.
            RuntimeError: the weights do not fit the model.
        """
        choice = config["model"]
        name = choice if isinstance(choice, str) else choice.get("type")
        if not isinstance(name, str):
            raise ConfigurationError(f"model.type: expected the registered name of a model, got {name!r}")
        origin = config.origin
        if origin is not None:
            origin = origin.allowing([serialization_dir, weights_file])
        with guarded(origin):
            model_class = Model.by_name(name)
            if not (isinstance(model_class, type) and issubclass(model_class, Model)):
                model_class = Model  # registered with a constructor function, which has no `_load` of its own
            return model_class._load(config, serialization_dir, weights_file, cuda_device)

    @classmethod
    def _load(
        cls,
        config: Params,
        serialization_dir: str | os.PathLike[str],
        weights_file: str | os.PathLike[str] | None = None,
        cuda_device: int = -1,
    ) -> Model:
        """Implementation of `load` for this class; override it for models that are stored differently."""
        folder = os.fspath(serialization_dir)
        vocab = _load_vocabulary(config, folder)
        model = Model.from_params(params=_params_of_model(config), vocab=vocab, serialization_dir=folder)
        device = int_to_device(cuda_device)
        model.to(device)
        model.extend_embedder_vocab()
        path = os.fspath(weights_file or os.path.join(folder, DEFAULT_WEIGHTS))
        load_weights(model, path, device)
        return model

    @classmethod
    def from_archive(
        cls, archive_file: str, vocab: Vocabulary | None = None, extend_labels: bool = False
    ) -> Model:
        """The trained model of an archive, registered as the model type `from_archive` to train it further.

        Args:
            archive_file: path or URL of a `model.tar.gz`, or the folder of a run.
            vocab: vocabulary of the new data; the model's own is extended by it, and so are the embeddings.
            extend_labels: whether the output layer is extended too; what belongs to new labels gets new weights.

        Raises:
            ConfigurationError: the new data have labels that the model cannot give, and `extend_labels` is false.
        """
        from nlpreg.models.archival import load_archive  # archival loads models, so it imports this module

        archive = load_archive(archive_file)
        model = archive.model
        if vocab is None:
            return model
        model.vocab.extend_from_vocab(vocab)
        if not extend_labels:
            model.extend_embedder_vocab()
            return model
        # Rebuilding the model for the larger vocabulary gives every layer its new size.
        larger = Model.from_params(params=_params_of_model(archive.config.duplicate()), vocab=model.vocab)
        larger.extend_embedder_vocab()
        larger.load_smaller_weights(model)
        return larger

    def load_smaller_weights(self, smaller: Model) -> None:
        """Copy the weights of the same model built for a smaller vocabulary, which the vocabulary of this model extends.

        The weights of new entries are not changed. Override it if new entries are not at the end of a dimension.

        Args:
            smaller: of the same config.

        Raises:
            ConfigurationError: the names or dimensions of the weights do not match.
        """
        own, theirs = self.state_dict(keep_vars=True), smaller.state_dict()
        for name, weights in own.items():
            given = theirs.get(name)
            if given is None or given.dim() != weights.dim():
                raise ConfigurationError(
                    f"extend_labels: the archived model has no weights {name} of this form"
                )
            if given.shape != weights.shape and not weights.requires_grad:
                continue  # computed from the vocabulary, such as the allowed transitions of tags
            if any(old > new for old, new in zip(given.shape, weights.shape, strict=True)):
                raise ConfigurationError(
                    f"extend_labels: {name} of the archived model is larger than it was built"
                )
            with torch.no_grad():
                weights[tuple(slice(size) for size in given.shape)] = given.to(weights.device)

    def prediction_device(self) -> int:
        """Number of the GPU that predictions are made on, -1 for the CPU."""
        return self._get_prediction_device()

    def _get_prediction_device(self) -> int:
        """Number of the GPU that holds the parameters, -1 for the CPU or a model without parameters; may be overridden.

        Raises:
            ConfigurationError: the parameters are on several devices.
        """
        devices = {util.get_device_of(parameter) for parameter in self.parameters()}
        if len(devices) > 1:
            raise ConfigurationError(
                f"model: parameters are on several devices ({sorted(devices)}), expected one"
            )
        return devices.pop() if devices else -1


Model.register("from_archive", constructor="from_archive")(Model)


def remove_weights_related_keys_from_params(
    params: Params, keys: Sequence[str] = ("pretrained_file", "initializer")
) -> None:
    """Delete `keys` from `params` and from every object in it: what only matters before there are trained weights."""
    remove_keys_from_params(params, list(keys))


def _params_of_model(config: Params) -> Params:
    """The section `model` of a config, for a model whose weights are all in an archive."""
    choice: Params | str = config["model"]
    params = Params({"type": choice}, "model.") if isinstance(choice, str) else choice
    remove_weights_related_keys_from_params(params)
    return params


def remove_pretrained_embedding_params(params: Params) -> None:
    """Delete every `pretrained_file`; the older name of `remove_weights_related_keys_from_params`."""
    remove_keys_from_params(params, ["pretrained_file"])


@cache  # each name is reported once
def _warn_about_output(name: str) -> None:
    logger.warning(
        "output %r cannot be split by instance (its length is not the batch size) and is left out", name
    )


def _lengths(mask: torch.Tensor) -> list[int]:
    """The length of each row (B, T): its last true position plus one."""
    positions = torch.arange(1, mask.size(1) + 1, device=mask.device)
    return (positions * mask).amax(1).tolist() if mask.size(1) else [0] * mask.size(0)


def _rows(values: Any) -> Sequence[Any] | numpy.ndarray[Any, Any] | None:
    """Convert an output to a sequence over instances; None if it is not one."""
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu()
        if values.dim() == 0:
            values = values.unsqueeze(0)  # so that a 0-d loss is kept for a batch of one
        if values.dtype == torch.bfloat16:
            values = values.float()  # numpy knows no bfloat16
        array: numpy.ndarray[Any, Any] = values.numpy()
        return array
    if isinstance(values, (Sequence, numpy.ndarray)) and not isinstance(values, (str, bytes)):
        return values
    return None


def _load_vocabulary(config: Params, folder: str) -> Vocabulary:
    """The vocabulary saved beside a model, of the class and with the special tokens that its config names."""
    params = config.get("vocabulary", None) or Params({})
    if isinstance(params, str):
        params = Params({"type": params})
    if not isinstance(params, Params):
        raise ConfigurationError(f"vocabulary: expected an object or a registered name, got {params!r}")
    choice = params.pop_choice("type", Vocabulary.list_available(), default_to_first_choice=True)
    vocabulary_class, _ = Vocabulary.resolve_class_name(choice)
    vocabulary: Vocabulary = vocabulary_class.from_files(
        os.path.join(folder, VOCABULARY_FOLDER),
        params.get("padding_token", None),
        params.get("oov_token", None),
    )
    return vocabulary
