"""Classifier and projection head on our backbones and on a Hugging Face one, made from a configuration."""

import pytest
import torch
from torch import nn

from labkit.models import SimCLRModel, SupervisedModel, build
from labkit.run_folder import LabError


@pytest.fixture(scope="module")
def dinov3():
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.DINOv3ViTConfig(
        hidden_size=48,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=3,
        num_register_tokens=4,
        image_size=32,
    )
    return transformers.DINOv3ViTModel(config).eval()


def test_simclr_model_on_our_backbone_is_two_layers_on_its_features():
    torch.manual_seed(0)
    backbone = build("resnet_tiny", num_classes=None).eval()
    model = SimCLRModel(backbone, projection_dim=64, hidden_dim=96).eval()
    images = torch.rand(3, 3, 32, 32)
    h = backbone(images)
    first, second = (m for m in model.projection if isinstance(m, nn.Linear))
    torch.testing.assert_close(model.features(images), h)
    torch.testing.assert_close(model(images), second(first(h).clamp(min=0)))
    assert (first.weight.shape, second.weight.shape) == ((96, 128), (64, 96))


def test_hidden_layer_is_as_wide_as_the_features_unless_said_otherwise():
    model = SimCLRModel(build("lenet", num_classes=None))
    shapes = [tuple(m.weight.shape) for m in model.projection if isinstance(m, nn.Linear)]
    assert shapes == [(84, 84), (128, 84)]


def test_batch_norm_follows_each_linear_layer_and_takes_its_bias():
    model = SimCLRModel(build("lenet", num_classes=None), projection_dim=16, batch_norm=True)
    kinds = [type(m) for m in model.projection]
    assert kinds == [nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Linear, nn.BatchNorm1d]
    assert all(m.bias is None for m in model.projection if isinstance(m, nn.Linear))
    z = model(torch.rand(8, 3, 32, 32))
    torch.testing.assert_close(z.mean(0), torch.zeros(16), rtol=0, atol=1e-5)


def test_a_hugging_face_backbone_gives_its_class_token_after_the_last_norm(dinov3):
    images = torch.rand(2, 3, 32, 32)
    expected = dinov3(pixel_values=images).pooler_output
    for model in (SimCLRModel(dinov3, projection_dim=32).eval(), SupervisedModel(dinov3, 5).eval()):
        assert model.num_features == 48
        torch.testing.assert_close(model.features(images), expected)
    assert SimCLRModel(dinov3, projection_dim=32).eval()(images).shape == (2, 32)
    assert SupervisedModel(dinov3, 5).eval()(images).shape == (2, 5)


def test_gradients_reach_the_hugging_face_backbone(dinov3):
    model = SimCLRModel(dinov3, projection_dim=8)
    model(torch.rand(2, 3, 32, 32)).square().sum().backward()
    silent = [n for n, p in model.named_parameters() if p.grad is None]
    assert [n.rsplit(".", 1)[-1] for n in silent] == ["mask_token"]  # only masked pretraining uses it


def test_supervised_model_is_a_linear_layer_on_the_features():
    model = SupervisedModel(build("resnet_tiny", num_classes=None), 7).eval()
    images = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(model(images), model.head(model.backbone(images)))
    assert model.num_classes == 7 and model.head.weight.shape == (7, 128)


def test_a_backbone_that_ends_in_classes_is_refused():
    with pytest.raises(LabError, match=r"10 classes.*num_classes=None"):
        SimCLRModel(build("lenet"))


def test_a_module_without_a_width_is_refused():
    with pytest.raises(LabError, match="num_features"):
        SupervisedModel(nn.Flatten(), 10)
