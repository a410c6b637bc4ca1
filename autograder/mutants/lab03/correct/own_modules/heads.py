"""The model of own_modules."""
from parts import Model as SimCLRModel
