"""Momentum schedulers, by registered name."""

from nlpreg.training.momentum_schedulers.inverted_triangular import InvertedTriangular
from nlpreg.training.momentum_schedulers.momentum_scheduler import MomentumScheduler

__all__ = ["InvertedTriangular", "MomentumScheduler"]
