"""`MultiTagger`: joint tagging, for example of parts of speech and morphological features, with a shared encoder."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from nlpreg.common import Lazy, Registrable
from nlpreg.common.checks import ConfigurationError, Probability, check_at_least, check_share
from nlpreg.data import TextFieldTensors, Vocabulary
from nlpreg.models import tagging
from nlpreg.models.model import Model
from nlpreg.modules import InputVariationalDropout, Seq2SeqEncoder, TextFieldEmbedder
from nlpreg.nn.initializers import InitializerApplicator
from nlpreg.nn.util import get_text_field_mask
from nlpreg.training.metrics import CategoricalAccuracy

# B sentences, T words, H width of the encoder, C classes of a head, F morphological features, M labels of a word at most

_IGNORED = -100  # `ignore_index` of torch's cross entropy
_NO_VALUE = "_"


class TaggingHead(nn.Module, Registrable):
    """A head of a `multi_tagger`, which predicts a label of each word from the encoder's output; by default `softmax`.

    Subclasses implement the abstract methods. Scores are computed once per batch; everything else is derived from them.

    Args:
        name: the head's name, which is that of the field with the gold labels.
        vocab: has the labels.
        loss_weight: factor of the head's loss.
        label_namespace: namespace of the labels; by default "labels" for the head `tags`, and the head's name for others.
    """

    constructor_extras = frozenset(["input_dim", "name", "vocab"])
    # passed to heads only: elsewhere a missing `input_dim` is an error
    shares_extras = False
    default_implementation = "softmax"

    def __init__(
        self,
        name: str,
        vocab: Vocabulary,
        loss_weight: float = 1.0,
        label_namespace: str | None = None,
    ) -> None:
        super().__init__()
        check_at_least(0, loss_weight=loss_weight)
        self.name = name
        self.label_namespace = label_namespace or ("labels" if name == "tags" else name)
        self.vocab = vocab
        self.loss_weight = loss_weight

    def forward(self, encoded: Tensor) -> Tensor:
        """The scores of the classes of each word: (B, T, H) -> (B, T, C)."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def loss(self, scores: Tensor, gold: Tensor, mask: Tensor) -> Tensor:
        """The negative log-likelihood of the gold labels, summed over the words: 0-d."""
        raise NotImplementedError(f"{type(self).__name__} has no loss")

    def probabilities(self, scores: Tensor) -> Tensor:
        """The probability of each class of each word: (B, T, C) -> (B, T, C)."""
        raise NotImplementedError(f"{type(self).__name__} has no probabilities")

    def measure(self, probabilities: Tensor, gold: Tensor, mask: Tensor) -> Tensor:
        """Update the metrics; return which words are entirely correct, (B, T) bool."""
        raise NotImplementedError(f"{type(self).__name__} has no measure")

    def labels(self, probabilities: Tensor, mask: Tensor) -> list[list[str]]:
        """The predicted label of each word, as strings."""
        raise NotImplementedError(f"{type(self).__name__} has no labels")

    def confidences(self, probabilities: Tensor) -> Tensor:
        """The probability of the predicted label of each word: (B, T, C) -> (B, T)."""
        raise NotImplementedError(f"{type(self).__name__} has no confidences")

    def gold_names(self, gold: Tensor, mask: Tensor) -> list[list[str]]:
        """The gold label of each word, as strings."""
        raise NotImplementedError(f"{type(self).__name__} has no gold_names")

    def get_metrics(self, reset: bool = False) -> dict[str, float]:
        """The head's metrics, their names beginning with the head's."""
        raise NotImplementedError(f"{type(self).__name__} has no get_metrics")


