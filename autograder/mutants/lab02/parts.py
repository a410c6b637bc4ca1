"""Right parts, sent along with every file of wrong/ and correct/, so that each of them shows its one point alone."""

import statistics

import torch.nn.functional as F
from torch import nn


class AlexNet(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.features = nn.Sequential(*self.maps())
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = nn.Sequential(*self.head(num_classes))

    def maps(self):
        return [
            nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
            nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
            nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(),
            nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2),
        ]

    def head(self, num_classes):
        return [
            nn.Dropout(0.5), nn.Linear(256 * 6 * 6, 4096), nn.ReLU(),
            nn.Dropout(0.5), nn.Linear(4096, 4096), nn.ReLU(),
            nn.Linear(4096, num_classes),
        ]

    def forward(self, x):
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


class ResNetBlock(nn.Module):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.shortcut = nn.Sequential()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = self.project(in_channels, out_channels, stride)

    def project(self, in_channels, out_channels, stride):
        return nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
        )

    def forward(self, x):
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(out + self.shortcut(x))


class ResNet18(nn.Module):
    block = ResNetBlock
    widths = (64, 128, 256, 512)
    strides = (1, 2, 2, 2)
    depths = (2, 2, 2, 2)

    def __init__(self, num_classes):
        super().__init__()
        self.stem()
        blocks, before = [], self.widths[0]
        for width, stride, depth in zip(self.widths, self.strides, self.depths):
            for i in range(depth):
                blocks.append(self.block(before, width, stride if i == 0 else 1))
                before = width
        self.layers = nn.Sequential(*blocks)
        self.linear = nn.Linear(before, num_classes)

    def stem(self):
        self.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)

    def enter(self, x):
        return F.relu(self.bn1(self.conv1(x)))

    def forward(self, x):
        x = self.layers(self.enter(x))
        return self.linear(x.mean((2, 3)))


def throughput(step, batch_size, *, warmup, repeats, clock, wait):
    for _ in range(warmup):
        step()
    wait()
    start = clock()
    for _ in range(repeats):
        step()
    wait()
    return batch_size * repeats / (clock() - start)


def epoch_throughput(epoch_seconds, num_images, batch_size, drop_last):
    images = num_images // batch_size * batch_size if drop_last else num_images
    return images / statistics.median(epoch_seconds[1:] or epoch_seconds)
