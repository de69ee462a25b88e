"""`Predictor`: predictions from JSON input, for the command line, for services and for interpretation."""

import importlib.util
import inspect
import json
import logging
import os
import types
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cached_property, lru_cache
from typing import Any, TypeVar

import numpy
import torch

from nlpreg.common.checks import ConfigurationError, did_you_mean
from nlpreg.common.config.hints import resolve_annotations, signature_of
from nlpreg.common.config.untrusted import guarded
from nlpreg.common.from_params import construct_arg
from nlpreg.common.plugins import import_plugins as import_all_plugins
from nlpreg.common.registrable import Registrable
from nlpreg.common.sanitize import json_text
from nlpreg.common.util import JsonDict, sanitize
from nlpreg.data import DatasetReader, Instance
from nlpreg.data.columns import can_use_batched
from nlpreg.data.tokenizers import EnglishTokenizer, LettersDigitsTokenizer, SpacyTokenizer, Tokenizer
from nlpreg.models import Archive, Model, interpretation, load_archive

P = TypeVar("P", bound="Predictor")

logger = logging.getLogger(__name__)

_announced_languages: set[str] = set()


class Predictor(Registrable):
    """Turns JSON into instances, instances into predictions, and predictions into JSON.

    Most subclasses only implement `_json_to_instance`.

    Args:
        model: a model with at least one parameter.
        dataset_reader: makes instances from text.
        frozen: whether to put the model into evaluation mode.
    """

    def __init__(self, model: Model, dataset_reader: DatasetReader, frozen: bool = True) -> None:
        if frozen:
            model.eval()
        self._model = model
        self._dataset_reader = dataset_reader
        self.cuda_device = model.prediction_device()

    def load_line(self, line: str) -> JsonDict:
        """Parse a line of input; override it for formats other than JSON."""
        value: JsonDict = json.loads(line)
        return value

    def dump_line(self, outputs: JsonDict) -> str:
        """Format a prediction as a line of output with a newline; override it for formats other than JSON."""
        return json_text(outputs) + "\n"

    def brief(self, outputs: JsonDict) -> JsonDict:
        """The readable part of a prediction, without the model's `raw_outputs`; override it to select other keys.

        Args:
            outputs: a prediction, as `predict_json` returns it. A model may have nothing but raw outputs: they are all kept.
        """
        raw = self._model.raw_outputs
        with_prefix = tuple(f"_{name}" for name in raw)
        readable = {
            name: value
            for name, value in outputs.items()
            if name not in raw and not name.endswith(with_prefix)
        }
        return readable or outputs

    def predict_json(self, inputs: JsonDict) -> JsonDict:
        """The prediction for one JSON object."""
        return self.predict_instance(self._json_to_instance(inputs))

    def predict_instance(self, instance: Instance) -> JsonDict:
        """The prediction for one instance, as JSON."""
        self._dataset_reader.apply_token_indexers(instance)
        outputs: JsonDict = sanitize(self._model.forward_on_instance(instance))
        return outputs

    def predict_batch_json(self, inputs: list[JsonDict]) -> list[JsonDict]:
        """The predictions for several JSON objects, made as one batch."""
        return self.predict_batch_instance(self._batch_json_to_instances(inputs))

    def predict_batch_instance(self, instances: list[Instance]) -> list[JsonDict]:
        """The predictions for several instances, made as one batch."""
        for instance in instances:
            self._dataset_reader.apply_token_indexers(instance)
        outputs: list[JsonDict] = sanitize(self._model.forward_on_instances(instances))
        return outputs

    def takes_batches(self) -> bool:
        """Whether predictions for a batch equal those for single inputs.

        False if a subclass overrides a method for single inputs only, or if the model or one of its heads is third-party code
        that does not declare its padded outputs (`Model.per_token_outputs`).
        """
        kind = type(self)
        models = [type(part) for part in self._model.modules() if isinstance(part, Model)]
        if any(not one.__module__.startswith("nlpreg.") and not one.per_token_outputs for one in models):
            return False
        return (
            can_use_batched(kind, "predict_batch_json", "predict_json")
            and can_use_batched(kind, "predict_batch_instance", "predict_instance")
            and can_use_batched(type(self._model), "forward_on_instances", "forward_on_instance")
        )

    def _json_to_instance(self, json_dict: JsonDict) -> Instance:
        """Convert a JSON object to an instance."""
        raise NotImplementedError(
            f"{type(self).__name__} cannot make instances from JSON; choose a predictor that fits the model"
        )

    def _batch_json_to_instances(self, json_dicts: list[JsonDict]) -> list[Instance]:
        return [self._json_to_instance(json_dict) for json_dict in json_dicts]

    def json_to_labeled_instances(self, inputs: JsonDict) -> list[Instance]:
        """Instances with the model's own predictions as labels."""
        instance = self._json_to_instance(inputs)
        # many readers only add indexers when the tensors are needed
        self._dataset_reader.apply_token_indexers(instance)
        outputs = self._model.forward_on_instance(instance)
        return self.predictions_to_labeled_instances(instance, outputs)

    def predictions_to_labeled_instances(
        self, instance: Instance, outputs: dict[str, numpy.ndarray[Any, Any]]
    ) -> list[Instance]:
        """Copies of an instance with the predictions as labels; implemented by subclasses.

        Raises:
            RuntimeError: the predictor does not implement it.
        """
        raise RuntimeError(f"{type(self).__name__} cannot turn predictions into labels")

    def get_gradients(self, instances: list[Instance]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Gradients of the loss with respect to the word embeddings.

        Args:
            instances: with labels.

        Returns:
            `grad_input_1`, ... with an array (instances, words, width) for each call of the embedding layer, in order;
            and the model's outputs. Gradients of word pieces are averaged over each word.
        """
        gradients, outputs = interpretation.input_gradients(
            self._model,
            instances,
            self.get_interpretable_layer(),
            self.get_interpretable_text_field_embedder(),
        )
        return {f"grad_input_{i}": grad.cpu().numpy() for i, grad in enumerate(gradients, 1)}, outputs

    def get_interpretable_layer(self) -> torch.nn.Module:
        """The embedding layer of the model; override it for models without a standard one.

        Raises:
            RuntimeError: none was found.
        """
        return self._part_of_model(
            interpretation.find_embedding_layer, "embedding layer", "get_interpretable_layer"
        )

    def get_interpretable_text_field_embedder(self) -> torch.nn.Module:
        """The text field embedder of the model; override it for models without one.

        Raises:
            RuntimeError: none was found.
        """
        return self._part_of_model(
            interpretation.find_text_field_embedder,
            "text field embedder",
            "get_interpretable_text_field_embedder",
        )

    def _part_of_model(
        self, find: Callable[[Model], torch.nn.Module], what: str, method: str
    ) -> torch.nn.Module:
        """What `find` finds in the model; the error names the method to override."""
        try:
            return find(self._model)
        except (RuntimeError, ValueError) as error:
            raise RuntimeError(f"no {what} was found: override {type(self).__name__}.{method}") from error

    def capture_model_internals(
        self, module_regex: str = ".*"
    ) -> AbstractContextManager[dict[int, dict[str, Any]]]:
        """Context manager that records the outputs of submodules during predictions.

        Args:
            module_regex: regular expression that must match the full dotted name of a submodule.

        Returns:
            A dictionary, filled by predictions: index -> {"name": the module as a string, "output": its last output as JSON}.
        """
        return interpretation.captured_outputs(self._model, module_regex)

    @classmethod
    def from_path(
        cls: type[P],
        archive_path: str | os.PathLike[str],
        predictor_name: str | None = None,
        cuda_device: int = -1,
        dataset_reader_to_load: str = "validation",
        frozen: bool = True,
        import_plugins: bool = True,
        overrides: str | dict[str, Any] = "",
        allow_remote: bool = False,
        **kwargs: Any,
    ) -> P:
        """The predictor of an archive.

        Args:
            archive_path: path or URL of the archive, or the folder of a run.
            predictor_name: registered name; by default this class, or for `Predictor` itself the model's own default.
            cuda_device: number of a GPU, or -1 for the CPU.
            dataset_reader_to_load: "validation" or "train".
            frozen: whether to put the model into evaluation mode.
            import_plugins: whether to load plugins first.
            overrides: changes to the archived config.
            allow_remote: whether the archive's config may name URLs and files outside the archive.
            **kwargs: further arguments of the predictor's constructor.
        """
        if import_plugins:
            import_all_plugins()
        return cls.from_archive(
            load_archive(
                archive_path, cuda_device=cuda_device, overrides=overrides, allow_remote=allow_remote
            ),
            predictor_name,
            dataset_reader_to_load,
            frozen,
            kwargs,
        )

    @classmethod
    def from_archive(
        cls: type[P],
        archive: Archive,
        predictor_name: str | None = None,
        dataset_reader_to_load: str = "validation",
        frozen: bool = True,
        extra_args: dict[str, Any] | None = None,
    ) -> P:
        """The predictor of a loaded archive; the arguments are those of `from_path`.

        Args:
            archive: the loaded archive.
            predictor_name: as in `from_path`.
            dataset_reader_to_load: as in `from_path`.
            frozen: as in `from_path`.
            extra_args: further arguments of the predictor's constructor.

        Raises:
            ConfigurationError: there is no predictor of that name, or it does not take these arguments.
        """
        maker: Callable[..., Any] = cls
        if predictor_name is not None:
            maker = Predictor.by_name(predictor_name)
        elif cls is Predictor and archive.model.default_predictor is not None:
            with guarded(archive.config.origin):  # the model may have the vocabulary from its config
                maker = Predictor.by_name(archive.model.default_predictor)
        is_validation = dataset_reader_to_load == "validation"
        reader = archive.validation_dataset_reader if is_validation else archive.dataset_reader
        predictor: P = maker(archive.model, reader, **_built_arguments(maker, extra_args or {}))
        archive.model.train(not frozen)  # the constructor of a plugin's predictor may know no `frozen`
        return predictor


class SentencePredictor(Predictor):
    """A predictor for plain sentences, `{"sentence": "The dog ate the apple"}`, which it may have to split into words.

    Args:
        model: makes the predictions.
        dataset_reader: makes an instance from a sentence.
        language: the spaCy model.
        tokenizer: splits sentences into words; None to choose one when the first sentence comes.
        frozen: whether to put the model into evaluation mode.
    """

    def __init__(
        self,
        model: Model,
        dataset_reader: DatasetReader,
        language: str = "en_core_web_sm",
        tokenizer: Tokenizer | None = None,
        frozen: bool = True,
    ) -> None:
        super().__init__(model, dataset_reader, frozen)
        self._language = language
        if tokenizer is not None:
            self._tokenizer = tokenizer

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        return choose_tokenizer(self._dataset_reader, self._language)

    def predict(self, sentence: str) -> JsonDict:
        """The output for one sentence."""
        return self.predict_json({"sentence": sentence})


def _built_arguments(maker: Callable[..., Any], arguments: dict[str, Any]) -> dict[str, Any]:
    """Arguments for a predictor's constructor, those that are plain JSON built as in a config.

    Raises:
        ConfigurationError: the constructor takes no such argument, or not such a value.
    """
    owner = maker if isinstance(maker, type) else Predictor
    signature = signature_of(owner, None if isinstance(maker, type) else maker)
    built = {}
    for name, value in arguments.items():
        parameter = signature.parameters.get(name)
        if parameter is None and not signature.open:
            known = [known for known in signature.parameters if known not in ("model", "dataset_reader")]
            raise ConfigurationError(
                f"the predictor {owner.__name__} takes no argument {name!r}"
                + (did_you_mean(name, known) or f" (known: {', '.join(known)})")
            )
        if parameter is not None and isinstance(value, (dict, list, str, int, float)):
            value = construct_arg(owner.__name__, name, value, parameter.annotation, parameter.default)
        built[name] = value
    return built


def sentence_of(json_dict: JsonDict, key: str = "sentence") -> str:
    """The text under a key of the input.

    Raises:
        ConfigurationError: there is none.
    """
    entries = json_dict if isinstance(json_dict, dict) else {}
    value = entries.get(key)
    if not isinstance(value, str):
        others = [name for name, text in entries.items() if isinstance(text, str)]
        if others:
            raise ConfigurationError(
                f'input: has the text under "{others[0]}", but this predictor reads "{key}"; rename the key, or let the '
                "dataset reader read the file, with --use-dataset-reader"
            )
        raise ConfigurationError(
            f'input: expected an object such as {{"{key}": "A text."}}, got {json.dumps(json_dict)[:200]}'
        )
    return value


def reader_of(predictor: Predictor) -> DatasetReader:
    """The dataset reader of a predictor. (A property could clash with an attribute of a subclass.)"""
    return predictor._dataset_reader


def tokenizer_of(reader: DatasetReader) -> Tokenizer | None:
    """The tokenizer of a reader, or of one that it wraps; None if it has none."""
    tokenizer: Tokenizer | None = getattr(reader, "tokenizer", None) or getattr(reader, "_tokenizer", None)
    inner = _wrapped_reader(reader)
    return tokenizer_of(inner) if tokenizer is None and inner is not None else tokenizer


def _wrapped_reader(reader: DatasetReader) -> DatasetReader | None:
    inner = getattr(reader, "inner", None) or getattr(reader, "reader", None)
    return inner if isinstance(inner, DatasetReader) else None


def reader_signature(reader: DatasetReader) -> inspect.Signature:
    """The signature of a reader's `text_to_instance`, or of that of the reader that it wraps."""
    while (inner := _wrapped_reader(reader)) is not None:
        reader = inner
    method = reader.text_to_instance
    return _signature_of(getattr(method, "__func__", method), inspect.ismethod(method))


@lru_cache(maxsize=128)  # by function, not by method, so that no reader is kept alive
def _signature_of(function: Callable[..., Any], is_method: bool) -> inspect.Signature:
    resolve_annotations(function)
    # bound to any object, because `self` need not be a parameter of its own: a decorator may take only `*args`
    return inspect.signature(types.MethodType(function, function) if is_method else function)


def make_instance(reader: DatasetReader, *args: Any, **kwargs: Any) -> Instance:
    """The instance that a reader makes of a sentence.

    Args:
        reader: of the archive.
        *args: the sentence, or its words.
        **kwargs: the same by name.

    Raises:
        ConfigurationError: the reader takes other arguments, or cannot make an instance of these values.
    """
    signature = reader_signature(reader)
    parameters = signature.parameters
    try:
        bound = signature.bind(*args, **kwargs).arguments
    except TypeError as error:
        required = [name for name, one in parameters.items() if one.default is one.empty]
        raise ConfigurationError(
            f"input: the dataset reader {type(reader).__name__} makes instances from {', '.join(required)}, not from a "
            "plain sentence; choose a predictor that fits it (--predictor), or let the reader read the file "
            "(--use-dataset-reader)"
        ) from error
    for name, value in bound.items():
        if parameters[name].annotation in (str, str | None) and not isinstance(value, str):
            raise ConfigurationError(
                f"input: the dataset reader {type(reader).__name__} takes a text ({name}), but this predictor gives it "
                "words; choose a predictor that fits it (--predictor)"
            )
    try:
        return reader.text_to_instance(*args, **kwargs)
    except ValueError as error:
        raise ConfigurationError(f"input: {error}") from error


def choose_tokenizer(reader: DatasetReader, language: str) -> Tokenizer:
    """The tokenizer for plain sentences: the reader's own, else spaCy's, else a rule-based one.

    The choice of a rule-based one is logged once for each language, as a warning unless it is English.

    Args:
        reader: of the archive.
        language: the spaCy model.
    """
    own = tokenizer_of(reader)
    if own is not None:
        return own
    if _has_spacy_model(language):
        return SpacyTokenizer(language=language)
    is_english = language.startswith("en")
    if language not in _announced_languages:
        _announced_languages.add(language)
        # the answer shows the words, so a line in the log is enough for English
        logger.log(
            logging.INFO if is_english else logging.WARNING,
            "the archive names no tokenizer and the spaCy model %s is not installed: sentences are split into words by "
            "the rules of the tokenizer %r; to choose another one, use --tokenizer, such as --tokenizer whitespace",
            language,
            "english" if is_english else "letters_digits",
        )
    return EnglishTokenizer() if is_english else LettersDigitsTokenizer()


def _has_spacy_model(language: str) -> bool:
    if importlib.util.find_spec("spacy") is None:
        return False
    try:
        return os.path.isdir(language) or importlib.util.find_spec(language) is not None
    except (ImportError, ValueError):
        return False
