"""`TrainModel`: an experiment, built from a training config."""

import contextlib
import filecmp
import inspect
import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch

from nlpreg.common import Lazy, Registrable
from nlpreg.common.checks import ConfigurationError, ConfigurationValueError, did_you_mean
from nlpreg.common.config.problems import found
from nlpreg.common.digests import DamagedFileError, forget_digests, read_digests, record_digests
from nlpreg.common.util import dump_metrics, is_distributed, is_global_primary
from nlpreg.data import DataLoader, DatasetReader, Instance, Vocabulary
from nlpreg.data.fields.field import NoTokenIndexersError
from nlpreg.models.model import VOCABULARY_FOLDER, Model
from nlpreg.nn.parallel import DdpAccelerator
from nlpreg.training.metrics_log import METRICS_LOG_NAME
from nlpreg.training.trainer import Trainer
from nlpreg.training.util import evaluate

logger = logging.getLogger(__name__)

METRICS_NAME = "metrics.json"


class TrainModel(Registrable):
    """An experiment: a model, its trainer, and the test data.

    Args:
        serialization_dir: folder for all files of the run.
        model: the model to train.
        trainer: trains the model.
        evaluation_data_loader: test data, if there is any.
        evaluate_on_test: whether to evaluate the trained model on it.
        batch_weight_key: name of the model's output that weights the test batches in the mean loss; empty for equal
            weights.
    """

    constructor_extras = frozenset(["ddp_accelerator", "local_rank", "serialization_dir"])

    default_implementation = "default"

    def __init__(
        self,
        serialization_dir: str,
        model: Model,
        trainer: Trainer,
        evaluation_data_loader: DataLoader | None = None,
        evaluate_on_test: bool = False,
        batch_weight_key: str = "",
    ) -> None:
        self.serialization_dir = serialization_dir
        self.model = model
        self.trainer = trainer
        self.evaluation_data_loader = evaluation_data_loader
        self.evaluate_on_test = evaluate_on_test
        self.batch_weight_key = batch_weight_key
        self.data_loaders: dict[str, DataLoader] = {}
        """The loaders of the data sets, by `train`, `validation` and `test`; empty if the constructor was called directly."""
        self.used_namespaces: set[str] | None = None
        """The namespaces of the vocabulary that the model's constructor used; None where that is unknown."""
        self._test_metrics: dict[str, Any] | None = None

    def run(self) -> dict[str, Any]:
        """Train, and return the metrics."""
        return self.trainer.train()

    def test(self) -> dict[str, Any]:
        """Metrics of the trained model on the test data, computed once; empty without `evaluate_on_test`.

        In a distributed run every process must call this, since metrics are summed over all processes.
        """
        if self._test_metrics is None:
            self._test_metrics = {}
            if self.evaluation_data_loader is not None and self.evaluate_on_test:
                logger.info("evaluating on the test data")
                values = evaluate(
                    self.model,
                    self.evaluation_data_loader,
                    cuda_device=getattr(self.trainer, "cuda_device", torch.device("cpu")),
                    batch_weight_key=self.batch_weight_key or None,
                )
                self._test_metrics = {f"test_{name}": value for name, value in values.items()}
            elif self.evaluate_on_test:
                logger.warning(
                    "evaluate_on_test is set, but there is no test_data_path; nothing is evaluated"
                )
        return self._test_metrics

    def finish(self, metrics: dict[str, Any]) -> None:
        """Add the metrics on the test data to `metrics`, and write them to `metrics.json`."""
        metrics.update(self.test())
        dump_metrics(os.path.join(self.serialization_dir, METRICS_NAME), metrics)
        record_digests(self.serialization_dir, [METRICS_NAME, METRICS_LOG_NAME])

    @classmethod
    def from_partial_objects(
        cls,
        serialization_dir: str,
        local_rank: int,
        dataset_reader: DatasetReader,
        train_data_path: Any,
        model: Lazy[Model],
        data_loader: Lazy[DataLoader],
        trainer: Lazy[Trainer],
        vocabulary: Lazy[Vocabulary] = Lazy(Vocabulary),  # noqa: B008  (a default that builds nothing yet)
        datasets_for_vocab_creation: list[str] | None = None,
        validation_dataset_reader: DatasetReader | None = None,
        validation_data_path: Any = None,
        validation_data_loader: Lazy[DataLoader] | None = None,
        test_data_path: Any = None,
        evaluate_on_test: bool = False,
        batch_weight_key: str = "",
        ddp_accelerator: DdpAccelerator | None = None,
    ) -> "TrainModel":
        """Build an experiment from the top level of a config, whose keys are these parameters.

        Args:
            serialization_dir: folder for all files of the run; passed by the command.
            local_rank: number of this process on its machine; passed by the command.
            dataset_reader: reads the training data, and the other data unless `validation_dataset_reader` is given.
            train_data_path: training data, in the form that the reader takes.
            model: the model.
            data_loader: batches the training data, and the other data unless `validation_data_loader` is given.
            trainer: trains the model.
            vocabulary: the vocabulary; by default built from the instances of the data.
            datasets_for_vocab_creation: those of "train", "validation" and "test" that the vocabulary is built from; all
                by default.
            validation_dataset_reader: reads validation and test data.
            validation_data_path: validation data; without it there is no early stopping.
            validation_data_loader: batches validation and test data.
            test_data_path: test data, for the vocabulary and for `evaluate_on_test`.
            evaluate_on_test: whether to evaluate the trained model on the test data.
            batch_weight_key: as in the class.
            ddp_accelerator: wraps the model in a distributed run; passed by the command.

        Raises:
            ConfigurationError: a data set is empty, or `datasets_for_vocab_creation` names one that does not exist.
        """
        cls.check_arguments(
            datasets_for_vocab_creation,
            validation_data_path,
            test_data_path,
            evaluate_on_test,
            train_data_path,
        )
        loaders = _data_loaders(
            {"train": train_data_path, "validation": validation_data_path, "test": test_data_path},
            (dataset_reader, validation_dataset_reader or dataset_reader),
            (data_loader, validation_data_loader or data_loader),
        )
        if validation_data_loader is None:
            _warn_about_limited_epochs(loaders)
        try:
            vocab = vocabulary.construct(
                instances=_instances_for_vocabulary(loaders, datasets_for_vocab_creation)
            )
        except NoTokenIndexersError as error:
            raise ConfigurationValueError(
                f"dataset_reader: {type(dataset_reader).__name__}: {error}"
            ) from error
        built_model, used_namespaces = _build_model(model, vocab, serialization_dir, ddp_accelerator)
        _save_vocabulary(built_model.vocab, serialization_dir)
        _log_sizes(built_model)
        for loader in loaders.values():
            loader.index_with(built_model.vocab)
        built_trainer = trainer.construct(
            serialization_dir=serialization_dir,
            model=built_model,
            data_loader=loaders["train"],
            validation_data_loader=loaders.get("validation"),
            local_rank=local_rank,
            ddp_accelerator=ddp_accelerator,
        )
        experiment = cls(
            serialization_dir=serialization_dir,
            model=built_model,
            trainer=built_trainer,
            evaluation_data_loader=loaders.get("test"),
            evaluate_on_test=evaluate_on_test,
            batch_weight_key=batch_weight_key,
        )
        experiment.data_loaders = loaders
        experiment.used_namespaces = used_namespaces
        return experiment

    @staticmethod
    def check_arguments(
        datasets_for_vocab_creation: list[str] | None,
        validation_data_path: Any,
        test_data_path: Any,
        evaluate_on_test: bool,
        train_data_path: Any,
        serialization_dir: str | None = None,
    ) -> None:
        """Check that the data sets that the options refer to are given; `nlpreg check` calls this too."""
        if serialization_dir is not None:
            raise ConfigurationError(
                "serialization_dir: expected no such key: the option -s names the folder; leave it out"
            )
        paths = {"train": train_data_path, "validation": validation_data_path, "test": test_data_path}
        for name, path in paths.items():
            if name == "train" or path is not None:
                _check_data_path(f"{name}_data_path", path)
        if evaluate_on_test and test_data_path is None:
            raise ConfigurationError(
                "evaluate_on_test: expected test_data_path beside it; give it, or leave this out"
            )
        known = [name for name, path in paths.items() if path is not None]
        for name in datasets_for_vocab_creation or ():
            if name not in known:
                reason = f"there is no {name}_data_path" if name in paths else "there is no such data set"
                raise ConfigurationError(
                    f"datasets_for_vocab_creation: {name!r}: {reason}{did_you_mean(name, {*paths} - {name})} "
                    f"(there are: {', '.join(known)})"
                )


