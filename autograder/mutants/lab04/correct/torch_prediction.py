"""The prediction in tensors, with one formula for all cases."""
import torch
from parts import shard, all_gather_with_grad, train_step_ddp, speedup_table


def predict_step_time(forward_s, backward_s, optimizer_s, buckets, world_size, alpha_s, beta_bytes_per_s,
                      first_bucket_s, input_s=0.0):
    sizes = torch.tensor(buckets, dtype=torch.float64)
    hops = 2 * (world_size - 1)
    times = hops * (alpha_s + sizes / world_size / beta_bytes_per_s)
    end = max(backward_s, first_bucket_s + times[:-1].sum()) if world_size > 1 else backward_s
    return input_s + forward_s + end + times[-1] + optimizer_s
