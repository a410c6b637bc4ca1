"""Wrong parts, sent along with every file of attacks/: without its trick, each of them earns nothing."""


def shard(indices, rank, world_size, epoch):
    return []


def all_gather_with_grad(rows):
    return 0 * rows


def train_step_ddp(model, optimizer, images, labels):
    return 0.0


def speedup_table(seconds, kind, batch_size):
    return []


def predict_step_time(**parts):
    return 0.0
