"""Keys of AllenNLP 0.x and 1.x in the sections that run the training: iterator, trainer, loader, distributed."""

from __future__ import annotations

import math
from typing import Any

from nlpreg.commands.migrate.config_text import ConfigText, Section
from nlpreg.commands.migrate.log import MigrationLog

__all__ = ["TRAINER_RULES"]

_TENSORBOARD = {
    "summary_interval": "summary_interval",
    "histogram_interval": "distribution_interval",
    "log_batch_size_period": "batch_size_interval",
    "batch_size_interval": "batch_size_interval",
    "should_log_parameter_statistics": "should_log_parameter_statistics",
    "should_log_learning_rate": "should_log_learning_rate",
}
_CHECKPOINTER = {
    "num_serialized_models_to_keep": "keep_most_recent_by_count",
    "model_save_interval": "save_every_num_seconds",
}
_WITHOUT_SUCCESSOR = {
    "keep_serialized_model_every_num_seconds": "no checkpoints are kept beside the most recent ones",
    "gradient_accumulation_batch_size": 'give "num_gradient_accumulation_steps" instead',
    "should_log_inputs": "the callback console_logger has it",
}
_OLD_CALLBACKS = ("batch_callbacks", "epoch_callbacks", "end_callbacks", "trainer_callbacks")
_LOADER_OF_TORCH = ("pin_memory", "timeout", "worker_init_fn", "multiprocessing_context", "prefetch_factor")


def iterator_to_loader(config: ConfigText, log: MigrationLog) -> bool:
    """`iterator` -> `data_loader`."""
    for top in config.at(""):
        for old, new in (("iterator", "data_loader"), ("validation_iterator", "validation_data_loader")):
            if old not in top:
                continue
            sections = config.at(old)
            if new in top or len(sections) != 1:
                log.leave(
                    top.place,
                    f'"{old}" could not be turned into "{new}": it is put together from several parts',
                )
                continue
            place = sections[0].place
            text = _loader_of_iterator(config, sections[0], log)
            config.replace_section(sections[0], text)
            config.rename(_with(config, "", old), old, new)
            log.did(place, f'"{old}" is now "{new}"')
            return True
    return False


def _loader_of_iterator(config: ConfigText, iterator: Section, log: MigrationLog) -> str:
    """The text of the loader that does what an iterator did."""
    members: dict[str, str] = {}
    kind = iterator.value("type", "bucket")
    if kind == "multiprocess" and "base_iterator" in iterator:
        members["num_workers"] = iterator.source("num_workers") if "num_workers" in iterator else "1"
        inner = config.at(f"{iterator.path}.base_iterator")
        iterator = inner[-1] if inner else iterator
        kind = iterator.value("type", "bucket")
    size = iterator.source("batch_size") if "batch_size" in iterator else "32"
    if kind == "basic":
        shuffle = config.at("trainer")[-1].value("shuffle", True) if config.at("trainer") else True
        members = {"batch_size": size, "shuffle": config.literal(shuffle, iterator), **members}
    else:
        if kind != "bucket":
            log.leave(
                iterator.place,
                f'there is no counterpart of the iterator "{kind}"; "bucket" was put in its place',
            )
        members = {"batch_sampler": _sampler(config, iterator, size, log), **members}
    if "max_instances_in_memory" in iterator:
        members["max_instances_in_memory"] = iterator.source("max_instances_in_memory")
    if iterator.value("instances_per_epoch", 0) is not None and "instances_per_epoch" in iterator:
        members["batches_per_epoch"] = _ratio(iterator, "instances_per_epoch", size)
    if iterator.value("track_epoch"):
        log.leave(
            iterator.place,
            'track_epoch: add "track_epoch_callback" to trainer.callbacks; it sets model.epoch',
        )
    return config.object_text(members, iterator)


def _sampler(config: ConfigText, iterator: Section, size: str, log: MigrationLog) -> str:
    sampler = {"type": config.literal("bucket", iterator), "batch_size": size}
    largest = iterator.value("maximum_samples_per_batch")
    if largest is not None:
        sampler = {"type": config.literal("max_tokens_sampler", iterator), "max_tokens": str(largest[1])}
        log.leave(
            iterator.place, "maximum_samples_per_batch: max_tokens counts the padding of the longest text too"
        )
    keys = _field_names(iterator.value("sorting_keys"))
    if keys:
        sampler["sorting_keys"] = config.literal(keys, iterator)
    elif "sorting_keys" in iterator and iterator.value("sorting_keys") is None:
        log.leave(iterator.place, "sorting_keys is computed; it must now be a list of names of fields")
    for old, new in (("padding_noise", "padding_noise"), ("skip_smaller_batches", "drop_last")):
        if old in iterator:
            sampler[new] = iterator.source(old)
    return config.object_text(sampler, iterator)


