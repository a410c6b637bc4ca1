"""One big main.py: imports of torchvision and transformers on top, training and arguments below, main guarded."""
import argparse
import os
from pathlib import Path

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision import datasets, transforms
from tqdm import tqdm
from transformers import AutoImageProcessor, AutoModel

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


class SupervisedModel(nn.Module):
    def __init__(self, backbone, num_classes):
        super().__init__()
        self.backbone = backbone
        self.classifier = nn.Linear(backbone.config.hidden_size, num_classes)

    def forward(self, x):
        return self.classifier(self.backbone(pixel_values=x).last_hidden_state[:, 0])


class SimCLRModel(nn.Module):
    def __init__(self, backbone, projection_dim=128):
        super().__init__()
        self.backbone = backbone
        self.projector = nn.Sequential(
            nn.Linear(backbone.config.hidden_size, backbone.config.hidden_size), nn.ReLU(),
            nn.Linear(backbone.config.hidden_size, projection_dim))

    def forward(self, x):
        return self.projector(self.backbone(pixel_values=x).last_hidden_state[:, 0])


class NTXentLoss(nn.Module):
    def __init__(self, device, batch_size, temperature=0.1):
        super().__init__()
        self.device, self.batch_size, self.temperature = device, batch_size, temperature

    def forward(self, z_i, z_j):
        n = z_i.size(0)
        z = F.normalize(torch.cat((z_i, z_j), dim=0), dim=1)
        sim = torch.matmul(z, z.T) / self.temperature
        sim.masked_fill_(torch.eye(2 * n, device=self.device).bool(), float("-inf"))
        target = torch.cat([torch.arange(n, 2 * n), torch.arange(n)]).to(self.device)
        return F.cross_entropy(sim, target)


def get_simclr_transform(size):
    jitter = transforms.ColorJitter(brightness=0.8, contrast=0.8, saturation=0.8, hue=0.2)
    return transforms.Compose([
        transforms.RandomResizedCrop(size=size), transforms.RandomHorizontalFlip(),
        transforms.RandomApply([jitter], p=0.8), transforms.RandomGrayscale(p=0.2), transforms.ToTensor()])


class TwoViews(Dataset):
    def __init__(self, data, transform):
        self.data, self.transform = data, transform

    def __getitem__(self, i):
        return self.transform(self.data[i][0]), self.transform(self.data[i][0])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--training_mode", required=True)
    args = parser.parse_args()
    backbone = AutoModel.from_pretrained("facebook/dinov3-vits16-pretrain-lvd1689m")
    data = datasets.ImageFolder(Path(os.environ["DATA"]), get_simclr_transform(224))
    for _ in tqdm(DataLoader(data)):
        print(args, backbone, AutoImageProcessor)


if __name__ == "__main__":
    main()
