import pytest

from nlpreg.commands.migrate import migrate_code
from nlpreg.common.config.old_configs import MigrationLog
from nlpreg.common.config.old_names import new_module_name

OLD = '''"""A plugin. It uses allennlp, über alles."""
import allennlp
import allennlp.nn.util as util, os
from allennlp.common import Params  # stays
from allennlp.data.dataset_readers.dataset_reader import (
    DatasetReader,  # the base
)
from allennlp_models.tagging import CrfTagger
from allennlp_models.lm.models.language_model import LanguageModel
from allennlp_models.tagging.dataset_readers import Conll2003DatasetReader as Reader
if True:
    from allennlp_models.lm import LanguageModel, SimpleLanguageModelingDatasetReader


@DatasetReader.register("mine")
class Mine(DatasetReader):
    def f(self, x="ä"): return allennlp.nn.util.get_mask(x, allennlp=1), self.allennlp
    path = "allennlp.common.params"
'''

NEW = '''"""A plugin. It uses allennlp, über alles."""
import nlpreg
import nlpreg.nn.util as util, os
from nlpreg.common import Params  # stays
from nlpreg.data.dataset_readers.dataset_reader import (
    DatasetReader,  # the base
)
from nlpreg.models.crf_tagger import CrfTagger
from nlpreg.models.language_model import LanguageModel
from nlpreg.data.dataset_readers import Conll2003DatasetReader as Reader
if True:
    from nlpreg.models.language_model import LanguageModel
    from nlpreg.data.dataset_readers.simple_language_modeling import SimpleLanguageModelingDatasetReader


@DatasetReader.register("mine")
class Mine(DatasetReader):
    def f(self, x="ä"): return nlpreg.nn.util.get_mask(x, allennlp=1), self.allennlp
    path = "nlpreg.common.params"
'''


def test_imports_are_rewritten_and_nothing_else() -> None:
    log = MigrationLog()
    assert migrate_code(OLD, "p.py", log) == NEW
    assert log.left == []


def test_code_without_the_old_packages_stays() -> None:
    log = MigrationLog()
    assert migrate_code("import os\n", "p.py", log) == "import os\n"
    assert not log.done


@pytest.mark.parametrize(
    ("code", "new", "message"),
    [
        (
            "from allennlp.interpret import SaliencyInterpreter\n",
            "from nlpreg.interpret import SaliencyInterpreter\n",
            "AllenNLP had allennlp.interpret.SaliencyInterpreter, nlpreg has no equivalent",
        ),
        (
            "import allennlp.interpret\n",
            "import nlpreg.interpret\n",
            "there is no nlpreg.interpret in nlpreg",
        ),
        (
            "from allennlp.data.iterators import BucketIterator\n",
            "from nlpreg.data.iterators import BucketIterator\n",
            "allennlp.data.iterators.BucketIterator, nlpreg has no equivalent",
        ),
        (
            "import allennlp_models.rc\n",
            "import nlpreg_models\n",
            "model package had allennlp_models.rc, nlpreg does not",
        ),
        ("x = ['allennlp>=1.0']\n", "x = ['allennlp>=1.0']\n", "require nlpreg instead"),
        ("x = allennlp_models.lm\n", "x = nlpreg_models.lm\n", ""),
        ("import allennlp as (\n", "import allennlp as (\n", "this version of Python cannot parse the file"),
        ("if 1: from allennlp_models.lm import LanguageModel, Nothing\n", None, "nlpreg has no equivalent"),
    ],
)
def test_what_is_not_there_is_named(code: str, new: str | None, message: str) -> None:
    log = MigrationLog()
    result = migrate_code(code, "p.py", log)
    if new is not None:
        assert result == new
    else:
        compile(result, "p.py", "exec")
    assert any(message in line for _, line in log.left) if message else not log.left


@pytest.mark.parametrize(
    ("old", "new", "is_known"),
    [
        ("allennlp.common", "nlpreg.common", True),
        ("allennlp.common.Params", "nlpreg.common.Params", True),
        ("allennlp.common.params.Params", "nlpreg.common.params.Params", True),
        ("allennlp.common.params.Parrots", "nlpreg.common.params.Parrots", False),
        ("allennlp.nothing", "nlpreg.nothing", False),
        (
            "allennlp_models.tagging.models.crf_tagger.CrfTagger",
            "nlpreg.models.crf_tagger.CrfTagger",
            True,
        ),
        ("allennlp_models.tagging.models.crf_tagger", "nlpreg.models.crf_tagger", True),
        ("allennlp_models.lm.predictors", "nlpreg.predictors", True),
        ("allennlp_models.rc.models.bidaf", "nlpreg.models.bidaf", False),
        ("allennlp", "nlpreg", True),
    ],
)
def test_names_of_modules(old: str, new: str, is_known: bool) -> None:
    assert new_module_name(old) == (new, is_known)
