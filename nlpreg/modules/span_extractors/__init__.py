"""Vectors for spans of a sequence."""

from nlpreg.modules.span_extractors.bidirectional_endpoint_span_extractor import (
    BidirectionalEndpointSpanExtractor,
)
from nlpreg.modules.span_extractors.endpoint_span_extractor import EndpointSpanExtractor
from nlpreg.modules.span_extractors.max_pooling_span_extractor import MaxPoolingSpanExtractor
from nlpreg.modules.span_extractors.self_attentive_span_extractor import SelfAttentiveSpanExtractor
from nlpreg.modules.span_extractors.span_extractor import SpanExtractor
from nlpreg.modules.span_extractors.span_extractor_with_span_width_embedding import (
    SpanExtractorWithSpanWidthEmbedding,
)

__all__ = [
    "BidirectionalEndpointSpanExtractor",
    "EndpointSpanExtractor",
    "MaxPoolingSpanExtractor",
    "SelfAttentiveSpanExtractor",
    "SpanExtractor",
    "SpanExtractorWithSpanWidthEmbedding",
]
