"""Right parts, sent along with every file of wrong/ and correct/, so that each of them shows its one point alone."""

import torch
import torch.nn.functional as F
from torch import nn
from torchvision import transforms


class Model(nn.Module):
    def __init__(self, backbone, projection_dim):
        super().__init__()
        self.backbone = backbone
        width = backbone.config.hidden_size
        self.head = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, projection_dim))

    def forward(self, x):
        return self.head(self.backbone(pixel_values=x).last_hidden_state[:, 0])


class Loss(nn.Module):
    def __init__(self, device, batch_size, temperature):
        super().__init__()
        self.temperature = temperature

    def forward(self, z_i, z_j):
        z = F.normalize(torch.cat([z_i, z_j]), dim=1)
        return self.score(z @ z.T / self.temperature, len(z_i))

    def score(self, logits, batch):
        logits = logits.masked_fill(torch.eye(2 * batch, dtype=torch.bool), float("-inf"))
        return F.cross_entropy(logits, torch.arange(2 * batch).roll(batch))


def views(size):
    return transforms.Compose([*geometry(size), *colour(), transforms.ToTensor()])


def geometry(size):
    return [transforms.RandomResizedCrop(size), transforms.RandomHorizontalFlip()]


def colour():
    jitter = transforms.ColorJitter(0.8, 0.8, 0.8, 0.2)
    return [transforms.RandomApply([jitter], p=0.8), transforms.RandomGrayscale(0.2)]
