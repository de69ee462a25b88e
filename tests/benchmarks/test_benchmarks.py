"""The benchmarks run, and what they compare does the same."""

import copy
import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from nlpreg.training import Checkpointer

ROOT = Path(__file__).parents[2]

CONFIG = """{
  dataset_reader: { type: 'sequence_tagging', token_indexers: {
    tokens: { type: 'single_id' }, token_characters: { type: 'characters', min_padding_length: 3 } } },
  train_data_path: std.extVar('BENCH_DATA') + '/train.txt',
  validation_data_path: self.train_data_path,
  model: {
    type: 'simple_tagger',
    text_field_embedder: { token_embedders: {
      tokens: { type: 'embedding', embedding_dim: 4 },
      token_characters: { type: 'character_encoding', embedding: { embedding_dim: 4, vocab_namespace: 'token_characters' },
        encoder: { type: 'cnn', embedding_dim: 4, num_filters: 4, ngram_filter_sizes: [3] } },
    } },
    encoder: { type: 'lstm', input_size: 8, hidden_size: 4, bidirectional: true },
  },
  data_loader: { batch_size: 2, shuffle: true },
  trainer: { num_epochs: 2, optimizer: 'adam', cuda_device: -1 },
}"""

PREPARATION = """
import pathlib, sys
lines = ["The###DET apple###NOUN\\n", "Everybody###PRON reads###VERB that###DET book###NOUN\\n", "Go###VERB\\n"]
pathlib.Path(sys.argv[1], "train.txt").write_text("".join(4 * lines))
"""


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Imports a file of the folder `benchmarks`."""
    pytest.importorskip("torchcrf")
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module


def test_modules_run(
    benchmark: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "results" / "modules.md"
    monkeypatch.setattr("sys.argv", ["benchmarks/modules.py", "--quick", "--output", str(output)])
    benchmark("modules").main()
    text = output.read_text(encoding="utf-8")
    assert capsys.readouterr().out.strip() == text.strip()
    assert f"torch {torch.__version__}" in text
    assert f"Made by `python benchmarks/modules.py --quick --output {output}`." in text
    assert text.count("\n## ") == 6
    assert text.count("| 5 best paths |") == 4


def test_language_models_run(benchmark: Any, tmp_path: Path) -> None:
    output = tmp_path / "lm.md"
    benchmark("lm").main(["--quick", "--output", str(output)])
    text = output.read_text(encoding="utf-8")
    assert text.count("\n## ") == 6 and text.count("| transformer_lm |") == 3
    rows = [line for line in text.splitlines() if line.startswith(("| `lm_", "| `transformer_lm`"))]
    assert len(rows) == 2


def test_taggers_run(benchmark: Any, tmp_path: Path) -> None:
    output = tmp_path / "tagging.md"
    benchmark("tagging").main(["--quick", "--output", str(output)])
    text = output.read_text(encoding="utf-8")
    assert text.count("\n## ") == 4
    assert text.count("| simple_tagger |") == text.count("| crf_tagger |") == 2
    assert text.count("| tagging the development part |") == 1


def test_configs_run(benchmark: Any, tmp_path: Path) -> None:
    (tmp_path / "tagger.jsonnet").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "prep_data.py").write_text(PREPARATION, encoding="utf-8")
    output = tmp_path / "configs.md"
    benchmark("configs").main([str(tmp_path), "--quick", "--configs", "tagger", "--output", str(output)])
    rows = [line for line in output.read_text(encoding="utf-8").splitlines() if line.startswith("| `tagger`")]
    assert len(rows) == 2


def test_first_batch_runs(benchmark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_DATA", "")  # to be put back
    (tmp_path / "tagger.jsonnet").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "prep_data.py").write_text(PREPARATION, encoding="utf-8")
    output = tmp_path / "first_batch.md"
    benchmark("first_batch").main([str(tmp_path), "--quick", "--output", str(output), "--configs", "tagger"])
    assert "| `tagger` |" in output.read_text(encoding="utf-8")


@pytest.mark.slow
def test_threads_run(benchmark: Any, tmp_path: Path) -> None:
    (tmp_path / "tagger.jsonnet").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "prep_data.py").write_text(PREPARATION, encoding="utf-8")
    output = tmp_path / "threads.md"
    benchmark("threads").main([str(tmp_path), "--quick", "--output", str(output)])
    text = output.read_text(encoding="utf-8")
    assert text.count("| quiet |") == text.count("| beside a busy process |") == 3


@pytest.mark.slow
def test_the_configs_of_the_issue_run(benchmark: Any, tmp_path: Path, shared_data: Path) -> None:
    output = tmp_path / "configs.md"
    folder = shared_data.parent / "bench"
    benchmark("configs").main([str(folder), "--quick", "--output", str(output)])
    for name in benchmark("configs").CONFIGS:
        assert output.read_text(encoding="utf-8").count(f"| `{name}` |") == 2


def test_a_failed_run_shows_its_log(benchmark: Any, tmp_path: Path) -> None:
    configs = benchmark("configs")
    (tmp_path / "tagger.jsonnet").write_text("{", encoding="utf-8")
    options = configs.parser(None).parse_args(["--quick"])
    with pytest.raises(RuntimeError, match=r"nlpreg train .*tagger\.jsonnet"):
        configs.whole_run(tmp_path / "tagger.jsonnet", tmp_path, options)


def test_ratios_are_medians_over_blocks(benchmark: Any) -> None:
    blocks = [{"nlpreg": 9.0, "plain": 1.0, "tokens": 10.0}]  # warming up
    blocks += [{"nlpreg": 2.0, "plain": plain, "tokens": 10.0} for plain in (3.0, 4.0, 40.0)]
    run = benchmark("configs").Run(1.0, 1.0, {}, blocks)
    assert run.ratio_to("plain") == 2.0
    assert run.tokens_per_second() == pytest.approx(40 / 15)


def test_trainer_runs(benchmark: Any, tmp_path: Path) -> None:
    output = tmp_path / "trainer.md"
    benchmark("trainer").main(["--quick", "--output", str(output)])
    text = output.read_text(encoding="utf-8")
    assert text.count("\n## ") == 3
    assert text.count("| LSTM tagger, ") == 3
    assert text.count("| linear layer, ") == 1


def test_the_trainer_goes_on_from_a_checkpoint(benchmark: Any, tmp_path: Path) -> None:
    trainer, cpu = benchmark("trainer"), torch.device("cpu")
    case = benchmark("trainer_cases").tagger_case(1, cpu, quick=True)
    first = trainer.first_step(case, tmp_path, cpu)
    assert first._total_batches_completed == 1
    first._checkpointer.save_checkpoint(first)
    assert [path.name for path in trainer.newest_checkpoint(tmp_path)] == [
        "training_state_e0_b1.th",
        "model_state_e0_b1.th",
    ]
    assert trainer.first_step(case, tmp_path, cpu)._total_batches_completed == 2


@pytest.mark.parametrize("grad_norm", [None, 0.01])
def test_the_trainer_and_the_bare_loop_do_the_same(
    benchmark: Any, tmp_path: Path, grad_norm: float | None
) -> None:
    cases, cpu = benchmark("trainer_cases"), torch.device("cpu")
    model = cases.TinyModel()
    tiny = cases.tiny_case(3, cpu)
    case = cases.Case(tiny.name, lambda: copy.deepcopy(model), tiny.batches, grad_norm)
    bare = cases.BareLoop(case, cpu)
    loader = cases.ReadyBatches(case.batches, 2, cpu, bare.run)
    trainer = cases.make_trainer(case, loader, Checkpointer(tmp_path), cpu)
    trainer.train()
    assert len(loader.seconds) == len(bare.seconds) == 2
    torch.testing.assert_close(bare._model.state_dict(), trainer.model.state_dict())


@pytest.mark.parametrize("style", ["plain", "best"])
@pytest.mark.parametrize("config", ["lm_uni", "lm_bi_sampled", "tagger", "crf_tagger"])
def test_reference_models_learn(benchmark: Any, config: str, style: str) -> None:
    reference_models = benchmark("reference_models")
    torch.manual_seed(0)
    words = torch.tensor([[1, 2, 3, 4, 5], [2, 6, 7, 0, 0], [9, 8, 0, 0, 0]])
    batch = {"words": words}
    if config != "lm_uni":
        batch["characters"] = (words.unsqueeze(2) + torch.arange(6)) * (words > 0).unsqueeze(2)
    if "tagger" in config:
        batch["tags"] = words % 3
    sizes = {"tokens": 10, "token_characters": 20, "labels": 3}
    loop = reference_models.ReferenceLoop(config, sizes, style, torch.device("cpu"))
    first = loop.run([batch])
    assert loop.run([batch] * 15) < 0.9 * first


@pytest.mark.parametrize("style", ["plain", "best"])
def test_reference_language_models_learn(benchmark: Any, style: str) -> None:
    words = torch.tensor([[1, 2, 3, 4, 5], [2, 6, 7, 0, 0], [9, 8, 0, 0, 0]])
    for name in benchmark("reference_language_models").NAMES:
        torch.manual_seed(0)
        batch = {"words": words}
        if name == "transformer_lm":
            batch = {"words": words[:1, :4], "targets": words[:1, 1:]}
        loop = benchmark("reference_models").ReferenceLoop(name, {"tokens": 10}, style, torch.device("cpu"))
        first = loop.run([batch])
        assert loop.run([batch] * 40) < 0.9 * first


def test_distinct_words_are_encoded_as_every_word(benchmark: Any) -> None:
    encoder = benchmark("reference_models").CharacterEncoder(20, 4, 3, (2, 3), "plain")
    words = torch.tensor([[1, 2, 1], [2, 0, 0]])
    characters = (words.unsqueeze(2) * torch.tensor([3, 5, 7, 9])) % 20
    expected = encoder(words, characters)
    encoder.is_plain = False
    torch.testing.assert_close(encoder(words, characters), expected)


@pytest.mark.parametrize("is_ragged", [False, True])
def test_all_random_fields_agree(benchmark: Any, is_ragged: bool) -> None:
    case = benchmark("crf_cases").CrfCase(4, is_ragged, quick=True, device=torch.device("cpu"))
    scores = tuple(part.detach() for part in case.scores)
    expected = case.crf(case.logits, case.tags, case.mask)
    torch.testing.assert_close(case.other(case.logits, case.tags, case.mask), expected)
    loops: ModuleType = benchmark("crf_cases")
    torch.testing.assert_close(loops.loop_likelihood(case.logits, case.tags, case.lengths, scores), expected)
    best = case.crf.viterbi_tags(case.logits, case.mask, top_k=5)
    for count in (1, 5):
        found = loops.loop_best_paths(case.logits, case.lengths, scores, count)
        paths = [[path for path, _ in sentence[:count]] for sentence in best]
        assert [len(sentence) for sentence in paths] == [min(count, 4**length) for length in case.lengths]
        assert [sentence[: len(expected)] for sentence, expected in zip(found, paths, strict=True)] == paths


def test_memory_is_measured_in_another_process(benchmark: Any) -> None:
    measure = benchmark("softmax_memory").measure_in_process
    plain = measure("plain", 500, 20_000, 8, torch.device("cpu"), None)
    assert plain["mebibytes"] > 2 * 500 * 20_000 * 4 / 2**20
    assert json.loads(json.dumps(plain)) == plain
