"""The sum is divided by the announced batch size, whatever the batch."""
from parts import Loss, Model as SimCLRModel, views as get_simclr_transform


class NTXentLoss(Loss):
    def __init__(self, device, batch_size, temperature):
        super().__init__(device, batch_size, temperature)
        self.batch_size = batch_size

    def forward(self, z_i, z_j):
        return super().forward(z_i, z_j) * len(z_i) / self.batch_size
