"""Identifiers of patients: find them and put typed tags or surrogates in their place. One engine for training data, outputs and logs."""

from osler.phi.find import find, residual_risk
from osler.phi.spans import Span, replace

__all__ = ["Span", "find", "replace", "residual_risk"]
