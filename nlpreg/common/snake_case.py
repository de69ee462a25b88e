"""Names of classes as the commands write them."""

import re

__all__ = ["snake_case"]


def snake_case(name: str) -> str:
    """A class name as the commands write it: `Seq2SeqEncoder` -> `seq2seq_encoder`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower().replace("2_", "2")
