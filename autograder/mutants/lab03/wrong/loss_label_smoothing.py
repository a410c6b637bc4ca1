"""Label smoothing of 0.1 makes every stranger a bit of a partner."""
import torch
from parts import Loss, Model as SimCLRModel, views as get_simclr_transform
from torch.nn.functional import cross_entropy


class NTXentLoss(Loss):
    def score(self, logits, batch):
        logits = logits.masked_fill(torch.eye(2 * batch, dtype=torch.bool), -1e4)
        return cross_entropy(logits, torch.arange(2 * batch).roll(batch), label_smoothing=0.1)
