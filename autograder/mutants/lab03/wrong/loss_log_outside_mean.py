"""The logarithm of the mean probability instead of the mean of logarithms."""
import torch
from parts import Loss, Model as SimCLRModel, views as get_simclr_transform


class NTXentLoss(Loss):
    def score(self, logits, batch):
        own = torch.eye(2 * batch, dtype=torch.bool)
        chance = logits.masked_fill(own, float("-inf")).softmax(1)[own.roll(batch, 0)]
        return -chance.mean().log()
