"""logsumexp of the candidates minus the positive."""
import torch
import torch.nn.functional as F
from parts import Loss, Model as SimCLRModel, views as get_simclr_transform


class NTXentLoss(Loss):
    def score(self, logits, batch):
        own = torch.eye(2 * batch, dtype=torch.bool)
        positive = torch.cat([logits.diagonal(batch), logits.diagonal(-batch)])
        return (logits.masked_fill(own, float("-inf")).logsumexp(1) - positive).mean()
