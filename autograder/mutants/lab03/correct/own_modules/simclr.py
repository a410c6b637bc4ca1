"""Three files that import each other."""
from heads import SimCLRModel
from losses.contrastive import NTXentLoss
from parts import views as get_simclr_transform
