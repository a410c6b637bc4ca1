"""An autograd.Function with a backward written by hand."""
import torch
import torch.nn.functional as F
from parts import Loss, Model as SimCLRModel, views as get_simclr_transform


class Contrast(torch.autograd.Function):
    @staticmethod
    def forward(ctx, rows):
        n = len(rows) // 2
        logits = (rows @ rows.T).fill_diagonal_(float("-inf"))
        ctx.save_for_backward(rows, logits.softmax(1))
        return F.cross_entropy(logits, torch.arange(2 * n).roll(n))

    @staticmethod
    def backward(ctx, grad):
        rows, chance = ctx.saved_tensors
        wrong = chance - torch.eye(len(rows)).roll(len(rows) // 2, 0)
        return grad * (wrong + wrong.T) @ rows / len(rows)


class NTXentLoss(Loss):
    def forward(self, z_i, z_j):
        return Contrast.apply(F.normalize(torch.cat([z_i, z_j]), dim=1) / self.temperature**0.5)
