"""Collators: they turn the instances of a batch into tensors."""

from typing import Any

from nlpreg.common import Registrable, cached_transformers
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.imports import optional
from nlpreg.data.batch import Batch
from nlpreg.data.data_loaders.data_loader import TensorDict
from nlpreg.data.instance import Instance


def nlpreg_collate(instances: list[Instance]) -> TensorDict:
    """The tensors of indexed instances, padded to the longest."""
    return Batch(instances).as_tensor_dict()


allennlp_collate = nlpreg_collate
"""AllenNLP's name of `nlpreg_collate`."""


class DataCollator(Registrable):
    """Turns the instances of a batch into the tensors that the model gets."""

    default_implementation = "nlpreg"
    _to_params = Registrable.all_arguments

    def __call__(self, instances: list[Instance]) -> TensorDict:
        """The tensors of indexed instances; subclasses must implement this."""
        raise NotImplementedError(f"{type(self).__name__} has no __call__")


@DataCollator.register("nlpreg")
@DataCollator.register("allennlp")  # its name in configs of AllenNLP
class DefaultDataCollator(DataCollator):
    """Pads the instances to the longest and does nothing else."""

    def __call__(self, instances: list[Instance]) -> TensorDict:
        """The tensors of indexed instances."""
        return nlpreg_collate(instances)


@DataCollator.register("language_model")
class LanguageModelingDataCollator(DataCollator):
    """Masks random word pieces of each batch, as for training a masked language model of transformers.

    `token_ids` holds the ids after masking; `labels` holds the original ids of the masked pieces and -100 elsewhere.

    Args:
        model_name: name or folder of the model, for its tokenizer.
        mlm: whether to mask pieces. If false, the labels are the ids themselves, and -100 for padding.
        mlm_probability: probability, from 0 to 1, that a piece is masked.
        filed_name: name of the text field (spelt as in AllenNLP).
        namespace: name of its indexer.

    Raises:
        ImportError: transformers is not installed.
        ConfigurationError: when called, a batch without that field and indexer.
    """

    def __init__(
        self,
        model_name: str,
        mlm: bool = True,
        mlm_probability: float = 0.15,
        filed_name: str = "source",
        namespace: str = "tokens",
    ) -> None:
        transformers = optional("transformers", extra="transformers")
        self._model_name = model_name
        self._mlm = mlm
        self._mlm_probability = mlm_probability
        self._filed_name = filed_name
        self._namespace = namespace
        self.tokenizer = cached_transformers.get_tokenizer(model_name)
        self._collator = transformers.DataCollatorForLanguageModeling(
            tokenizer=self.tokenizer, mlm=mlm, mlm_probability=mlm_probability
        )

    def __call__(self, instances: list[Instance]) -> TensorDict:
        """The tensors of indexed instances, with pieces masked."""
        batch: dict[str, Any] = dict(nlpreg_collate(instances))
        try:
            tensors = batch[self._filed_name][self._namespace]
            ids = tensors["token_ids"]
        except (KeyError, TypeError):
            raise ConfigurationError(
                f"language_model collator: expected batches with {self._filed_name!r}, {self._namespace!r}, 'token_ids', got "
                f"fields {sorted(batch)}; set filed_name and namespace to your field and its pretrained_transformer indexer"
            ) from None
        hidden = self._collator([{"input_ids": row} for row in ids])
        tensors["token_ids"], tensors["labels"] = hidden["input_ids"], hidden["labels"]
        return batch
