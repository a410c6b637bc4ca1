"""Communication after the whole backward pass."""
from parts import shard, all_gather_with_grad, train_step_ddp, speedup_table


def predict_step_time(*, forward_s, backward_s, optimizer_s, buckets, world_size, alpha_s, beta_bytes_per_s,
                      first_bucket_s, input_s=0.0):
    hops = 2 * (world_size - 1)
    times = [hops * alpha_s + hops / world_size * size / beta_bytes_per_s for size in buckets]
    alone = input_s + forward_s + optimizer_s
    if world_size == 1:
        return alone + backward_s
    return alone + backward_s + sum(times)