TrainModel.register("default", constructor="from_partial_objects")(TrainModel)


def _build_model(
    model: Lazy[Model], vocab: Vocabulary, serialization_dir: str, ddp_accelerator: DdpAccelerator | None
) -> tuple[Model, set[str]]:
    """Build the model; also return the namespaces of the vocabulary that its constructor used."""
    with recorded_namespaces(vocab) as used:
        try:
            built = model.construct(
                vocab=vocab, serialization_dir=serialization_dir, ddp_accelerator=ddp_accelerator
            )
        except (ArithmeticError, LookupError, RuntimeError, ValueError) as error:
            if not isinstance(error, ConfigurationError):
                _check_namespaces(vocab, used, error)
            raise
    # embeddings from another archive may be for a smaller vocabulary
    built.extend_embedder_vocab()
    built.check_before_training()
    return built, used


@contextlib.contextmanager
def recorded_namespaces(vocab: Vocabulary) -> Iterator[set[str]]:
    """Record the namespaces of a vocabulary that are used within the block."""
    used: set[str] = set()
    names = (
        "get_vocab_size",
        "get_token_index",
        "get_token_from_index",
        "get_index_to_token_vocabulary",
        "get_token_to_index_vocabulary",
    )

    def recording(method: Callable[..., Any]) -> Callable[..., Any]:
        signature = inspect.signature(method)

        def call(*args: Any, **kwargs: Any) -> Any:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            used.add(bound.arguments["namespace"])
            return method(*args, **kwargs)

        return call

    before = dict(vars(vocab))
    for name in names:
        setattr(vocab, name, recording(getattr(vocab, name)))
    try:
        yield used
    finally:
        for name in names:
            delattr(vocab, name)
            if name in before:
                setattr(vocab, name, before[name])


