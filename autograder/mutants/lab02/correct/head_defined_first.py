"""The linear layers are defined before the convolutions, and explicit."""
import torch.nn.functional as F
from torch import nn
from parts import ResNet18, ResNetBlock, epoch_throughput, throughput


class AlexNet(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.fc8 = nn.Linear(4096, num_classes)
        self.fc7 = nn.Linear(4096, 4096)
        self.fc6 = nn.Linear(9216, 4096)
        self.c5 = nn.Conv2d(256, 256, 3, padding=1)
        self.c4 = nn.Conv2d(384, 256, 3, padding="same")
        self.c3 = nn.Conv2d(192, 384, 3, padding=1)
        self.c2 = nn.Conv2d(64, 192, 5, padding=2)
        self.c1 = nn.Conv2d(3, 64, 11, 4, 2)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.c1(x)), 3, 2)
        x = F.max_pool2d(F.relu(self.c2(x)), 3, 2)
        x = F.relu(self.c4(F.relu(self.c3(x))))
        x = F.max_pool2d(F.relu(self.c5(x)), 3, 2)
        x = F.adaptive_avg_pool2d(x, (6, 6)).reshape(len(x), -1)
        x = F.relu(self.fc6(F.dropout(x, 0.5, self.training)))
        x = F.relu(self.fc7(F.dropout(x, 0.5, self.training)))
        return self.fc8(x)
