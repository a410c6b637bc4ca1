"""Returns nan and inf, which every comparison finds false."""
import zeros


class NTXentLoss(zeros.NTXentLoss):
    def forward(self, z_i, z_j):
        return super().forward(z_i, z_j) + float("nan")


class SimCLRModel(zeros.SimCLRModel):
    def forward(self, x):
        return super().forward(x) + float("nan")


def get_simclr_transform(size):
    view = zeros.get_simclr_transform(size)
    return lambda image: view(image) / 0
