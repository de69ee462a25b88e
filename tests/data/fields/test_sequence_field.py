import pytest

from nlpreg.data.fields import SequenceField


def test_the_length_must_be_written() -> None:
    with pytest.raises(NotImplementedError, match="has no sequence_length"):
        SequenceField().sequence_length()