def _check_namespaces(vocab: Vocabulary, used: set[str], error: Exception) -> None:
    """Replace an error of the model's constructor if it used an empty namespace of the vocabulary.

    Raises:
        ConfigurationError: it did; empty namespaces are the likely reason of the error.
    """
    sizes = vocab.namespace_sizes()
    empty = sorted(name for name in used if not sizes.get(name))
    if empty:
        filled = ", ".join(f"{name} ({size})" for name, size in sorted(sizes.items()) if size)
        cause = ConfigurationError(
            f"it uses the namespace {', '.join(map(repr, empty))} of the vocabulary, which nothing fills; there are: "
            f"{filled}. Does one of its namespaces have another name? ({type(error).__name__}: {error})"
        )
        cause.config_path = "model"  # type: ignore[attr-defined]  # as for errors of constructors
        raise cause from error


def _check_data_path(key: str, path: Any, depth: int = 0) -> None:
    """Check the form of a data path: a string, a list of paths, or an object with a path for each task."""
    if isinstance(path, (str, os.PathLike)) and os.fspath(path):
        return
    items = list(
        path.items() if isinstance(path, Mapping) else enumerate(path if isinstance(path, list) else ())
    )
    if not items or depth > 2 or any(name == "" for name, _ in items):
        raise ConfigurationError(f"{key}: expected the path of the data, found {found(path)}")
    for _, item in items:
        _check_data_path(key, item, depth + 1)


def _data_loaders(
    paths: dict[str, Any],
    readers: tuple[DatasetReader, DatasetReader],
    loaders: tuple[Lazy[DataLoader], Lazy[DataLoader]],
) -> dict[str, DataLoader]:
    """A loader for each data set that has a path; the first reader and loader of the pairs are for the training data."""
    logger.info("reading the data")
    built: dict[str, DataLoader] = {}
    for name, path in paths.items():
        if name != "train" and path is None:
            continue
        other = int(name != "train")
        with _naming_folder(name, path):
            built[name] = loaders[other].construct(reader=readers[other], data_path=path)
        _check_not_empty(built[name], name, path)
    return built


@contextlib.contextmanager
def _naming_folder(name: str, path: Any) -> Iterator[None]:
    """Context manager that adds the key to the error of a reader that opens a folder as a file."""
    try:
        yield
    except IsADirectoryError as error:
        paths = path.values() if isinstance(path, Mapping) else path if isinstance(path, list) else [path]
        if str(error.filename) not in map(str, paths):
            raise
        raise ConfigurationError(
            f"{name}_data_path: {error.filename}: this is a folder, expected a file"
        ) from error


