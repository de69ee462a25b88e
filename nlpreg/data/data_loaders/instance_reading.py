"""Reading all instances into memory, with the help of worker processes where that helps."""

from __future__ import annotations

import functools
import itertools
import logging
import time
import traceback
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from nlpreg.common.util import lazy_groups_of
from nlpreg.data.data_loaders.stream import InstanceStream
from nlpreg.data.data_loaders.worker_error import WorkerError
from nlpreg.data.data_loaders.worker_pool import WorkerPool
from nlpreg.data.fields.list_field import ListField
from nlpreg.data.fields.text_field import TextField
from nlpreg.data.instance import Instance

logger = logging.getLogger(__name__)

# The first instances are read here, to see how long one takes; the very first ones may wait for a model to
# load.
_INSTANCES_TO_WARM_UP = 8
_INSTANCES_TO_TIME = 56
# Reading that is quicker than this takes no longer than receiving what a worker has read.
_SECONDS_WORTH_A_WORKER = 300e-6

_INSTANCES_PER_MESSAGE = 256


def read_with_workers(stream: InstanceStream, start_method: str) -> Iterator[Instance]:
    """The instances of a stream, with token indexers, in the order in which one process would read them.

    Workers do not always help: what they read must be sent here. So they are started only where there are
    several, the reader divides its work, and reading the first instances here turns out to be slow.

    Raises:
        WorkerError: reading raised, in a worker or here.
    """
    try:
        instances = iter(_read_as_only_worker(stream))
        first = list(islice(instances, _INSTANCES_TO_WARM_UP))
        started = time.perf_counter()
        timed = list(islice(instances, _INSTANCES_TO_TIME))
        seconds = (time.perf_counter() - started) / _INSTANCES_TO_TIME
        is_slow = len(timed) == _INSTANCES_TO_TIME and seconds > _SECONDS_WORTH_A_WORKER
        if is_slow and stream.num_workers > 1 and stream.reader.manual_multiprocess_sharding:
            instances = _read_in_workers(stream, start_method)
        else:
            logger.info("reading in this process, where it takes %.0f us an instance", seconds * 1e6)
            instances = itertools.chain(first, timed, instances)
        for instance in instances:
            stream.reader.apply_token_indexers(instance)
            yield instance
    except WorkerError:
        raise
    except Exception as error:
        raise WorkerError(repr(error), traceback.format_exc()) from error
    finally:
        stream.reader._set_worker_info(None)


def _read_as_only_worker(stream: InstanceStream) -> Iterator[Instance]:
    """All instances, read here in the way a worker reads them: without token indexers."""
    return map(_without_indexers, replace(stream, num_workers=1).read(worker=0))


def _read_in_workers(stream: InstanceStream, start_method: str) -> Iterator[Instance]:
    """All instances, one of each worker in turn, which is the order that they were divided in."""
    # the reader itself may have to be sent, and must not think that it is the only worker
    stream.reader._set_worker_info(None)
    make_messages = functools.partial(_messages, stream)
    with WorkerPool(make_messages, stream.num_workers, start_method) as pool:
        waiting: dict[int, deque[Instance]] = {worker: deque() for worker in range(stream.num_workers)}
        while waiting:
            for worker, instances in list(waiting.items()):
                if not instances:
                    _, message = pool.receive(worker)
                    instances.extend(message or ())
                if instances:
                    yield instances.popleft()
                else:
                    del waiting[worker]


def _messages(stream: InstanceStream, worker: int) -> Iterator[list[Instance]]:
    """What a worker sends: instances, many at a time."""
    return lazy_groups_of(map(_without_indexers, stream.read(worker)), _INSTANCES_PER_MESSAGE)


def _without_indexers(instance: Instance) -> Instance:
    """The same instance, once it is known that no indexers would be sent along with it.

    Raises:
        ValueError: they would.
    """
    for name, field in instance.fields.items():
        while isinstance(field, ListField):
            field = field.field_list[0]
        if isinstance(field, TextField) and field._token_indexers is not None:
            raise ValueError(
                f"the text field {name!r} has token indexers already, which must not be sent from worker to worker with every "
                "instance; make it without them in text_to_instance, and set them in apply_token_indexers"
            )
    return instance
