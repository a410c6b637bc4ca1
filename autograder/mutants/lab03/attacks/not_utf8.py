"""Bytes that are no UTF-8."""
from zeros import NTXentLoss, SimCLRModel, get_simclr_transform
name = "ÿþé"