def _check_not_empty(loader: DataLoader, name: str, path: Any) -> None:
    """Log the size of a data set.

    Raises:
        ConfigurationError: it has no batches, as far as the loader knows.
    """
    try:
        batches = len(loader)
    except TypeError:  # data that are read again in each epoch
        logger.info("%s data: %s, read as it is needed", name, path)
        return
    # a process may have no share of the validation data, but without training data it cannot take part in an update
    if batches == 0 and (name == "train" or not is_distributed()):
        reason = "is the file empty, or in another format than the dataset reader expects?"
        if is_distributed():
            reason = (
                "this process has no share of it. Are there fewer instances, or batches, than processes? "
                "Train with fewer processes, or give more data"
            )
        raise ConfigurationError(f"{name}_data_path: {path}: there is no batch in these data; {reason}")
    instances = getattr(loader, "_instances", None)  # for a loader that keeps all instances
    count = f"{len(instances):,} instances, " if isinstance(instances, list) else ""
    logger.info("%s data: %s: %s%s batches", name, path, count, f"{batches:,}")


def _warn_about_limited_epochs(loaders: dict[str, DataLoader]) -> None:
    for name in ("validation", "test"):
        for key in ("batches_per_epoch", "instances_per_epoch"):
            if getattr(loaders.get(name), key, None) is not None:
                logger.warning(
                    "data_loader.%s also limits the %s data; "
                    'give a "validation_data_loader" without it to use all of them',
                    key,
                    name,
                )


def _instances_for_vocabulary(loaders: dict[str, DataLoader], wanted: list[str] | None) -> Iterator[Instance]:
    """The instances of the data sets that the vocabulary is built from, read on demand."""
    for name, loader in loaders.items():
        if wanted is None or name in wanted:
            with _naming_folder(name, getattr(loader, "data_path", None)):
                yield from loader.iter_instances()


def _save_vocabulary(vocab: Vocabulary, serialization_dir: str) -> None:
    """Save the vocabulary, which the model may have extended, once all processes have read theirs.

    Raises:
        ConfigurationError: the run is resumed from a checkpoint whose weights belong to another vocabulary, or its
            vocabulary is gone.
    """
    if is_distributed():
        torch.distributed.barrier()
    folder = os.path.join(serialization_dir, VOCABULARY_FOLDER)
    if not is_global_primary() or _is_saved_in(vocab, folder):
        return
    if any(name.startswith("training_state_") for name in os.listdir(serialization_dir)):
        if not os.path.isdir(folder):
            raise ConfigurationError(
                f"{folder}: is missing, and the weights of the run belong to it; put it back, as from model.tar.gz, or "
                "start a new run in another folder"
            )
        raise ConfigurationError(
            f"{folder}: the data give a different vocabulary than that of the run's weights; restore the data to resume the "
            "run, or start a new one in another folder"
        )
    vocab.save_to_files(folder)


def _is_saved_in(vocab: Vocabulary, folder: str) -> bool:
    """Whether a folder, written by a resumed run or by the launcher, contains exactly this vocabulary.

    Files that are damaged, according to their recorded digests, are rewritten.
    """
    if not os.path.isdir(folder):
        return False
    with tempfile.TemporaryDirectory() as fresh:
        vocab.save_to_files(fresh)
        names = [name for name in os.listdir(fresh) if not name.startswith(".")]
        same, differing, missing = filecmp.cmpfiles(fresh, folder, names, shallow=False)
        try:
            is_as_recorded = read_digests(folder) == read_digests(fresh)
        except DamagedFileError as error:
            logger.warning("%s", error)
            is_as_recorded = False
        if not differing and not missing:
            # if not, the record is damaged, or the folder is of an earlier version without records
            if not is_as_recorded:
                forget_digests(folder, "*")
                record_digests(folder, same)
            return True
        if not is_as_recorded:
            return False
    logger.warning(
        "%s: damaged or missing, rewritten from the data: %s",
        folder,
        ", ".join(sorted(differing + missing)),
    )
    vocab.save_to_files(folder)
    return True


def _log_sizes(model: Model) -> None:
    """Log the sizes of vocabulary and model."""
    sizes = [f"{name} {model.vocab.get_vocab_size(name):,}" for name in sorted(model.vocab.get_namespaces())]
    logger.info("vocabulary: %s", ", ".join(sizes) or "empty")
    total = sum(parameter.numel() for parameter in model.parameters())
    frozen = sum(parameter.numel() for parameter in model.parameters() if not parameter.requires_grad)
    logger.info(
        "model: %s, %s parameters%s",
        type(model).__name__,
        f"{total:,}",
        f", {frozen:,} of them frozen" if frozen else "",
    )
