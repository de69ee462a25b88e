"""Conversion between plain text and the tokens and tensors of a language model."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cached_property

from nlpreg.common.checks import ConfigurationError
from nlpreg.data import Batch, DatasetReader, Instance, TextFieldTensors, Token, Tokenizer
from nlpreg.data.fields import TextField
from nlpreg.data.tokenizers.tokenizer import WordJoiner, join_words
from nlpreg.models.model import Model
from nlpreg.predictors.predictor import choose_tokenizer, make_instance, reader_signature, tokenizer_of


class LanguageModelTexts:
    """Converts texts as the reader of a language model's archive does.

    Args:
        model: the language model; its vocabulary indexes the texts.
        dataset_reader: makes an instance from a text; the first text field of its instances is what the model reads.
    """

    def __init__(self, model: Model, dataset_reader: DatasetReader) -> None:
        self._model = model
        self._reader = dataset_reader
        self._own_tokenizer = tokenizer_of(dataset_reader)
        self._word_tokenizer: Tokenizer | None = None
        self.namespace: str = getattr(model, "target_namespace", "tokens")
        self._entries: dict[str, str] = {}
        # tokenizers of pretrained transformers have their own start and end tokens
        inner_starts = map(str, getattr(self._own_tokenizer, "single_sequence_start_tokens", ()))
        inner_ends = map(str, getattr(self._own_tokenizer, "single_sequence_end_tokens", ()))
        self.start_tokens: list[str] = [*getattr(dataset_reader, "start_tokens", ()), *inner_starts]
        """The start tokens of every text."""
        self.end_tokens: list[str] = [*inner_ends, *getattr(dataset_reader, "end_tokens", ())]
        """The end tokens of every text."""

    def instance_of(self, text: str) -> Instance:
        """The instance of a text, with start and end tokens.

        A reader of tokenized text, such as a treebank, gets the words of a tokenizer for plain sentences.
        """
        parameters = reader_signature(self._reader).parameters
        if "sentence" in parameters or "text" in parameters:
            instance = make_instance(
                self._reader, **{"sentence" if "sentence" in parameters else "text": text}
            )
        elif "tokens" in parameters:
            instance = make_instance(self._reader, self._plain_tokenizer().tokenize(text))
        else:
            instance = make_instance(self._reader, text)
        self._reader.apply_token_indexers(instance)
        return instance

    def field_of(self, instance: Instance) -> tuple[str, TextField]:
        """The name and the value of the text field that the model reads.

        Raises:
            ConfigurationError: the instance has none.
        """
        for name, field in instance.fields.items():
            if isinstance(field, TextField):
                return name, field
        raise ConfigurationError(
            f"{type(self._reader).__name__}: expected instances with a text, got {', '.join(instance.fields) or 'no field'}"
        )

    def tokenize(self, text: str) -> list[Token]:
        """The tokens of a text as the reader's tokenizer, or one for plain sentences, splits it."""
        if self._own_tokenizer is not None:
            return self._own_tokenizer.tokenize(text)
        return self._plain_tokenizer().tokenize(text)

    def _plain_tokenizer(self) -> Tokenizer:
        if self._word_tokenizer is None:
            self._word_tokenizer = choose_tokenizer(self._reader, "en_core_web_sm")
        return self._word_tokenizer

    def tokens_of(self, text: str) -> list[Token]:
        """The tokens of a text that is to be continued: with start tokens, without end tokens."""
        _, field = self.field_of(self.instance_of(text))
        tokens = list(field.tokens)
        for end in reversed(self.end_tokens):
            if tokens and str(tokens[-1]) == end:
                tokens.pop()
        return tokens

    def tensors_of(self, texts: Sequence[Sequence[Token]]) -> TextFieldTensors:
        """The tensors of texts, indexed as the reader says and padded to the longest, on the model's device."""
        name = self._field_name
        instances = []
        for tokens in texts:
            instance = Instance({name: TextField(list(tokens))})
            self._reader.apply_token_indexers(instance)
            instances.append(instance)
        batch = Batch(instances)
        batch.index_instances(self._model.vocab)
        device = next(self._model.parameters()).device
        return {
            indexer: {key: tensor.to(device) for key, tensor in tensors.items()}
            for indexer, tensors in batch.as_tensor_dict()[name].items()
        }

    @property
    def _field_name(self) -> str:
        names: Sequence[str] = getattr(self._reader, "text_field_names", ())
        return names[0] if names else self.field_of(self.instance_of(""))[0]

    def token_of(self, index: int) -> Token:
        """The token of a predicted id."""
        text = self._model.vocab.get_token_from_index(index, self.namespace)
        return Token(text, text_id=index, type_id=0) if self._has_own_ids else Token(text)

    @property
    def _has_own_ids(self) -> bool:
        return hasattr(self._own_tokenizer, "single_sequence_start_tokens")

    def id_of(self, token: Token) -> int:
        """The id of a token in the model's target namespace."""
        if self._has_own_ids and token.text_id is not None:
            return int(token.text_id)
        return self._model.vocab.get_token_index(self.entry_of(str(token)), self.namespace)

    def is_unknown(self, token: Token) -> bool:
        """Whether a token is out of vocabulary."""
        known = self._model.vocab.get_token_to_index_vocabulary(self.namespace)
        return not self._has_own_ids and self.entry_of(str(token)) not in known

    def entry_of(self, text: str) -> str:
        """What the reader's token indexers look up in the target namespace for a token, such as its text in lower case."""
        if text not in self._entries:
            instance = Instance({self._field_name: TextField([Token(text)])})
            self._reader.apply_token_indexers(instance)
            counter: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
            instance.count_vocab_items(counter)
            entries = list(counter.get(self.namespace, ()))
            # several: the target namespace has characters, say
            self._entries[text] = entries[0] if len(entries) == 1 else text
        return self._entries[text]

    def mask_token(self) -> Token:
        """The mask token."""
        pretrained = getattr(self._own_tokenizer, "tokenizer", None)
        if pretrained is not None and pretrained.mask_token is not None:
            return Token(pretrained.mask_token, text_id=pretrained.mask_token_id, type_id=0)
        return Token("[MASK]")

    def end_ids(self) -> list[int]:
        """The ids that end a text; none for running text."""
        return self._known_ids(self.end_tokens[:1])

    def forbidden_ids(self, allow_unknown: bool = False) -> list[int]:
        """The ids that are never generated: padding, start tokens and, unless allowed, the unknown token."""
        starts, ends = self.start_tokens, self.end_tokens
        ids = self._known_ids([name for name in [*starts, *ends[1:]] if name not in ends[:1]])
        if self._model.vocab.is_padded(self.namespace) and not self._has_own_ids:
            ids += [0] if allow_unknown else [0, 1]
        return ids

    def _known_ids(self, texts: Sequence[str]) -> list[int]:
        index_of = self._model.vocab.get_token_to_index_vocabulary(self.namespace)
        entries = dict.fromkeys(map(self.entry_of, texts))
        return [index_of[entry] for entry in entries if entry in index_of]

    @cached_property
    def _unwritten(self) -> set[str]:
        """The start and end tokens, as they are written and as they are predicted."""
        marks = [*self.start_tokens, *self.end_tokens]
        return {*marks, *map(self.entry_of, marks)}

    def _words_of(self, tokens: Sequence[Token]) -> list[str]:
        return [word for word in map(str, tokens) if word not in self._unwritten]

    def text_of(self, tokens: Sequence[Token]) -> str:
        """Detokenize tokens, without start and end tokens."""
        words = self._words_of(tokens)
        return join_words(words) if self._own_tokenizer is None else self._own_tokenizer.detokenize(words)

    def continuation(self, tokens: Sequence[Token]) -> "Continuation":
        """An empty continuation of these tokens."""
        words = self._words_of(tokens)
        tokenizer = self._own_tokenizer
        if tokenizer is None or type(tokenizer).detokenize is Tokenizer.detokenize:
            return Continuation(words, None)
        return Continuation(words, tokenizer.detokenize)

    def extend(self, continuation: "Continuation", token: Token) -> None:
        """Add a token to a continuation, if it is written."""
        for word in self._words_of([token]):
            continuation.add(word)


