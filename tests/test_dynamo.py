"""The compiler waits until something is compiled, and is then torch's own."""

import subprocess
import sys

EAGER = """
import labkit, torch, torchvision
from torch.nn.parallel import DistributedDataParallel
from labkit import dynamo

torch.distributed.init_process_group("gloo", init_method="file://{store}", rank=0, world_size=1)
weights = torch.nn.Linear(3, 2)
plain, wrapped = weights, DistributedDataParallel(weights)
images = torch.arange(12.0).view(4, 3)
for kind in (torch.optim.SGD, torch.optim.AdamW):
    optimizer = kind(weights.parameters(), lr=0.1)
    wrapped(images).square().sum().backward()
    optimizer.step()
    optimizer.zero_grad()
    optimizer.load_state_dict(optimizer.state_dict())
kept = torch.compiler.disable(lambda: 7)
assert kept() == 7
assert not dynamo._loaded(), "an eager step has loaded the compiler"
"""
COMPILED = """
import copy, sys
import torch._dynamo.config as settings                       # a module below it, asked for first, is the only one
assert torch._dynamo.eval_frame.config is settings and sys.modules["torch._dynamo.config"] is settings
twin = copy.deepcopy(weights)
step = {name: torch.optim.AdamW(model.parameters()) for name, model in (("eager", twin), ("compiled", weights))}
def train(model, optimizer):
    loss = model(images).square().mean()
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return loss
train(twin, step["eager"])
torch.compile(train, backend="eager")(weights, step["compiled"])
torch.testing.assert_close(list(weights.parameters()), list(twin.parameters()))
import torch._dynamo.config                                  # a module below it is found, too
assert type(sys.modules["torch._dynamo"]) is type(sys) and torch._dynamo.config.optimize_ddp is True
boxes = torch.tensor([[0.0, 0, 0, 4, 4]])
assert torchvision.ops.roi_align(torch.ones(1, 1, 8, 8), boxes, 2).shape == (1, 1, 2, 2)  # asks is_compile_supported
assert optimizer.zero_grad.__wrapped__.__dict__["__dynamo_disable"] is not None
train(weights, step["compiled"])                             # what was kept from the first, eager steps still works
"""


def test_an_eager_step_loads_no_compiler_and_a_compiled_one_is_equal(tmp_path):
    program = EAGER.replace("{store}", str(tmp_path / "store")) + COMPILED
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
