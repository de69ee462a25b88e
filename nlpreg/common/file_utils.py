"""AllenNLP's `common.file_utils`: the names of `nlpreg.common.caching`."""

from nlpreg.common.caching import *  # noqa: F403
from nlpreg.common.caching import CACHE_DIRECTORY

DATASET_CACHE = CACHE_DIRECTORY
"""AllenNLP's older name of the folder of downloads."""
