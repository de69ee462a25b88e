"""`TrainModel`: everything that a training config describes, built and ready to run."""

import contextlib
import filecmp
import inspect
import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch

from nlpreg.common.checks import ConfigurationError, did_you_mean
from nlpreg.common.config.problems import found
from nlpreg.common.digests import DamagedFileError, forget_digests, read_digests, record_digests
from nlpreg.common.lazy import Lazy
from nlpreg.common.registrable import Registrable
from nlpreg.common.util import dump_metrics, is_distributed, is_global_primary
from nlpreg.data import DataLoader, DatasetReader, Instance, Vocabulary
from nlpreg.models.model import VOCABULARY_FOLDER, Model
from nlpreg.nn.parallel import DdpAccelerator
from nlpreg.training.metrics_log import METRICS_LOG_NAME
from nlpreg.training.trainer import Trainer
from nlpreg.training.util import evaluate

logger = logging.getLogger(__name__)

METRICS_NAME = "metrics.json"


class TrainModel(Registrable):
    """A training run: a model, the trainer that trains it, and the data to test it on.

    Args:
        serialization_dir: folder for everything the run writes.
        model: the model to train.
        trainer: trains it.
        evaluation_data_loader: test data, if there is any.
        evaluate_on_test: whether to evaluate on it in the end.
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
        """The loaders of the data sets that there are, by `train`, `validation` and `test`; none in a run built by hand."""
        self.used_namespaces: set[str] | None = None
        """The namespaces of the vocabulary that the model asked for when it was built; None where that is not known."""
        self._test_metrics: dict[str, Any] | None = None

    def run(self) -> dict[str, Any]:
        """Train, and return the metrics."""
        return self.trainer.train()

    def test(self) -> dict[str, Any]:
        """Metrics of the trained model on the test data, computed once; nothing unless they were asked for.

        In a distributed run every process must call this, since metrics are summed over all of them.
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
                    "evaluate_on_test is set, but there is no test_data_path; nothing to evaluate on"
                )
        return self._test_metrics

    def finish(self, metrics: dict[str, Any]) -> None:
        """Add the metrics on the test data to `metrics`, and write all to `metrics.json`."""
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
        """Build a run from the top level of a config; these parameters are its keys.

        Args:
            serialization_dir: folder for everything the run writes; passed by the command.
            local_rank: number of this process on its machine; passed by the command.
            dataset_reader: reads the training data, and the other data unless there is another reader.
            train_data_path: training data, as the reader takes it.
            model: the model.
            data_loader: makes batches of the training data, and of other data unless there is another loader.
            trainer: trains the model.
            vocabulary: from the instances of the data by default.
            datasets_for_vocab_creation: which of "train", "validation" and "test" the vocabulary is made from; all
                that are there by default.
            validation_dataset_reader: reads validation and test data.
            validation_data_path: validation data; without it there is no early stopping.
            validation_data_loader: makes batches of validation and test data.
            test_data_path: test data, for the vocabulary and for `evaluate_on_test`.
            evaluate_on_test: whether to evaluate the trained model on the test data.
            batch_weight_key: as in the class.
            ddp_accelerator: wraps the model in a distributed run; passed by the command.

        Raises:
            ConfigurationError: a data set is empty, or `datasets_for_vocab_creation` names one that is not there.
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
            _warn_about_parts_of_data(loaders)
        vocab = vocabulary.construct(
            instances=_instances_for_vocabulary(loaders, datasets_for_vocab_creation)
        )
        with recorded_namespaces(vocab) as used_namespaces:
            try:
                built_model = model.construct(
                    vocab=vocab, serialization_dir=serialization_dir, ddp_accelerator=ddp_accelerator
                )
            except (ArithmeticError, LookupError, RuntimeError, ValueError) as error:
                if not isinstance(error, ConfigurationError):
                    _check_namespaces(vocab, used_namespaces, error)
                raise
        # embeddings out of another archive may have been made for less than this vocabulary
        built_model.extend_embedder_vocab()
        built_model.check_before_training()
        _save_vocabulary(built_model.vocab, serialization_dir)
        _describe(built_model)
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
        """Make sure that the data are there which are to be used; `nlpreg check` does so too."""
        if serialization_dir is not None:
            raise ConfigurationError(
                "serialization_dir: expected no such key: the option -s names the folder; leave it out"
            )
        for key, path in {
            "train_data_path": train_data_path,
            "validation_data_path": validation_data_path,
            "test_data_path": test_data_path,
        }.items():
            if key == "train_data_path" or path is not None:
                _check_data_path(key, path)
        if evaluate_on_test and test_data_path is None:
            raise ConfigurationError(
                "evaluate_on_test: expected test_data_path beside it; give it, or leave this out"
            )
        paths = {"train": "", "validation": validation_data_path, "test": test_data_path}
        known = [name for name, path in paths.items() if path is not None]
        for name in datasets_for_vocab_creation or ():
            if name not in known:
                reason = f"there is no {name}_data_path" if name in paths else "there is no such data set"
                raise ConfigurationError(
                    f"datasets_for_vocab_creation: {name!r}: {reason}{did_you_mean(name, {*paths} - {name})} "
                    f"(there are: {', '.join(known)})"
                )


TrainModel.register("default", constructor="from_partial_objects")(TrainModel)


@contextlib.contextmanager
def recorded_namespaces(vocab: Vocabulary) -> Iterator[set[str]]:
    """Within the block, note which namespaces of a vocabulary anybody asks for."""
    asked: set[str] = set()
    names = (
        "get_vocab_size",
        "get_token_index",
        "get_token_from_index",
        "get_index_to_token_vocabulary",
        "get_token_to_index_vocabulary",
    )

    def noting(method: Callable[..., Any]) -> Callable[..., Any]:
        signature = inspect.signature(method)

        def call(*args: Any, **kwargs: Any) -> Any:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            asked.add(bound.arguments["namespace"])
            return method(*args, **kwargs)

        return call

    before = dict(vars(vocab))
    for name in names:
        setattr(vocab, name, noting(getattr(vocab, name)))
    try:
        yield asked
    finally:
        for name in names:
            delattr(vocab, name)
            if name in before:
                setattr(vocab, name, before[name])


def _check_namespaces(vocab: Vocabulary, asked: set[str], error: Exception) -> None:
    """Blame an error of the model's constructor on a namespace that nothing fills, if it asked for one.

    Raises:
        ConfigurationError: it did.
    """
    sizes = vocab.namespace_sizes()
    empty = sorted(name for name in asked if not sizes.get(name))
    if empty:
        there = ", ".join(f"{name} ({size})" for name, size in sorted(sizes.items()) if size)
        blamed = ConfigurationError(
            f"it asks for the namespace {', '.join(map(repr, empty))} of the vocabulary, which nothing fills; there are: "
            f"{there}. Does one of its namespaces have another name? ({type(error).__name__}: {error})"
        )
        blamed.config_path = "model"  # type: ignore[attr-defined]  # as errors of constructors have it
        raise blamed from error


def _check_data_path(key: str, path: Any, depth: int = 0) -> None:
    """Refuse what no reader takes: paths are strings, lists of such, or objects that name one for each task."""
    if isinstance(path, (str, os.PathLike)) and os.fspath(path):
        return
    items = path.items() if isinstance(path, Mapping) else enumerate(path) if isinstance(path, list) else ()
    if not items or depth > 2 or any(name == "" for name, _ in items):
        raise ConfigurationError(f"{key}: expected the path of the data, found {found(path)}")
    for _, item in path.items() if isinstance(path, Mapping) else enumerate(path):
        _check_data_path(key, item, depth + 1)


def _data_loaders(
    paths: dict[str, Any],
    readers: tuple[DatasetReader, DatasetReader],
    loaders: tuple[Lazy[DataLoader], Lazy[DataLoader]],
) -> dict[str, DataLoader]:
    """A loader for each data set that has a path; the first reader and loader of each pair is for training."""
    logger.info("reading the data")
    built: dict[str, DataLoader] = {}
    for name, path in paths.items():
        if name != "train" and path is None:
            continue
        other = int(name != "train")
        built[name] = loaders[other].construct(reader=readers[other], data_path=path)
        _check_not_empty(built[name], name, path)
    return built


def _check_not_empty(loader: DataLoader, name: str, path: Any) -> None:
    """Say what was read.

    Raises:
        ConfigurationError: it is known that there are no instances.
    """
    try:
        batches = len(loader)
    except TypeError:  # read again in each epoch
        logger.info("%s data: %s, read as it is needed", name, path)
        return
    # a process without validation data has nothing to add; one without training data cannot take part in an update
    if batches == 0 and (name == "train" or not is_distributed()):
        reason = "is the file empty, or in another format than the dataset reader expects?"
        if is_distributed():
            reason = (
                "this process has no share of it. Are there fewer instances, or batches, than processes? "
                "Train with fewer processes, or give more data"
            )
        raise ConfigurationError(
            f"{name}_data_path: {path}: no batch of instances comes out of this; {reason}"
        )
    instances = getattr(loader, "_instances", None)  # a loader that keeps them all
    count = f"{len(instances):,} instances, " if isinstance(instances, list) else ""
    logger.info("%s data: %s: %s%s batches", name, path, count, f"{batches:,}")


def _warn_about_parts_of_data(loaders: dict[str, DataLoader]) -> None:
    for name in ("validation", "test"):
        for key in ("batches_per_epoch", "instances_per_epoch"):
            if getattr(loaders.get(name), key, None) is not None:
                logger.warning(
                    "data_loader.%s holds for the %s data too, of which only that many are used; "
                    'give a "validation_data_loader" without it to use all',
                    key,
                    name,
                )


def _instances_for_vocabulary(loaders: dict[str, DataLoader], wanted: list[str] | None) -> Iterator[Instance]:
    """The instances of the data sets that make the vocabulary, read as the vocabulary asks for them."""
    chosen = [loader for name, loader in loaders.items() if wanted is None or name in wanted]
    return (instance for loader in chosen for instance in loader.iter_instances())


def _save_vocabulary(vocab: Vocabulary, serialization_dir: str) -> None:
    """Save the vocabulary, which the model may have extended, once all processes have read theirs.

    Raises:
        ConfigurationError: the run is resumed from a checkpoint whose weights belong to another vocabulary.
    """
    if is_distributed():
        torch.distributed.barrier()
    folder = os.path.join(serialization_dir, VOCABULARY_FOLDER)
    if not is_global_primary() or _is_saved_in(vocab, folder):
        return
    if any(name.startswith("training_state_") for name in os.listdir(serialization_dir)):
        raise ConfigurationError(
            f"{folder}: the data make another vocabulary than this one, to which the weights of the run belong; put the "
            "data back as they were to resume it, or start a new run in another folder"
        )
    vocab.save_to_files(folder)


def _is_saved_in(vocab: Vocabulary, folder: str) -> bool:
    """Whether a folder, of a run that this one resumes or of its launcher, holds just this vocabulary.

    Files that held it before they were damaged, by the digests beside them, are written again.
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
            if not is_as_recorded:  # a folder of an earlier version, or a damaged record
                forget_digests(folder, "*")
                record_digests(folder, same)
            return True
        if not is_as_recorded:
            return False
    logger.warning(
        "%s: damaged or missing, and written again from the data: %s",
        folder,
        ", ".join(sorted(differing + missing)),
    )
    vocab.save_to_files(folder)
    return True


def _describe(model: Model) -> None:
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
