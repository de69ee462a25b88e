from nlpreg.data.fields.array_field import ArrayField
from nlpreg.data.fields.tensor_field import TensorField


def test_the_older_name() -> None:
    assert ArrayField is TensorField
