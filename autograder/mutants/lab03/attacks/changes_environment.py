"""Changes folder, umask, locale, default dtype and device, determinism and gradient mode."""
import os

import torch
from zeros import NTXentLoss, SimCLRModel, get_simclr_transform

os.chdir("/")
os.environ.clear()
os.umask(0o777)
torch.set_default_dtype(torch.float16)
torch.set_default_device("meta")
torch.set_grad_enabled(False)
torch.inference_mode().__enter__()
