"""Names that code written for AllenNLP imports, name by name."""

import os
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
_loader = SourceFileLoader("public_names", str(ROOT / "scripts" / "public_names"))
_spec = spec_from_loader("public_names", _loader)
assert _spec is not None
public_names = module_from_spec(_spec)
_loader.exec_module(public_names)

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
    assert public_names.exists(name)


def test_a_name_that_is_not_there_is_missing(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text(
        "`nlpreg.common.Params` and `nlpreg.common.Parrots`\n`fly_away(now=True)` `Params(x)`\n"
        "`data.fields`, `data.yields`, `Vocabulary`, `Vocabularies`, `_retained_counter`, `_lost_counter`\n"
    )
    assert [name for _, name in public_names.names_in(tmp_path)] == [
        "nlpreg.common.Params",
        "nlpreg.common.Parrots",
        "fly_away",
        "Params",
        "data.fields",
        "data.yields",
        "Vocabulary",
        "Vocabularies",
        "_retained_counter",
        "_lost_counter",
    ]
    assert public_names.missing(tmp_path) == [
        ("page.md:1", "nlpreg.common.Parrots"),
        ("page.md:2", "fly_away"),
        ("page.md:3", "data.yields"),
        ("page.md:3", "Vocabularies"),
        ("page.md:3", "_lost_counter"),
    ]


SPECIFICATION = Path(os.environ.get("NLPREG_SHARED") or ROOT.parent / "shared") / "spec"


@pytest.mark.skipif(
    not SPECIFICATION.is_dir(), reason="the pages of the specification are not here (NLPREG_SHARED)"
)
def test_every_name_of_the_specification_is_there() -> None:
    assert public_names.missing(SPECIFICATION) == []