_CONTEXT = 16
_MOST_WORDS = 64
_MOST_CHARACTERS = 1 << 12


class Continuation:
    """The text of tokens that come one after another; the cost of a token does not grow with the text.

    Only the last tokens are detokenized again for each new one, after a few earlier ones that say how they are written.

    Args:
        start: the tokens before the text.
        detokenize: of the tokenizer; None to join words.
    """

    def __init__(self, start: Sequence[str], detokenize: Callable[[Sequence[str]], str] | None) -> None:
        self._detokenize = detokenize
        self._done: list[str] = []
        self._num_done = 0  # characters of `_done`
        self._tail = ""
        self._joiner = WordJoiner()
        self._words: list[str] = []
        self._skipped = 0  # characters of the text of `_words` that come before the tail
        if detokenize is None:
            for word in start:
                self._joiner.add(word)
        else:
            self._words = list(start[-_CONTEXT:])
            self._skipped = len(detokenize(self._words))

    def add(self, word: str) -> None:
        """Add a token."""
        if self._detokenize is None:
            self._tail += self._joiner.add(word)
            if len(self._tail) > _MOST_CHARACTERS:
                self._finish(len(self._tail) // 2)
            return
        self._words.append(word)
        self._tail = self._detokenize(self._words)[self._skipped :]
        if len(self._words) > _MOST_WORDS:
            self._words = self._words[-2 * _CONTEXT :]
            self._skipped = len(self._detokenize(self._words[:_CONTEXT]))
            kept = len(self._detokenize(self._words)) - self._skipped
            self._finish(len(self._tail) - kept)

    def _finish(self, length: int) -> None:
        self._done.append(self._tail[:length])
        self._num_done += length
        self._tail = self._tail[length:]

    def __len__(self) -> int:
        return self._num_done + len(self._tail)

    def since(self, start: int) -> str:
        """The text from this character on."""
        if start >= self._num_done:
            return self._tail[start - self._num_done :]
        return "".join([*self._done, self._tail])[start:]
