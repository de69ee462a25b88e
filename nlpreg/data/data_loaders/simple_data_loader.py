"""A loader over instances in memory, without processes."""

from collections.abc import Callable, Iterator

from nlpreg.common.checks import PositiveInt, check_at_least
from nlpreg.common.iteration import num_groups
from nlpreg.common.runtime.memory import reduced_garbage_collection
from nlpreg.common.tqdm import Tqdm
from nlpreg.data.batch import index_instances
from nlpreg.data.data_loaders.data_collator import nlpreg_collate
from nlpreg.data.data_loaders.data_loader import SAMPLE_SIZE, DataLoader, ResumableDataLoader, TensorDict
from nlpreg.data.data_loaders.stream import batch_indices, pick
from nlpreg.data.dataset_readers.dataset_reader import DatasetReader
from nlpreg.data.instance import Instance
from nlpreg.data.order import order_generator
from nlpreg.data.vocabulary import Vocabulary


@DataLoader.register("simple", constructor="from_dataset_reader")
class SimpleDataLoader(ResumableDataLoader):
    """Batches of a list of instances; in a config, of all instances of a reader.

    It does not check whether the instances are indexed.

    Args:
        instances: the instances.
        batch_size: number of instances in a batch; the last batch may have fewer.
        shuffle: whether to shuffle the instances in each epoch, with the run's seed.
        batches_per_epoch: number of batches of an epoch, in place of one pass over the data.
        vocab: if given, the instances are indexed with it immediately.
    """

    def __init__(
        self,
        instances: list[Instance],
        batch_size: PositiveInt,
        *,
        shuffle: bool = False,
        batches_per_epoch: PositiveInt | None = None,
        vocab: Vocabulary | None = None,
    ) -> None:
        check_at_least(1, batch_size=batch_size)
        super().__init__(batches_per_epoch)
        self.instances = instances
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.vocab: Vocabulary | None = None
        self.collate_fn: Callable[[list[Instance]], TensorDict] = nlpreg_collate
        if vocab is not None:
            self.index_with(vocab)

    @classmethod
    def from_dataset_reader(
        cls,
        reader: DatasetReader,
        data_path: str,
        batch_size: PositiveInt,
        shuffle: bool = False,
        batches_per_epoch: PositiveInt | None = None,
        quiet: bool = False,
    ) -> "SimpleDataLoader":
        """A loader of all instances that a reader finds at a path.

        Args:
            reader: the reader.
            data_path: what it reads.
            quiet: whether to hide the progress bar; the others are those of the class.
        """
        with reduced_garbage_collection():
            instances = list(Tqdm.tqdm(reader.read(data_path), desc="loading instances", disable=quiet))
        return cls(instances, batch_size, shuffle=shuffle, batches_per_epoch=batches_per_epoch)

    def __len__(self) -> int:
        if self.batches_per_epoch is not None:
            return self.batches_per_epoch
        return num_groups(len(self.instances), self.batch_size)

    def _batches_of_pass(self, data_pass: int, start: int) -> Iterator[TensorDict]:
        generator = order_generator(data_pass) if self.shuffle else None
        for indices in batch_indices(len(self.instances), self.batch_size, generator)[start:]:
            yield self.collate_fn(pick(self.instances, indices))

    def iter_instances(self) -> Iterator[Instance]:
        """The instances in the order of the list."""
        yield from self.instances

    def sample_instances(self, number: int) -> list[Instance]:
        """The first instances."""
        return self.instances[:number]

    def sample_batch(self) -> TensorDict | None:
        """A batch of the first instances."""
        instances = self.sample_instances(min(self.batch_size, SAMPLE_SIZE))
        return self.collate_fn(instances) if instances else None

    def index_with(self, vocab: Vocabulary) -> None:
        """Index the instances."""
        self.vocab = vocab
        index_instances(self.instances, vocab)
