import logging
from pathlib import Path

import nlpreg
from nlpreg.common.testing import AllenNlpTestCase, NlpregTestCase
from nlpreg.common.testing import test_case as module

ROOT = Path(nlpreg.__file__).parents[1].resolve()


def test_every_test_has_a_folder_of_its_own_and_leaves_nothing() -> None:
    one, other = NlpregTestCase(), NlpregTestCase()
    one.setup_method()
    other.setup_method()
    assert one.TEST_DIR != other.TEST_DIR
    (one.TEST_DIR / "sub").mkdir()
    (one.TEST_DIR / "sub" / "ä.txt").write_text("ä")
    one.teardown_method()
    assert not one.TEST_DIR.exists()
    assert other.TEST_DIR.is_dir()
    other.teardown_method()
    other.teardown_method()  # a folder that is gone already is no error


def test_paths_are_those_of_the_project() -> None:
    assert ROOT == NlpregTestCase.PROJECT_ROOT
    assert NlpregTestCase.MODULE_ROOT == ROOT / "nlpreg"
    assert NlpregTestCase.TESTS_ROOT == NlpregTestCase.PROJECT_ROOT_FALLBACK / "tests"
    assert NlpregTestCase.FIXTURES_ROOT == NlpregTestCase.PROJECT_ROOT_FALLBACK / "test_fixtures"


def test_the_old_name_is_the_same_class() -> None:
    assert AllenNlpTestCase is NlpregTestCase is module.AllenNlpTestCase


def test_a_plugin_overrides_paths_and_extends_the_set_up(tmp_path: Path) -> None:
    class PluginTestCase(AllenNlpTestCase):
        FIXTURES_ROOT = tmp_path

        def setup_method(self) -> None:
            super().setup_method()
            self.config = self.FIXTURES_ROOT / "config.jsonnet"

    case = PluginTestCase()
    case.setup_method()
    assert case.config == tmp_path / "config.jsonnet"
    case.teardown_method()


def test_chatty_loggers_are_silent() -> None:
    case = NlpregTestCase()
    case.setup_method()
    assert logging.getLogger("nlpreg.common.params").disabled
    case.teardown_method()
    for name in ("nlpreg.common.params", "nlpreg.nn.initializers"):
        logging.getLogger(name).disabled = False
