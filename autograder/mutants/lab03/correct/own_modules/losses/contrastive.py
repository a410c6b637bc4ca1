"""The loss of own_modules."""
from parts import Loss as NTXentLoss
