"""Files under one name: local or remote, compressed or packed. The work is done in `nlpreg.common.caching`."""

from nlpreg.common.caching import (
    CACHE_DIRECTORY,
    CACHE_ROOT,
    FileLock,
    LocalCacheResource,
    TensorCache,
    cached_path,
    filename_to_url,
    get_file_extension,
    hardlink_or_copy,
    inspect_cache,
    is_url_or_existing_file,
    json_lines_from_file,
    open_compressed,
    read_set_from_file,
    remove_cache_entries,
    text_lines_from_file,
)

DATASET_CACHE = CACHE_DIRECTORY
"""An older name of the folder of downloads."""

__all__ = [
    "CACHE_DIRECTORY",
    "CACHE_ROOT",
    "DATASET_CACHE",
    "FileLock",
    "LocalCacheResource",
    "TensorCache",
    "cached_path",
    "filename_to_url",
    "get_file_extension",
    "hardlink_or_copy",
    "inspect_cache",
    "is_url_or_existing_file",
    "json_lines_from_file",
    "open_compressed",
    "read_set_from_file",
    "remove_cache_entries",
    "text_lines_from_file",
]