@TaggingHead.register("softmax")
class SoftmaxTaggingHead(TaggingHead):
    """One label for each word, such as its part of speech; the gold labels are a `SequenceLabelField`.

    Metric: `<name>_accuracy`.

    Args:
        name: the head's name, which is that of the field with the gold labels; given by the model.
        input_dim: width of the encoder's output; given by the model.
        vocab: has the labels.
        loss_weight: factor of the head's loss.
        label_namespace: namespace of the labels; by default "labels" for the head `tags`, and the head's name for others.
        label_smoothing: label smoothing of the cross entropy, from 0 to 1.
    """

    def __init__(
        self,
        name: str,
        input_dim: int,
        vocab: Vocabulary,
        loss_weight: float = 1.0,
        label_namespace: str | None = None,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(name, vocab, loss_weight, label_namespace)
        check_share(label_smoothing=label_smoothing)
        self.label_smoothing = label_smoothing
        num_labels = vocab.get_vocab_size(self.label_namespace)
        if not num_labels:
            raise _no_labels(name, self.label_namespace, vocab)
        self.projection = nn.Linear(input_dim, num_labels)
        self._accuracy = CategoricalAccuracy()

    def forward(self, encoded: Tensor) -> Tensor:
        """The scores of the labels of each word."""
        scores: Tensor = self.projection(encoded)
        return scores

    def loss(self, scores: Tensor, gold: Tensor, mask: Tensor) -> Tensor:
        """The cross entropy, summed over the words."""
        return functional.cross_entropy(
            scores.flatten(0, 1),
            gold.masked_fill(~tagging.labelled_words(mask, gold), _IGNORED).flatten(),
            ignore_index=_IGNORED,
            reduction="sum",
            label_smoothing=self.label_smoothing,
        )

    def probabilities(self, scores: Tensor) -> Tensor:
        """The softmax of the scores."""
        return scores.softmax(-1)

    def measure(self, probabilities: Tensor, gold: Tensor, mask: Tensor) -> Tensor:
        """Update the accuracy."""
        self._accuracy(probabilities, gold, tagging.labelled_words(mask, gold))
        return (probabilities.argmax(-1) == gold) | (gold < 0)

    def labels(self, probabilities: Tensor, mask: Tensor) -> list[list[str]]:
        """The most probable label of each word."""
        return self.gold_names(probabilities.argmax(-1), mask)

    def confidences(self, probabilities: Tensor) -> Tensor:
        """The greatest probability of each word."""
        return probabilities.amax(-1)

    def gold_names(self, gold: Tensor, mask: Tensor) -> list[list[str]]:
        """The names of labels (B, T)."""
        return tagging.tag_names(
            tagging.without_padding(gold.tolist(), mask), self.vocab, self.label_namespace
        )

    def get_metrics(self, reset: bool = False) -> dict[str, float]:
        """The accuracy."""
        return {f"{self.name}_accuracy": self._accuracy.get_metric(reset)}


@TaggingHead.register("features")
class FeaturesTaggingHead(TaggingHead):
    """One value for each of several features of each word, or none: its morphology, such as Case=Nom|Number=Sing.

    Every feature has a softmax of its own, over its values and "no value". The features and their values are those of the
    vocabulary's entries `Feature=Value`; the gold labels are a `SequenceMultiLabelField` (of the reader `conllu`, with
    `further_columns: ["feats"]`). A word is right if all its features are. A gold label that the vocabulary does not have
    counts as an error.

    Metrics: `<name>_accuracy`, of all features of a word together, and for each feature `_<name>_<feature>_accuracy`.

    Args:
        name: the head's name, which is that of the field with the gold labels; given by the model.
        input_dim: width of the encoder's output; given by the model.
        vocab: has the features with their values.
        loss_weight: factor of the head's loss, which is the sum of those of the features.
        label_namespace: namespace of the features; by default the head's name. It has to be a padded one.

    Raises:
        ConfigurationError: the namespace is empty or not padded, or an entry is not of the form `Feature=Value`.
    """

    label_table: Tensor
    """For each entry of the namespace its feature and its value (num_entries, 2); F and 0 for unknown entries."""

    def __init__(
        self,
        name: str,
        input_dim: int,
        vocab: Vocabulary,
        loss_weight: float = 1.0,
        label_namespace: str | None = None,
    ) -> None:
        super().__init__(name, vocab, loss_weight, label_namespace)
        self.values = _values_by_feature(name, self.label_namespace, vocab)
        self._sizes = [len(values) for values in self.values.values()]
        self.projection = nn.Linear(input_dim, sum(self._sizes))
        features = list(self.values)
        table = torch.tensor([[len(features), 0]]).repeat(vocab.get_vocab_size(self.label_namespace), 1)
        for index, entry in vocab.get_index_to_token_vocabulary(self.label_namespace).items():
            feature, _, value = entry.partition("=")
            if index > 1:
                table[index] = torch.tensor([features.index(feature), self.values[feature].index(value)])
        self.register_buffer("label_table", table, persistent=False)
        self._accuracy = CategoricalAccuracy()
        self._feature_accuracies = {feature: CategoricalAccuracy() for feature in features}

    def forward(self, encoded: Tensor) -> Tensor:
        """The scores of the values of all features, one feature after the other."""
        scores: Tensor = self.projection(encoded)
        return scores

    def loss(self, scores: Tensor, gold: Tensor, mask: Tensor) -> Tensor:
        """The cross entropies of all features, summed over the words."""
        wanted = self._gold_values(gold)[..., :-1].masked_fill(~mask.unsqueeze(2), _IGNORED)  # (B, T, F)
        losses = [
            functional.cross_entropy(
                of_feature.flatten(0, 1), value.flatten(), ignore_index=_IGNORED, reduction="sum"
            )
            for of_feature, value in zip(self._by_feature(scores), wanted.unbind(-1), strict=True)
        ]
        return torch.stack(losses).sum()

    def probabilities(self, scores: Tensor) -> Tensor:
        """The softmax over the values of each feature, side by side."""
        return torch.cat([part.softmax(-1) for part in self._by_feature(scores)], -1)

    def measure(self, probabilities: Tensor, gold: Tensor, mask: Tensor) -> Tensor:
        """Update the accuracies."""
        wanted = self._gold_values(gold)  # (B, T, F + 1)
        values = wanted[..., :-1].unbind(-1)
        parts = self._by_feature(probabilities)
        for accuracy, part, value in zip(self._feature_accuracies.values(), parts, values, strict=True):
            accuracy(part, value, mask)
        # Unknown labels are in the last column, which nothing predicted equals.
        is_right = (self._best(probabilities) == wanted[..., :-1]).all(-1) & (wanted[..., -1] == 0)  # (B, T)
        _count_right(self._accuracy, is_right, mask)
        return is_right

    def labels(self, probabilities: Tensor, mask: Tensor) -> list[list[str]]:
        """The features of each word with their most probable values, in the order of CoNLL-U; `_` for none."""
        return [
            [self._name_of(values) for values in sentence]
            for sentence in tagging.without_padding(self._best(probabilities).tolist(), mask)
        ]

    def confidences(self, probabilities: Tensor) -> Tensor:
        """The probability that all features of a word are as predicted: the product over the features."""
        return torch.stack([part.amax(-1) for part in self._by_feature(probabilities)], -1).prod(-1)

    def gold_names(self, gold: Tensor, mask: Tensor) -> list[list[str]]:
        """The features of each word (B, T, M), joined as in CoNLL-U."""
        names = self.vocab.get_index_to_token_vocabulary(self.label_namespace)
        return [
            ["|".join(names[index] for index in labels if index) or _NO_VALUE for labels in sentence]
            for sentence in tagging.without_padding(gold.tolist(), mask)
        ]

    def get_metrics(self, reset: bool = False) -> dict[str, float]:
        """The accuracy of all features together and, hidden from progress bars, of each."""
        metrics = {f"{self.name}_accuracy": self._accuracy.get_metric(reset)}
        for feature, accuracy in self._feature_accuracies.items():
            metrics[f"_{self.name}_{feature}_accuracy"] = accuracy.get_metric(reset)
        return metrics

    def _by_feature(self, numbers: Tensor) -> tuple[Tensor, ...]:
        """The part of each feature of scores or probabilities (B, T, C)."""
        return torch.split(numbers, self._sizes, -1)

    def _best(self, probabilities: Tensor) -> Tensor:
        """The most probable value of each feature: (B, T, F)."""
        return torch.stack([part.argmax(-1) for part in self._by_feature(probabilities)], -1)

    def _gold_values(self, gold: Tensor) -> Tensor:
        """The value of each feature, 0 for none, from the labels of each word: (B, T, M) -> (B, T, F + 1).

        The last column is 1 for words with a label that the vocabulary does not have.
        """
        features, values = self.label_table[gold].unbind(-1)  # (B, T, M) each
        found = gold.new_zeros(*gold.shape[:2], len(self._sizes) + 1)
        # Values of known labels are above 0, and padding's is 0 in the last column, so that padding overwrites nothing.
        found.scatter_reduce_(2, features, values, "amax")
        found[..., -1] = (gold == 1).any(-1)
        return found

    def _name_of(self, values: Sequence[int]) -> str:
        pairs = zip(self.values.items(), values, strict=True)
        return "|".join(f"{name}={known[value]}" for (name, known), value in pairs if value) or _NO_VALUE


def _count_right(accuracy: CategoricalAccuracy, is_right: Tensor, mask: Tensor) -> None:
    """Count words that are right (B, T), as a choice of two classes, wrong and right, of which the second is wanted."""
    accuracy(functional.one_hot(is_right.long(), 2), torch.ones_like(is_right, dtype=torch.long), mask)


def _values_by_feature(name: str, namespace: str, vocab: Vocabulary) -> dict[str, list[str]]:
    """The values of each feature, "no value" first; features in the order of CoNLL-U, which is alphabetical."""
    entries = vocab.get_index_to_token_vocabulary(namespace)
    if len(entries) <= 2:
        raise _no_labels(name, namespace, vocab)
    if not vocab.is_padded(namespace):
        raise ConfigurationError(
            f"model.heads.{name}: expected a padded namespace, since words have lists of features of any length; "
            f"{namespace!r} is not padded: its name must not end in 'tags' or 'labels', nor be in non_padded_namespaces"
        )
    values: dict[str, set[str]] = {}
    for entry in (entry for index, entry in entries.items() if index > 1):
        feature, equals, value = entry.partition("=")
        if not equals:
            raise ConfigurationError(
                f"model.heads.{name}: expected entries such as Case=Nom in the namespace {namespace!r}, got {entry!r}"
            )
        values.setdefault(feature, set()).add(value)
    return {
        feature: [_NO_VALUE, *sorted(values[feature])]
        for feature in sorted(values, key=lambda key: key.lower())
    }


def _no_labels(name: str, namespace: str, vocab: Vocabulary) -> ConfigurationError:
    return ConfigurationError(
        f"model.heads.{name}: the vocabulary has no entries in the namespace {namespace!r}; it has "
        f"{', '.join(sorted(vocab.get_namespaces()))}. Let the dataset reader make a field of this name (conllu: "
        "further_columns), or set the head's label_namespace"
    )


@Model.register("multi_tagger")
class MultiTagger(tagging.ProbabilisticTagger):
    """Embeds and encodes a sentence once and predicts several labels of each word, each with its own head.

    The loss is the sum of the heads' losses, weighted, as a mean over words. Heads whose labels a batch lacks add nothing.

    Metrics: those of the heads, and `joint_accuracy`: how many words are right in all heads.

    Args:
        vocab: has the words and the labels.
        text_field_embedder: embeds the words.
        encoder: encodes the sentence.
        heads: for each field with gold labels the head that predicts it.
        dropout: dropout probability of the vectors of words and of the encoder's output, from 0 to 1.
        variational_dropout: whether all words of a sentence share the features that are dropped.
        initializer: sets the initial values of parameters, after everything is built.
        **kwargs: `confidences` and `confidence_threshold`, see `ProbabilisticTagger`, and arguments of `Model`.

    Raises:
        ConfigurationError: the widths of embedder and encoder differ, or there is no head.

    Source: Plank, Søgaard and Goldberg (2016), https://arxiv.org/abs/1604.05529
    """

    def __init__(
        self,
        vocab: Vocabulary,
        text_field_embedder: TextFieldEmbedder,
        encoder: Seq2SeqEncoder,
        heads: dict[str, Lazy[TaggingHead]],
        dropout: Probability = 0.0,
        variational_dropout: bool = True,
        initializer: InitializerApplicator | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(vocab, text_field_embedder, encoder, **kwargs)
        check_share(dropout=dropout)
        self.check_arguments(heads)
        width = encoder.get_output_dim()
        self.heads = nn.ModuleDict(
            {name: head.construct(name=name, input_dim=width, vocab=vocab) for name, head in heads.items()}
        )
        # `Model` looks for the namespaces of labels in attributes.
        for name in self.heads:
            setattr(self, f"{name}_namespace", self._head(name).label_namespace)
        self.label_namespaces = tuple(f"{name}_namespace" for name in self.heads)  # type: ignore[misc]  # depends on the heads
        self.dropout = InputVariationalDropout(dropout) if variational_dropout else nn.Dropout(dropout)
        self._joint_accuracy = CategoricalAccuracy()
        if initializer is not None:
            initializer(self)

    @staticmethod
    def check_arguments(heads: dict[str, Any]) -> None:
        """Check the arguments; also called by `nlpreg check`."""
        if not heads:
            raise ConfigurationError("model.heads: expected at least one head, got none")

    def forward(
        self, tokens: TextFieldTensors, metadata: list[dict[str, Any]] | None = None, **labels: Tensor
    ) -> dict[str, Any]:
        """Predict the labels of each word.

        Args:
            tokens: the tensors of a text field, T words in the longest of B sentences.
            metadata: for each sentence a dict with its `words`.
            labels: the gold labels of each head by its name; other fields are not used.

        Returns:
            `_probabilities`, of each head by its name (B, T, C); with gold labels `loss`, a mean over words, 0-d, and
            their number, `batch_weight`, 0-d; with metadata `words`.
        """
        mask = get_text_field_mask(tokens)  # (B, T)
        encoded = self.dropout(
            self.encoder(self.dropout(self.text_field_embedder(tokens)), mask)
        )  # (B, T, H)
        scores = {name: head(encoded) for name, head in self.heads.items()}
        probabilities = {name: self._head(name).probabilities(scores[name]) for name in scores}
        output: dict[str, Any] = {"_probabilities": probabilities, "_mask": mask}
        with_gold = [name for name in self.heads if name in labels]
        if with_gold:
            num_words = mask.sum()
            losses = [
                self._head(name).loss_weight * self._head(name).loss(scores[name], labels[name], mask)
                for name in with_gold
            ]
            output["loss"] = torch.stack(losses).sum() / num_words.clamp(min=1)
            output["batch_weight"] = num_words
        self._measure(probabilities, mask, labels)
        tagging.add_words(output, metadata)
        return output

    @property
    def gold_fields(self) -> tuple[str, ...]:
        """The names of the heads."""
        return tuple(self.heads)

    def tag_probabilities(self, output: Mapping[str, Any]) -> dict[str, Tensor]:
        """Those of each head."""
        found: dict[str, Tensor] = output["_probabilities"]
        return found

    def choose(
        self, output: Mapping[str, Any], probabilities: Mapping[str, Tensor], gold: Mapping[str, Tensor]
    ) -> dict[str, Any]:
        """The outputs for other probabilities, see `ProbabilisticTagger`."""
        self._measure(probabilities, output["_mask"], gold)
        return {**output, "_probabilities": probabilities}

    def _measure(
        self, probabilities: Mapping[str, Tensor], mask: Tensor, labels: Mapping[str, Tensor]
    ) -> None:
        """Update the metrics: probabilities (B, T, C) and gold labels by head."""
        is_right = mask
        with_gold = [name for name in self.heads if name in labels]
        for name in with_gold:
            is_right = is_right & self._head(name).measure(probabilities[name].detach(), labels[name], mask)
        if with_gold:
            _count_right(self._joint_accuracy, is_right, mask)

    def gold_labels(self, fields: Mapping[str, Any], outputs: Mapping[str, Any]) -> dict[str, Any]:
        """The names of the gold labels in a batch, under `gold_` and the name of their head."""
        return {
            f"gold_{name}": self._head(name).gold_names(fields[name], outputs["_mask"])
            for name in self.heads
            if name in fields
        }

    def make_output_human_readable(self, output_dict: dict[str, Any]) -> dict[str, Any]:
        """Add the labels of each word under the name of each head; with `confidences` also their probabilities.

        The probabilities of the head `tags` are `confidences`, those of any other `<name>_confidences`.
        """
        mask = output_dict["_mask"]
        for name, probabilities in output_dict["_probabilities"].items():
            output_dict[name] = self._head(name).labels(probabilities, mask)
            if not self.confidences:
                continue
            prefix = "" if name == "tags" else f"{name}_"
            found = tagging.without_padding(self._head(name).confidences(probabilities).tolist(), mask)
            output_dict[f"{prefix}confidences"] = found
            tagging.add_uncertain(output_dict, self.confidence_threshold, prefix)
        return output_dict

    def get_metrics(self, reset: bool = False) -> dict[str, float]:
        """The metrics of all heads, and `joint_accuracy`."""
        metrics: dict[str, float] = {}
        for name in self.heads:
            metrics.update(self._head(name).get_metrics(reset))
        metrics["joint_accuracy"] = self._joint_accuracy.get_metric(reset)
        return metrics

    def _head(self, name: str) -> TaggingHead:
        head: Any = self.heads[name]
        return head  # type: ignore[no-any-return]  # a ModuleDict has modules of any kind
