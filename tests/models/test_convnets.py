"""LeNet, AlexNet, CNN, ResNet and Wide ResNet against second implementations with the same weights."""

from unittest import mock

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from labkit.models import build


def copy_by_order(source, target):
    """Give target the source's tensors in the order of their state dicts, shapes checked."""
    theirs, ours = list(source.state_dict().values()), target.state_dict()
    assert [t.shape for t in theirs] == [t.shape for t in ours.values()]
    target.load_state_dict(dict(zip(ours, theirs, strict=True)))


def shake_statistics(model):
    """Move BatchNorm away from the identity that a new one is in eval mode."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)


@pytest.mark.parametrize(("name", "stem"), [("resnet18", "cifar"), ("resnet18", "imagenet"), ("resnet34", "cifar")])
def test_resnet_is_torchvisions_with_another_stem(name, stem):
    torch.manual_seed(0)
    theirs = getattr(torchvision.models, name)(num_classes=10)
    if stem == "cifar":
        theirs.conv1, theirs.maxpool = nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.Identity()
    shake_statistics(theirs)
    ours = build(name, stem=stem)
    copy_by_order(theirs, ours)
    images = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(ours.eval()(images), theirs.eval()(images), rtol=1e-4, atol=1e-4)


def test_resnet_trains_like_torchvisions():
    """Gradients of weights and the running statistics agree: nothing in place spoils the backward pass."""
    torch.manual_seed(0)
    theirs = torchvision.models.resnet18(num_classes=10)
    theirs.conv1, theirs.maxpool = nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.Identity()
    ours = build("resnet18")
    copy_by_order(theirs, ours)
    theirs, ours = theirs.double(), ours.double()
    images, labels = torch.randn(4, 3, 16, 16, dtype=torch.float64), torch.arange(4)
    for model in (theirs, ours):
        F.cross_entropy(model(images), labels).backward()
    for a, b in zip(theirs.parameters(), ours.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad)
    for a, b in zip(theirs.buffers(), ours.buffers(), strict=True):
        torch.testing.assert_close(a, b)


@pytest.fixture(scope="module")
def torchvisions_alexnet():
    torch.manual_seed(0)
    return torchvision.models.alexnet(num_classes=10).eval()


def alexnet_with(weights, size):
    with mock.patch("torch.nn.init.kaiming_uniform_"):  # 57 million random numbers to be thrown away
        model = build("alexnet", image_size=size).eval()
    model.load_state_dict(dict(zip(model.state_dict(), weights.values(), strict=True)), assign=True)
    return model


@pytest.mark.parametrize("size", [70, 96, 161, 224])  # last maps of 1x1, 2x2, 4x4, 6x6
def test_alexnet_is_torchvisions(torchvisions_alexnet, size):
    ours = alexnet_with(torchvisions_alexnet.state_dict(), size)
    images = torch.randn(1, 3, size, size)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), torchvisions_alexnet(images), rtol=1e-4, atol=1e-5)


def test_alexnet_at_32_px_is_the_same_network_behind_the_stem(torchvisions_alexnet):
    theirs = torchvisions_alexnet
    ours = alexnet_with(theirs.state_dict(), 32)
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        with pytest.raises(RuntimeError):  # why the variant exists: the plain stem leaves nothing to pool
            theirs(images)
        stem = F.conv2d(images, theirs.features[0].weight, theirs.features[0].bias, stride=2, padding=5)
        assert stem.shape == (2, 64, 16, 16)  # as at 70 px
        expected = theirs.classifier(theirs.avgpool(theirs.features[1:](stem)).flatten(1))
        torch.testing.assert_close(ours(images), expected, rtol=1e-4, atol=1e-5)


def lenet_by_hand(x, w):
    """The homework's LeNet written as operations on its ten tensors, in order."""
    x = F.avg_pool2d(torch.sigmoid(F.conv2d(x, w[0], w[1], padding=2)), 2)
    x = F.avg_pool2d(torch.sigmoid(F.conv2d(x, w[2], w[3])), 2).flatten(1)
    x = torch.sigmoid(F.linear(x, w[4], w[5]))
    return F.linear(torch.sigmoid(F.linear(x, w[6], w[7])), w[8], w[9])


def cnn_by_hand(x, w):
    for i in range(6):
        x = F.relu(F.conv2d(x, w[2 * i], w[2 * i + 1], padding=1))
        x = F.max_pool2d(x, 2) if i % 2 else x
    x = F.relu(F.linear(x.flatten(1), w[12], w[13]))
    return F.linear(F.relu(F.linear(x, w[14], w[15])), w[16], w[17])


@pytest.mark.parametrize(("name", "by_hand"), [("lenet", lenet_by_hand), ("cnn", cnn_by_hand)])
def test_small_nets_do_what_their_tables_say(name, by_hand):
    torch.manual_seed(0)
    model = build(name).eval()
    weights = [p + 0.02 * torch.randn_like(p) for p in model.state_dict().values()]
    model.load_state_dict(dict(zip(model.state_dict(), weights, strict=True)))
    images = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(model(images), by_hand(images, weights), rtol=1e-4, atol=1e-5)


def wide_resnet_by_hand(x, state, *, published):
    """The guide's network in eval mode, from our state dict's names; slow on purpose: it is the oracle."""

    def cbr(x, key):
        x = F.conv2d(x, state[f"{key}.0.weight"], padding="same")
        s = {n: state[f"{key}.1.{n}"] for n in ("running_mean", "running_var", "weight", "bias")}
        return F.relu(F.batch_norm(x, s["running_mean"], s["running_var"], s["weight"], s["bias"]))

    def block(x, key):
        out = cbr(cbr(x, f"{key}.layer1"), f"{key}.layer2")
        scale = state.get(f"{key}.scale.weight")
        return out + (x if scale is None else F.conv2d(x, scale, state[f"{key}.scale.bias"]))

    x = cbr(x, "input_block")
    for i in range(3):
        x = block(block(x, f"stages.{i}.0"), f"stages.{i}.1")
        x = F.max_pool2d(x, 2) if i < 2 else x
    x = F.avg_pool2d(x, 7 if published else 8).flatten(1)  # 7 of 8: the guide leaves a row and a column out
    return F.linear(x, state["head.weight"], state["head.bias"])


@pytest.mark.parametrize("pool", ["global", "published"])
def test_wide_resnet_is_the_guides(pool):
    torch.manual_seed(0)
    model = build("wide_resnet", num_classes=100, pool=pool).eval()
    shake_statistics(model)
    images = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        expected = wide_resnet_by_hand(images, model.state_dict(), published=pool == "published")
        torch.testing.assert_close(model(images), expected, rtol=1e-4, atol=1e-4)


def test_without_batchnorm_no_layer_normalises_and_each_convolution_has_a_bias():
    model = build("resnet18", norm=None)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in model.modules())
    convolutions = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    assert len(convolutions) == 20 and all(m.bias is not None for m in convolutions)
    images = torch.randn(2, 3, 32, 32)
    model.eval()
    one, both = model(images[:1]), model.train()(images)  # an image's neighbours don't matter
    torch.testing.assert_close(one, both[:1], rtol=1e-4, atol=1e-5)