def _field_names(sorting_keys: Any) -> list[str]:
    """Names of fields out of the old pairs (field, padding key), without repetitions."""
    names = [key[0] if isinstance(key, list) else key for key in sorting_keys or []]
    return list(dict.fromkeys(names))


def _ratio(section: Section, name: str, divisor: str) -> str:
    """`ceil(value / divisor)`, computed if both are numbers."""
    value = section.value(name)
    if isinstance(value, int) and divisor.isdigit():
        return str(math.ceil(value / int(divisor)))
    return f"std.ceil(({section.source(name)}) / ({divisor}))"


def trainer_keys(config: ConfigText, log: MigrationLog) -> bool:
    """Keys of `trainer` that moved, or have gone."""
    for trainer in config.at("trainer"):
        for rule in (_shuffle, _opt_level, _devices, _checkpoints, _tensorboard, _gone):
            if rule(config, trainer, log):
                return True
    return False


def _shuffle(config: ConfigText, trainer: Section, log: MigrationLog) -> bool:
    if "shuffle" not in trainer or config.at("iterator"):  # the iterator's rule reads it first
        return False
    loaders = config.at("data_loader")
    if loaders and not any("batch_sampler" in loader or "shuffle" in loader for loader in loaders):
        config.insert(loaders[-1], "shuffle", trainer.source("shuffle"))
        log.did(trainer.place, "trainer.shuffle is now data_loader.shuffle")
    else:
        log.did(trainer.place, "trainer.shuffle was removed: the data loader, or its batch sampler, decides")
    config.remove(_with(config, "trainer", "shuffle"), "shuffle")
    return True


def _opt_level(config: ConfigText, trainer: Section, log: MigrationLog) -> bool:
    if "opt_level" not in trainer:
        return False
    if trainer.value("opt_level") not in (None, "O0") and "use_amp" not in trainer:
        config.insert(trainer, "use_amp", "true")
        log.did(trainer.place, "trainer.opt_level is now trainer.use_amp: true")
    else:
        log.did(trainer.place, "trainer.opt_level was removed: it asked for full precision")
    config.remove(_with(config, "trainer", "opt_level"), "opt_level")
    return True


def _devices(config: ConfigText, trainer: Section, log: MigrationLog) -> bool:
    devices = trainer.value("cuda_device")
    if not isinstance(devices, list):
        return False
    if len(devices) == 1:
        config.replace(trainer, "cuda_device", str(devices[0]))
        log.did(trainer.place, "trainer.cuda_device is a single number now")
    elif any("distributed" in top for top in config.at("")):
        config.remove(trainer, "cuda_device")
        log.did(trainer.place, 'trainer.cuda_device was removed: "distributed" has the devices')
    else:
        top = config.at("")[-1]
        config.insert(top, "distributed", config.object_text({"cuda_devices": str(devices)}, top))
        config.remove(_with(config, "trainer", "cuda_device"), "cuda_device")
        log.did(trainer.place, "a list under trainer.cuda_device is now distributed.cuda_devices")
    return True


def _checkpoints(config: ConfigText, trainer: Section, log: MigrationLog) -> bool:
    for old, new in _CHECKPOINTER.items():
        if old not in trainer:
            continue
        text = "null" if trainer.value(old) == -1 else trainer.source(old)
        checkpointers = config.at("trainer.checkpointer")
        if checkpointers:
            config.insert(checkpointers[-1], new, text)
        else:
            config.insert(trainer, "checkpointer", config.object_text({new: text}, trainer))
        config.remove(_with(config, "trainer", old), old)
        log.did(trainer.place, f"trainer.{old} is now trainer.checkpointer.{new}")
        return True
    return False


def checkpointer_keys(config: ConfigText, log: MigrationLog) -> bool:
    """Keys of `trainer.checkpointer` that have other names."""
    for section in config.at("trainer.checkpointer"):
        for old, new in _CHECKPOINTER.items():
            if old in section:
                config.rename(section, old, new)
                log.did(section.place, f"trainer.checkpointer.{old} is now {new}")
                return True
        if "keep_serialized_model_every_num_seconds" in section:
            _drop(config, section, "keep_serialized_model_every_num_seconds", log)
            return True
    return False


