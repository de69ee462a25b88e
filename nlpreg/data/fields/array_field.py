"""The older name of `TensorField`."""

from nlpreg.data.fields.tensor_field import TensorField

ArrayField = TensorField
