"""Returns sparse, complex and meta tensors."""
import torch
import zeros


class NTXentLoss(zeros.NTXentLoss):
    def forward(self, z_i, z_j):
        return torch.empty((), device="meta")


class SimCLRModel(zeros.SimCLRModel):
    def forward(self, x):
        return super().forward(x).to_sparse()


def get_simclr_transform(size):
    view = zeros.get_simclr_transform(size)
    return lambda image: view(image) * 1j
