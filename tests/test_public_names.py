"""Names that code written for AllenNLP imports, name by name."""

import os
from pathlib import Path

import pytest
from public_names import exists, missing, names_in

NAMES = """
nlpreg.commands.evaluate.evaluate_from_args
nlpreg.commands.import_plugins
nlpreg.commands.predict._PredictManager
nlpreg.common.file_utils.DATASET_CACHE
nlpreg.confidence_checks.NormalizationBiasVerification
nlpreg.data.data_loaders.allennlp_collate
nlpreg.evaluation.serializers.SimpleSerializer
nlpreg.models.basic_classifier.BasicClassifier
nlpreg.models.model._DEFAULT_WEIGHTS
nlpreg.models.multitask.get_forward_arguments
nlpreg.modules.bimpm_matching.multi_perspective_match
nlpreg.modules.transformer.TransformerStack
nlpreg.nn.checkpoint.checkpoint_wrapper.TorchCheckpointWrapper
nlpreg.nn.parallel.ddp_accelerator.TorchDdpAccelerator
nlpreg.training.learning_rate_schedulers.ConstantLearningRateScheduler
nlpreg.training.learning_rate_schedulers.SlantedTriangular.freezing_current
nlpreg.version.VERSION_SHORT
"""


@pytest.mark.parametrize("name", NAMES.split())
def test_a_name_is_where_allennlp_has_it(name: str) -> None:
    assert exists(name)


def test_a_name_that_is_not_there_is_missing(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text(
        "`nlpreg.common.Params` and `nlpreg.common.Parrots`\n`fly_away(now=True)` `Params(x)`\n"
    )
    assert [name for _, name in names_in(tmp_path)] == [
        "nlpreg.common.Params",
        "nlpreg.common.Parrots",
        "fly_away",
        "Params",
    ]
    assert missing(tmp_path) == [("page.md:1", "nlpreg.common.Parrots"), ("page.md:2", "fly_away")]


SPECIFICATION = os.environ.get("NLPREG_SPECIFICATION", "")


@pytest.mark.skipif(not os.path.isdir(SPECIFICATION), reason="NLPREG_SPECIFICATION names no folder of pages")
def test_every_name_of_the_specification_is_there() -> None:
    assert missing(Path(SPECIFICATION)) == []
