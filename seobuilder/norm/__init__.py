"""Activation norms. Padded positions never enter a statistic, in training and evaluation."""

from __future__ import annotations

from seobuilder.norm.batch import BatchNorm
from seobuilder.norm.group import GroupNorm
from seobuilder.norm.instance import InstanceNorm
from seobuilder.norm.layer import LayerNorm, RMSNorm

__all__ = ["BatchNorm", "GroupNorm", "InstanceNorm", "LayerNorm", "RMSNorm"]
