"""`TaggerEnsemble`: several taggers with averaged probabilities."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from nlpreg.common.checks import ConfigurationError
from nlpreg.data.vocabulary import Vocabulary
from nlpreg.models.crf_tagger import CrfTagger
from nlpreg.models.model import Model
from nlpreg.models.tagging import ProbabilisticTagger
from nlpreg.nn.operators import is_exporting


@Model.register("tagger_ensemble")
class TaggerEnsemble(Model):
    """Taggers of one kind whose probabilities are averaged, such as those of runs that differ in their seed only.

    For each label of each word, the members' probabilities are averaged: the marginals of a `crf_tagger`, the softmax of
    others. The probabilities of spans and of the best sequences are averages too. Labels are chosen, and metrics measured, as
    the first member would with these averages; the outputs are those of its class. There is no loss: the members are trained one by one, and `nlpreg ensemble` packs their archives
    into one.

    Args:
        vocab: the vocabulary of all members.
        members: the taggers.
        **kwargs: arguments of `Model`.

    Raises:
        ConfigurationError: there is no member, one is not a tagger that gives probabilities, or they are of several classes.
    """

    default_predictor = "sentence_tagger"

    def __init__(self, vocab: Vocabulary, members: list[Model], **kwargs: Any) -> None:
        super().__init__(vocab, **kwargs)
        for number, member in enumerate(members):
            if not isinstance(member, ProbabilisticTagger) or type(member) is not type(members[0]):
                raise ConfigurationError(
                    f"model.members.{number}: expected taggers of one class that give probabilities (simple_tagger, "
                    f"crf_tagger, multi_tagger), got {type(member).__name__} beside {type(members[0]).__name__}"
                )
        self.check_arguments(members)
        self.members = nn.ModuleList(members)
        # `Model` uses these attributes to remove padding and to find labels.
        self.per_token_outputs = self._first.per_token_outputs  # type: ignore[misc]  # those of the members
        self.label_namespaces = ()  # type: ignore[misc]  # each member has its own

    @property
    def _first(self) -> ProbabilisticTagger:
        """The first member; a property, because an attribute would register its weights twice."""
        first: Any = self.members[0]
        return first  # type: ignore[no-any-return]  # a ModuleList has modules of any kind

    @property
    def confidences(self) -> bool:
        """Whether predictions come with their probabilities."""
        return self._first.confidences

    @confidences.setter
    def confidences(self, wanted: bool) -> None:
        self._first.confidences = wanted

    @property
    def confidence_threshold(self) -> float:
        """Predictions of a lower probability are marked as uncertain."""
        return self._first.confidence_threshold

    @confidence_threshold.setter
    def confidence_threshold(self, threshold: float) -> None:
        self._first.confidence_threshold = threshold

    @staticmethod
    def check_arguments(members: list[Any]) -> None:
        """Check the arguments; also called by `nlpreg check`."""
        if not members:
            raise ConfigurationError("model.members: expected at least one tagger, got none")

    @staticmethod
    def check_before_training() -> None:
        """Raise an error, because an ensemble is not trained; also called by `nlpreg check`.

        Raises:
            ConfigurationError: always.
        """
        raise ConfigurationError(
            "tagger_ensemble: an ensemble is not trained; train its members, then pack them with `nlpreg ensemble`"
        )

    def why_not_exported(self) -> str | None:
        """The reason of its members."""
        return self._first.why_not_exported()

    def decoding_tables(self) -> dict[str, Tensor] | None:
        """What decoding needs beside the members' scores of tags; None unless the members are of the class `crf_tagger`.

        Returns:
            The scores that each member adds, `transitions` (M, C, C), `start` and `end` (M, C); and as a score the transitions
            that the first member allows, `allowed` (C, C), `allowed_first` and `allowed_last` (C,).
        """
        taggers = [member for member in self.members if isinstance(member, CrfTagger)]
        if not taggers:
            return None
        scores = zip(*(tagger.decoding_scores() for tagger in taggers), strict=True)
        transitions, start, end = map(torch.stack, scores)
        allowed, first, last = taggers[0].crf.constraint_scores()
        return {
            "transitions": transitions,
            "start": start,
            "end": end,
            "allowed": allowed,
            "allowed_first": first,
            "allowed_last": last,
        }

    def forward(self, **fields: Any) -> dict[str, Any]:
        """Choose the labels of each word by the average of the members' probabilities.

        Args:
            fields: those of the members, with or without gold labels.

        Returns:
            The outputs of the first member, without a loss. In an exported program, which is decoded outside of it, members of
            the class `crf_tagger` give only their scores of the tags, `member_logits` (M, B, T, C), and `mask` (B, T).
        """
        gold = {name: fields[name] for name in self._first.gold_fields if name in fields}
        others = {name: value for name, value in fields.items() if name not in gold}
        outputs = [member(**others) for member in self.members]
        if is_exporting() and isinstance(self._first, CrfTagger):
            return {
                "member_logits": torch.stack([output["logits"] for output in outputs]),
                "mask": outputs[0]["mask"],
            }
        found = [
            member.tag_probabilities(output)  # type: ignore[operator]  # a ModuleList has modules of any kind
            for member, output in zip(self.members, outputs, strict=True)
        ]
        averages = {name: torch.stack([one[name] for one in found]).mean(0) for name in found[0]}
        chosen = self._first.choose(outputs[0], averages, gold)
        self._first.add_of_members(chosen, list(self.members), outputs)  # type: ignore[arg-type]  # as above
        return chosen

    def gold_labels(self, fields: Mapping[str, Any], outputs: Mapping[str, Any]) -> dict[str, Any]:
        """The names of the gold labels in a batch, see `Model`."""
        return self._first.gold_labels(fields, outputs)

    def make_output_human_readable(self, output_dict: dict[str, Any]) -> dict[str, Any]:
        """Add the names of labels, as the first member does."""
        return self._first.make_output_human_readable(output_dict)

    def get_metrics(self, reset: bool = False) -> dict[str, float]:
        """The metrics of the first member, measured on the averages."""
        return self._first.get_metrics(reset)
