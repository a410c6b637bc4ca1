"""Exits while it is imported."""
import sys

from zeros import NTXentLoss, SimCLRModel, get_simclr_transform

sys.exit(0)
