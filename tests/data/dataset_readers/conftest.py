from pathlib import Path

import pytest


@pytest.fixture
def read(tmp_path):
    """Write a text to a file, and read it back with a reader: `read(reader, text)` gives the instances."""

    def write_and_read(reader, text, name="data.txt"):
        path: Path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
        return list(reader.read(str(path)))

    return write_and_read


def words_of(instance, field="tokens"):
    return instance[field].human_readable_repr()
