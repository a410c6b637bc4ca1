"""Ends the process when it is put into train mode."""
import zeros
import os
from zeros import ResNet18, ResNetBlock, epoch_throughput, throughput


class AlexNet(zeros.AlexNet):
    def train(self, mode=True):
        os._exit(0)
