"""Raises BaseException everywhere."""
import zeros


class Odd(BaseException):
    pass


class NTXentLoss(zeros.NTXentLoss):
    def forward(self, z_i, z_j):
        raise Odd


class SimCLRModel(zeros.SimCLRModel):
    def forward(self, x):
        raise GeneratorExit


def get_simclr_transform(size):
    raise KeyboardInterrupt
