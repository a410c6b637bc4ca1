"""One dict of names: published sizes, feature extractors, and one clear sentence for each mistake."""

import pytest
import torch

from labkit.models import MODELS, build, options_of
from labkit.models.alexnet import PoolTo6
from labkit.run_folder import LabError

# Published: lenet, alexnet, resnet18, wide_resnet. From the layer tables: cnn, resnet34 (torchvision agrees,
# test_convnets.py), resnet_tiny and the transformers (closed form in test_vit.py, test_backbones.py).
PARAMETERS = {
    ("lenet", 10): 83_126,
    ("lenet", 200): 99_276,
    ("alexnet", 10): 57_044_810,
    ("alexnet", 200): 57_823_240,
    ("cnn", 10): 5_851_338,
    ("resnet18", 10): 11_173_962,
    ("resnet34", 10): 21_282_122,
    ("resnet_tiny", None): 308_896,
    ("wide_resnet", 100): 17_175_444,
    ("vit", 10): 9_523_722,
    ("vit_small", 10): 9_622_512,
    ("vit_tiny", 10): 5_421_038,
    ("vit_simple", 10): 9_486_858,
    ("dinov3_tiny", 10): 154_442,
    ("dinov3_vits16", None): 21_596_544,
}


def count(name, **shape):
    with torch.device("meta"):
        return sum(p.numel() for p in build(name, **shape).parameters())


@pytest.mark.parametrize(("name", "classes"), PARAMETERS)
def test_parameters_are_the_published_ones(name, classes):
    assert count(name, num_classes=classes) == PARAMETERS[name, classes]


def test_every_model_has_its_number_here():
    assert {name for name, _ in PARAMETERS} == set(MODELS)


def test_alexnet_at_70_px_has_the_same_parameters():
    assert count("alexnet", image_size=70) == count("alexnet", image_size=32) == 57_044_810


SMALL = {name: {"dim": 32, "depth": 1} if name.startswith("vit") else {} for name in MODELS}


@pytest.mark.parametrize("name", MODELS)
def test_logits_features_and_gray_images(name):
    torch.manual_seed(0)
    images = torch.rand(2, 1, 32, 32)
    classifier = build(name, num_classes=7, channels=1, **SMALL[name]).eval()
    with torch.no_grad():
        assert classifier(images).shape == (2, 7)
        classifier.head = torch.nn.Identity()
        features = classifier(images)
    extractor = build(name, num_classes=None, channels=1, **SMALL[name]).eval()
    assert extractor.num_classes is None
    extractor.load_state_dict(classifier.state_dict())  # a classifier without its head IS the extractor
    with torch.no_grad():
        torch.testing.assert_close(extractor(images), features)
    assert features.shape == (2, extractor.num_features)


@pytest.mark.parametrize("name", MODELS)
def test_one_step_reaches_every_parameter_in_channels_last(name):
    torch.manual_seed(0)
    model = build(name, **SMALL[name]).to(memory_format=torch.channels_last)
    images = torch.rand(3, 3, 32, 32).to(memory_format=torch.channels_last)
    torch.nn.functional.cross_entropy(model(images), torch.tensor([0, 1, 2])).backward()
    trained = {n: p.grad for n, p in model.named_parameters() if p.requires_grad}
    assert [n for n, grad in trained.items() if grad is None or not grad.isfinite().all()] == []


@pytest.mark.parametrize("name", ["cnn", "resnet18", "wide_resnet", "alexnet"])
def test_maps_stay_channels_last_inside(name):
    model = build(name, num_classes=None).to(memory_format=torch.channels_last).eval()
    broken = []

    def note(module, inputs, output):
        flat = type(module) is PoolTo6  # its output is flattened next, which wants the other layout
        if output.dim() == 4 and not flat and not output.is_contiguous(memory_format=torch.channels_last):
            broken.append(module)

    for module in model.modules():
        module.register_forward_hook(note)
    with torch.no_grad():
        model(torch.rand(2, 3, 32, 32).to(memory_format=torch.channels_last))
    assert broken == []


@pytest.mark.parametrize("name", ["lenet", "cnn", "resnet_tiny", "vit", "vit_small", "vit_simple"])
def test_mixed_precision_gives_nearly_the_same_logits(name):
    torch.manual_seed(0)
    model, images = build(name, **SMALL[name]).eval(), torch.rand(4, 3, 32, 32)
    exact = model(images)
    with torch.autocast("cpu", torch.bfloat16):
        rough = model(images)
    assert rough.dtype == torch.bfloat16
    torch.testing.assert_close(rough.float(), exact, rtol=0.05, atol=0.05)


@pytest.mark.parametrize("name", ["cnn", "resnet_tiny", "vit"])
def test_equal_seeds_build_equal_models(name):
    images = torch.rand(2, 3, 32, 32)
    outputs = []
    for _ in range(2):
        torch.manual_seed(3)
        outputs.append(build(name, **SMALL[name]).eval()(images))
    assert torch.equal(*outputs)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"name": "resnet81"}, ["resnet81", "resnet18", "wide_resnet"]),
        ({"name": "resnet18", "nrom": None}, ["option of resnet18", "nrom", "norm", "stem"]),
        ({"name": "cnn", "dropout": 0.5}, ["cnn", "dropout", "image_size"]),
        ({"name": "resnet18", "norm": "layer"}, ["norm=None", "layer"]),
        ({"name": "resnet18", "stem": "cifra"}, ["cifra", "cifar"]),
        ({"name": "lenet", "activation": "gelu"}, ["gelu", "sigmoid"]),
        ({"name": "wide_resnet", "pool": "mean"}, ["mean", "global"]),
        ({"name": "cnn", "num_classes": 0}, ["num_classes", "positive", "0"]),
        ({"name": "cnn", "num_classes": "10"}, ["num_classes", "'10'"]),
        ({"name": "cnn", "image_size": 32.0}, ["image_size", "32.0"]),
        ({"name": "cnn", "channels": True}, ["channels", "True"]),
        ({"name": "vit", "image_size": 30}, ["4 px", "30 px"]),
        ({"name": "vit_simple", "dim": 6}, ["dim", "6"]),
        ({"name": "vit", "patch_size": 0}, ["patch_size of vit", "positive", "0"]),
        ({"name": "dinov3_tiny", "patch_size": 0}, ["patch_size of dinov3_tiny", "positive", "0"]),
        ({"name": "vit_tiny", "heads": -1}, ["heads of vit_tiny", "-1"]),
        ({"name": "vit", "depth": 1.5}, ["depth of vit", "1.5"]),
    ],
)
def test_a_mistake_is_told_in_one_sentence_that_helps(arguments, words):
    with pytest.raises(LabError) as told:
        build(arguments.pop("name"), **arguments)
    assert all(word in str(told.value) for word in words), str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("name", "smallest"), [("lenet", 12), ("alexnet", 15), ("cnn", 8), ("resnet18", 8), ("vit", 4)]
)
def test_the_smallest_image_works_and_the_next_smaller_is_refused(name, smallest):
    model = build(name, image_size=smallest, **SMALL[name]).eval()
    assert model(torch.rand(1, 3, smallest, smallest)).isfinite().all()
    with pytest.raises(LabError, match=f"{smallest - 1} px"):
        build(name, image_size=smallest - 1, **SMALL[name])


def test_options_are_listed_with_their_defaults():
    assert options_of("resnet18") == {"norm": "batch", "stem": "cifar"}
    assert options_of("cnn") == {}
