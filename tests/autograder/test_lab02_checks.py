"""All of lab02's known submissions against its checks, and its reference against labkit's models."""

import pytest
import torch

from autograder import audit
from autograder.measure.pairing import weights_of
from autograder.reference import lab02_model_zoo as right
from labkit.models import build


@pytest.mark.parametrize(("kind", "least"), [("correct", 14), ("wrong", 80), ("attacks", 10)])
def test_no_known_submission_is_misjudged(server, every, kind, least):
    those = audit.run("lab02", server, jobs=4, kinds=[kind], brief=True, every=every)
    assert len(audit.cases("lab02", [kind])) >= least and those
    assert not {one.name: (one.report.score, one.verdict) for one in those if not one.as_it_should_be}
    assert all(one.report.points == 20 and len(one.says) > 8 for one in those)


@pytest.mark.parametrize(
    ("layers", "parameters"),
    [
        (right.alexnet_layers(10), 57_044_810),
        (right.alexnet_layers(200), 57_823_240),
        (right.resnet18_layers(10), 11_173_962),
    ],
)
def test_the_reference_has_the_published_number_of_parameters(layers, parameters):
    sizes = [
        torch.Size(shape).numel() for layer in layers for name, _, shape in layer.slots() if name not in ("mean", "var")
    ]
    assert sum(sizes) == parameters


@pytest.mark.parametrize("train", [False, True])
def test_resnet18_is_labkits(train):
    layers = right.resnet18_layers(7)
    weights = weights_of(layers, 3)
    model = build("resnet18", num_classes=7, image_size=16).train(train)
    slots = {
        "weight": "weight",
        "bias": "bias",
        "scale": "weight",
        "shift": "bias",
        "mean": "running_mean",
        "var": "running_var",
    }
    modules = [one for one in model.modules() if isinstance(one, torch.nn.Conv2d | torch.nn.Linear)]
    norms = [one for one in model.modules() if isinstance(one, torch.nn.BatchNorm2d)]
    with torch.no_grad():
        for layer, module, norm in zip(layers, modules, [*norms, None], strict=True):
            for name, _, _ in layer.slots():
                holder = module if name in ("weight", "bias") else norm
                getattr(holder, slots[name]).copy_(weights[f"{layer.name}.{name}"])
        images = torch.randn(3, 3, 16, 16)
        assert right.far(model(images), right.resnet18(weights, images, train=train)) < 1e-4
