"""Does not parse."""
from zeros import NTXentLoss, SimCLRModel, get_simclr_transform

def broken(:
    return
