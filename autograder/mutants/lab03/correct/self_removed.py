"""The positive in column 0, negatives after it, the diagonal removed by indexing (a well-known repository's way)."""
import torch
import torch.nn.functional as F
from parts import Loss, Model as SimCLRModel, views as get_simclr_transform


class NTXentLoss(Loss):
    def __init__(self, device, batch_size, temperature):
        super().__init__(device, batch_size, temperature)
        self.device = device

    def forward(self, z_i, z_j):
        n = z_i.shape[0]
        labels = torch.cat([torch.arange(n) for _ in range(2)])
        labels = (labels[None] == labels[:, None]).float().to(self.device)
        features = F.normalize(torch.cat([z_i, z_j]), dim=1)
        similarity = features @ features.T
        mask = torch.eye(2 * n, dtype=torch.bool, device=self.device)
        labels, similarity = labels[~mask].view(2 * n, -1), similarity[~mask].view(2 * n, -1)
        positives = similarity[labels.bool()].view(2 * n, -1)
        negatives = similarity[~labels.bool()].view(2 * n, -1)
        logits = torch.cat([positives, negatives], 1) / self.temperature
        return F.cross_entropy(logits, torch.zeros(2 * n, dtype=torch.long, device=self.device))
