"""One flipped bit in any file of a run's folder, of an archive or of the corpus cache: named, repaired, or without effect."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nlpreg.commands.command_line import exit_status as main
from nlpreg.commands.report.run_record import RunRecord
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.digests import check_digests
from nlpreg.data.dataset_readers import SimpleLanguageModelingDatasetReader
from nlpreg.data.id_corpus import id_corpus_of
from nlpreg.data.tokenizers import WhitespaceTokenizer
from nlpreg.models import load_archive
from tests.commands.conftest import finished_run

NOT_READ = ("out.log", "model.tar.gz")
"""Logs are for people, and the archive in a run's folder is tested for itself."""
ONLY_RESUMED = ("model_state_", "training_state_", "checkpoint_", "metrics_epoch_")
"""Files that nothing but `nlpreg train -r` reads."""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run; its config is beside it."""
    return finished_run(tmp_path_factory.mktemp("finished"), num_epochs=2)


def flips(path: Path, number: int) -> Iterator[int]:
    """Flip a bit at each of so many places of a file in turn, as far as it has them; put it back in the end."""
    whole = path.read_bytes()
    try:
        for step in range(min(number, len(whole))):
            at = (2 * step + 1) * len(whole) // (2 * min(number, len(whole)))
            path.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << at % 8)]) + whole[at + 1 :])
            yield at
    finally:
        path.write_bytes(whole)


def state_of(archive: Path) -> Any:
    """All of a loaded archive that its predictions depend on."""
    loaded = load_archive(archive)
    vocab = loaded.model.vocab
    return (
        {name: tensor.tolist() for name, tensor in loaded.model.state_dict().items()},
        {name: vocab.get_index_to_token_vocabulary(name) for name in sorted(vocab.get_namespaces())},
        loaded.config.as_dict(quiet=True),
    )


@pytest.mark.filterwarnings("ignore")  # each is an answer, too
def test_a_folder_that_is_loaded(finished: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = shutil.copytree(finished / "out", tmp_path / "out")

    def look() -> Any:
        record = RunRecord.read(str(folder))
        return state_of(folder), record.metrics, record.lines

    expected = look()
    assert "Restore a copy" not in caplog.text
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    names = {path.relative_to(folder).as_posix() for path in files}
    assert {"config.json", "best.th", "vocabulary/tokens.txt", "metrics.json", "metrics.jsonl"} <= names
    for path in files:
        if path.name.startswith((*NOT_READ, *ONLY_RESUMED)):
            continue
        for at in flips(path, 150 if path.name == "best.th" else 40):
            caplog.clear()
            try:
                is_right = look() == expected
            except ConfigurationError as error:
                is_right = path.name in str(error)
            assert is_right or path.name in caplog.text, (path, at)


@pytest.mark.filterwarnings("ignore")
def test_a_folder_that_is_resumed(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run is resumed, or refused with the name of the file; what is packed then is whole."""
    config = str(finished / "c.json")
    expected = state_of(finished / "out" / "model.tar.gz")
    whole = finished / "out"
    files = [path.relative_to(whole) for path in sorted(whole.rglob("*")) if path.is_file()]
    for name in files:
        if name.name in NOT_READ or not (whole / name).stat().st_size:
            continue
        folder = shutil.copytree(whole, tmp_path / "out")
        (folder / "model.tar.gz").unlink()
        for _ in flips(folder / name, 1):
            code = main("nlpreg", ["train", config, "-s", str(folder), "-r"])
            said = "".join(capsys.readouterr())
            assert code == 0 or (code == 2 and (name.name in said or str(folder) in said)), (name, said)
            if code == 0:
                assert state_of(folder / "model.tar.gz") == expected, name
                check_digests(folder / "vocabulary")
        shutil.rmtree(folder)


@pytest.mark.filterwarnings("ignore")
def test_an_archive(finished: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = Path(shutil.copy(finished / "out" / "model.tar.gz", tmp_path))
    expected = state_of(path)
    for at in flips(path, 250):
        caplog.clear()
        try:
            is_right = state_of(path) == expected
        except ConfigurationError as error:
            is_right = str(path) in str(error)
        assert is_right, at


def test_a_corpus_of_ids(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    text = tmp_path / "text.txt"
    text.write_text("the cat sat\nthe 2nd dog\n")
    reader = SimpleLanguageModelingDatasetReader(tokenizer=WhitespaceTokenizer())

    def words() -> Any:
        corpus = id_corpus_of(reader, str(text), "source", cache_dir=tmp_path / "cache")
        return corpus.folder, [corpus.text(number) for number in range(corpus.num_texts)]

    folder, expected = words()
    assert len(list(folder.iterdir())) >= 5
    for path in sorted(folder.iterdir()):
        for at in flips(path, 40):
            caplog.clear()
            assert words() == (folder, expected), (path, at)
            assert "made again" in caplog.text, (path, at)
