"""Instances of earlier runs, kept as arrays and found again."""

from nlpreg.data.instance_cache.instance_cache import read_or_recall
from nlpreg.data.instance_cache.packing import NotPackable, pack_instances, unpack_instances

__all__ = ["NotPackable", "pack_instances", "read_or_recall", "unpack_instances"]
