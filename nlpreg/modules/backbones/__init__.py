"""Backbones: what several heads of one model have in common."""

from nlpreg.modules.backbones.backbone import Backbone
from nlpreg.modules.backbones.pretrained_transformer_backbone import PretrainedTransformerBackbone
from nlpreg.modules.backbones.text_backbone import TextBackbone

__all__ = ["Backbone", "PretrainedTransformerBackbone", "TextBackbone"]
