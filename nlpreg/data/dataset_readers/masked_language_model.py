"""Texts with some words masked."""

from typing import Any

from nlpreg.data.dataset_readers.dataset_reader import DatasetReader
from nlpreg.data.dataset_readers.next_token_lm import TargetWordsReader
from nlpreg.data.fields import Field, IndexField, ListField, TextField
from nlpreg.data.instance import Instance
from nlpreg.data.tokenizers.token_class import Token

MASK = "[MASK]"


@DatasetReader.register("masked_language_modeling")
class MaskedLanguageModelingReader(TargetWordsReader):
    """Makes instances of texts that contain `[MASK]`, mostly for predictors; in a file, the first word of each line is masked.

    Fields: `tokens`; `mask_positions`; `target_ids`, a text with a token for each mask, if the targets are known.

    Args:
        tokenizer: splits texts; at white space unless given.
        token_indexers: the indexers of both texts; single ids under the name "tokens" unless given.
        **kwargs: arguments of `TextFileReader`.
    """

    def text_to_instance(
        self,
        sentence: str | None = None,
        tokens: list[Token] | None = None,
        targets: list[str] | None = None,
    ) -> Instance:
        """A text, given as a string or as tokens, and the masked words if they are known.

        Raises:
            ValueError: neither text nor tokens are given, there is no mask, or the numbers of targets and masks differ.
        """
        tokens = self._tokens_of(sentence, tokens)
        masked = [position for position, token in enumerate(tokens) if token.text == MASK]
        if not masked:
            raise ValueError(f"masked_language_modeling: expected at least one {MASK}, got none in {tokens}")
        if targets is not None and len(targets) != len(masked):
            raise ValueError(
                f"masked_language_modeling: expected a target for each of {len(masked)} masks, got {len(targets)}"
            )
        text = TextField(tokens)
        fields: dict[str, Field[Any]] = {
            "tokens": text,
            "mask_positions": ListField([IndexField(position, text) for position in masked]),
        }
        if targets is not None:
            fields["target_ids"] = self._targets(targets)
        return Instance(fields)

    def _instance_of(self, unit: str, file: str, line: int) -> Instance:
        first, *rest = unit.split()
        return self.text_to_instance(sentence=" ".join([MASK, *rest]), targets=[first])
