"""Wrong parts, sent along with every file of attacks/: without its trick, each of them earns nothing."""


def train_step(model, optimizer, batches, *, scaler=None, clip=None):
    return 0.0


def evaluate(model, batches):
    return 0.0, 0.0


def fit(model, optimizer, scheduler, batches_of, epochs, *, accumulate=1, val=None):
    return [{"train_loss": 0.0, "val_loss": 0.0, "val_accuracy": 0.0}] * epochs


def train_probe(backbone, head, optimizer, batches):
    return 0.0


def save_state(model, optimizer, scheduler, step):
    return {"step": step}


def load_state(state, model, optimizer, scheduler):
    return state["step"]
