"""What every other part of nlpreg stands on: the registry, construction from a config, and small helpers."""

from nlpreg.common.from_params import FromParams
from nlpreg.common.lazy import Lazy
from nlpreg.common.meta import Meta
from nlpreg.common.params import Params
from nlpreg.common.registrable import Registrable
from nlpreg.common.tqdm import Tqdm
from nlpreg.common.util import JsonDict

__all__ = ["FromParams", "JsonDict", "Lazy", "Meta", "Params", "Registrable", "Tqdm"]
