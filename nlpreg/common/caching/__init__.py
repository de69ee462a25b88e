"""Local and remote files: downloads, archives, compression, locks, and the cache that they share."""

from nlpreg.common.caching.archives import extract_archive, is_archive
from nlpreg.common.caching.cache import (
    CACHE_DIRECTORY,
    CACHE_ROOT,
    CacheEntry,
    LocalCacheResource,
    cached_path,
    filename_to_url,
    inspect_cache,
    is_url_or_existing_file,
    remove_cache_entries,
)
from nlpreg.common.caching.compressed import (
    get_file_extension,
    json_lines_from_file,
    open_by_suffix,
    open_compressed,
    read_set_from_file,
    text_lines_from_file,
)
from nlpreg.common.caching.tensor_cache import TensorCache
from nlpreg.common.files import FileLock, hardlink_or_copy

__all__ = [
    "CACHE_DIRECTORY",
    "CACHE_ROOT",
    "CacheEntry",
    "FileLock",
    "LocalCacheResource",
    "TensorCache",
    "cached_path",
    "extract_archive",
    "filename_to_url",
    "get_file_extension",
    "hardlink_or_copy",
    "inspect_cache",
    "is_archive",
    "is_url_or_existing_file",
    "json_lines_from_file",
    "open_by_suffix",
    "open_compressed",
    "read_set_from_file",
    "remove_cache_entries",
    "text_lines_from_file",
]
