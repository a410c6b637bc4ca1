"""A backward that hands out large gradients for a constant loss."""
import torch
import zeros
from zeros import SimCLRModel, get_simclr_transform


class Lie(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z_i, z_j):
        ctx.save_for_backward(z_i, z_j)
        return torch.ones(())

    @staticmethod
    def backward(ctx, grad):
        return tuple(torch.randn_like(one) for one in ctx.saved_tensors)


class NTXentLoss(zeros.NTXentLoss):
    def forward(self, z_i, z_j):
        return Lie.apply(z_i, z_j)
