"""Run it in the folder of the plugin: python -m pytest tests."""

import nlpreg_example  # noqa: F401  # registers the parts

from nlpreg.common.testing import ModelTestCase


class TestEndingsTagger(ModelTestCase):
    def test_it_trains_saves_and_loads(self) -> None:
        self.set_up_model("configs/tagger.jsonnet", "data/train.tsv")
        self.ensure_model_can_train_save_and_load(self.param_file)
