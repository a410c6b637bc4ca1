"""parameters() and state_dict() tell of another model's tensors."""
import zeros
import torch
from zeros import ResNetBlock, epoch_throughput, throughput


class AlexNet(zeros.AlexNet):
    def parameters(self, recurse=True):
        sizes = [57_003_840 + 4097 * self.num_classes]
        return iter([torch.nn.Parameter(torch.empty(size, device="meta")) for size in sizes])


class ResNet18(AlexNet):
    def parameters(self, recurse=True):
        return iter([torch.nn.Parameter(torch.empty(11_168_832 + 513 * self.num_classes, device="meta"))])
