"""Two loops in Python, as the paper's algorithm is printed."""
import torch
from parts import Loss, Model as SimCLRModel, views as get_simclr_transform


class NTXentLoss(Loss):
    def forward(self, z_i, z_j):
        z = torch.cat([z_i, z_j])
        total = 0
        for i in range(len(z)):
            s = [torch.cosine_similarity(z[i], z[k], dim=0) / self.temperature for k in range(len(z)) if k != i]
            own = torch.cosine_similarity(z[i], z[(i + len(z_i)) % len(z)], dim=0) / self.temperature
            total = total + torch.logsumexp(torch.stack(s), 0) - own
        return total / len(z)
