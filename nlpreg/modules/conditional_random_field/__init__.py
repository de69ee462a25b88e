"""Conditional random fields over tag sequences, plain and with weighted labels."""

from nlpreg.modules.conditional_random_field.conditional_random_field import (
    ConditionalRandomField,
    allowed_transitions,
    is_transition_allowed,
)
from nlpreg.modules.conditional_random_field.conditional_random_field_wemission import (
    ConditionalRandomFieldWeightEmission,
)
from nlpreg.modules.conditional_random_field.conditional_random_field_wlannoy import (
    ConditionalRandomFieldWeightLannoy,
)
from nlpreg.modules.conditional_random_field.conditional_random_field_wtrans import (
    ConditionalRandomFieldWeightTrans,
)

__all__ = [
    "ConditionalRandomField",
    "ConditionalRandomFieldWeightEmission",
    "ConditionalRandomFieldWeightLannoy",
    "ConditionalRandomFieldWeightTrans",
    "allowed_transitions",
    "is_transition_allowed",
]
