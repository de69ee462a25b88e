"""Backbones: what several heads of one model have in common."""

from nlpreg.modules.backbones.backbone import Backbone, TextBackbone
from nlpreg.modules.backbones.pretrained_transformer_backbone import PretrainedTransformerBackbone

__all__ = ["Backbone", "PretrainedTransformerBackbone", "TextBackbone"]
