"""T is always 0.5."""
from parts import Loss, Model as SimCLRModel, views as get_simclr_transform


def NTXentLoss(device, batch_size, temperature=0.5):
    return Loss(device, batch_size, 0.5)
