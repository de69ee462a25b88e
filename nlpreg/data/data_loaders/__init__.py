"""Data loaders: batches of tensors, epoch by epoch."""

from nlpreg.data.data_loaders.data_collator import allennlp_collate, nlpreg_collate
from nlpreg.data.data_loaders.data_loader import DataLoader, TensorDict
from nlpreg.data.data_loaders.multiprocess_data_loader import MultiProcessDataLoader
from nlpreg.data.data_loaders.multitask_data_loader import MultiTaskDataLoader
from nlpreg.data.data_loaders.running_text_data_loader import RunningTextDataLoader
from nlpreg.data.data_loaders.simple_data_loader import SimpleDataLoader
from nlpreg.data.data_loaders.text_blocks_data_loader import TextBlocksDataLoader
from nlpreg.data.data_loaders.text_lines_data_loader import TextLinesDataLoader
from nlpreg.data.data_loaders.worker_pool import WorkerError

__all__ = [
    "DataLoader",
    "MultiProcessDataLoader",
    "MultiTaskDataLoader",
    "RunningTextDataLoader",
    "SimpleDataLoader",
    "TensorDict",
    "TextBlocksDataLoader",
    "TextLinesDataLoader",
    "WorkerError",
    "allennlp_collate",
    "nlpreg_collate",
]