def _tensorboard(config: ConfigText, trainer: Section, log: MigrationLog) -> bool:
    """Options of the summary writer are those of the callback `tensorboard`."""
    options = {new: trainer.source(old) for old, new in _TENSORBOARD.items() if old in trainer}
    writer = config.at("trainer.tensorboard_writer")
    for section in writer:
        known = {
            _TENSORBOARD.get(name, name): section.source(name) for name in section.keys if name != "type"
        }
        known.pop("serialization_dir", None)
        options.update(known)
    if not options and "tensorboard_writer" not in trainer:
        return False
    callback = config.object_text({"type": config.literal("tensorboard", trainer), **options}, trainer)
    callbacks = config.at("trainer.callbacks")
    if "callbacks" not in trainer:
        config.insert(trainer, "callbacks", f"[{callback}]")
    elif callbacks and callbacks[-1].shape.kind == "array":
        config.append(callbacks[-1], callback)
    else:
        log.leave(trainer.place, f"trainer.callbacks is computed; add to it: {callback}")
    for old in [*_TENSORBOARD, "tensorboard_writer"]:
        while any(old in section for section in config.at("trainer")):
            config.remove(_with(config, "trainer", old), old)
    log.did(trainer.place, 'the options of TensorBoard are now those of the callback "tensorboard"')
    return True


def _gone(config: ConfigText, trainer: Section, log: MigrationLog) -> bool:
    for name in _WITHOUT_SUCCESSOR:
        if name in trainer:
            _drop(config, trainer, name, log)
            return True
    for name in _OLD_CALLBACKS:
        if name in trainer:
            log.leave(
                trainer.place, f'trainer.{name}: make each a TrainerCallback and name it under "callbacks"'
            )
    if trainer.value("type") == "default":
        config.replace(trainer, "type", config.literal("gradient_descent", trainer))
        log.did(trainer.place, 'the trainer "default" is now "gradient_descent"')
        return True
    if trainer.value("type") == "callback":
        log.leave(
            trainer.place,
            'there is no trainer "callback"; its callbacks for logging, validation and checkpoints '
            'are built into "gradient_descent"',
        )
    return False


def loader_keys(config: ConfigText, log: MigrationLog) -> bool:
    """Keys of torch's own loader, which AllenNLP 1.x handed on."""
    for path in ("data_loader", "validation_data_loader"):
        for loader in config.at(path):
            if loader.value("type") in ("pytorch_dataloader", "default"):
                config.remove(loader, "type")
                log.did(loader.place, f"{path}.type was removed: the default loader does it")
                return True
            for name in _LOADER_OF_TORCH:
                if name in loader:
                    config.remove(loader, name)
                    log.did(loader.place, f"{path}.{name} was removed: the loader sees to it itself")
                    return True
        for sampler in config.at(f"{path}.batch_sampler"):
            keys = sampler.value("sorting_keys")
            if isinstance(keys, list) and any(isinstance(key, list) for key in keys):
                config.replace(sampler, "sorting_keys", config.literal(_field_names(keys), sampler))
                log.did(sampler.place, f"{path}.batch_sampler.sorting_keys is a list of names of fields now")
                return True
    return False


def distributed_keys(config: ConfigText, log: MigrationLog) -> bool:
    """`master_...` -> `primary_...`."""
    for section in config.at("distributed"):
        for name in ("address", "port"):
            if f"master_{name}" in section:
                config.rename(section, f"master_{name}", f"primary_{name}")
                log.did(section.place, f"distributed.master_{name} is now primary_{name}")
                return True
    return False


def _drop(config: ConfigText, section: Section, name: str, log: MigrationLog) -> None:
    config.remove(section, name)
    log.leave(section.place, f"{section.path}.{name} was removed: {_WITHOUT_SUCCESSOR[name]}")


def _with(config: ConfigText, path: str, name: str) -> Section:
    """The section at a path, as it stands now, that has a key."""
    return next(section for section in reversed(config.at(path)) if name in section)


TRAINER_RULES = (
    iterator_to_loader,
    trainer_keys,
    checkpointer_keys,
    loader_keys,
    distributed_keys,
)
"""Each makes one change and says whether it did."""
