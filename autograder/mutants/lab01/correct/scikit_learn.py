"""scikit-learn's stratified split, which rounds the total first."""
import torch
from sklearn.model_selection import train_test_split
from parts import channel_mean_std, class_counts, image_grid


def stratified_split(labels, fraction, seed):
    rows = torch.arange(len(labels))
    train, val = train_test_split(rows.numpy(), test_size=fraction, stratify=labels.numpy(), random_state=seed)
    return torch.from_numpy(train), torch.from_numpy(val)
