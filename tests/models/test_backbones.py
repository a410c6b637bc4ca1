"""DINOv3 against transformers itself: saved folders, random ones, gradients, and the ways a folder breaks."""

import hashlib
import json
import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from labkit.models import SimCLRModel, SupervisedModel, build, dinov3
from labkit.run_folder import DINOV3, LabError

transformers = pytest.importorskip("transformers")

# config.json of facebook/dinov3-vits16-pretrain-lvd1689m at the pinned revision, byte for byte.
PUBLISHED = """{
  "architectures": [
    "DINOv3ViTModel"
  ],
  "attention_dropout": 0.0,
  "drop_path_rate": 0.0,
  "hidden_act": "gelu",
  "hidden_size": 384,
  "image_size": 224,
  "initializer_range": 0.02,
  "intermediate_size": 1536,
  "key_bias": false,
  "layer_norm_eps": 1e-05,
  "layerscale_value": 1.0,
  "mlp_bias": true,
  "model_type": "dinov3_vit",
  "num_attention_heads": 6,
  "num_channels": 3,
  "num_hidden_layers": 12,
  "num_register_tokens": 4,
  "patch_size": 16,
  "pos_embed_jitter": null,
  "pos_embed_rescale": 2.0,
  "pos_embed_shift": null,
  "proj_bias": true,
  "query_bias": true,
  "rope_theta": 100.0,
  "torch_dtype": "float32",
  "transformers_version": "4.56.0.dev0",
  "use_gated_mlp": false,
  "value_bias": true
}
"""
LABELS = ("architectures", "torch_dtype", "transformers_version", "image_size")  # not of the network


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A small DINOv3 as save_pretrained leaves it, of sizes unlike the tiny one's."""
    torch.manual_seed(0)
    config = transformers.DINOv3ViTConfig(
        hidden_size=48,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=3,
        num_register_tokens=4,
        image_size=32,
        patch_size=8,
    )
    folder = tmp_path_factory.mktemp("dinov3")
    transformers.DINOv3ViTModel(config).save_pretrained(folder)
    return folder


@pytest.fixture
def copy(saved, tmp_path):
    """A folder of one's own with the saved model, to be broken."""
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((saved / name).read_bytes())
    return tmp_path


def test_the_features_are_the_class_token_of_transformers_bit_for_bit(saved):
    images = torch.rand(3, 3, 32, 32)
    theirs = transformers.AutoModel.from_pretrained(saved, local_files_only=True).eval()
    ours = dinov3(saved, image_size=32).eval()
    with torch.no_grad():
        expected = theirs(pixel_values=images)
        assert torch.equal(ours(images), expected.last_hidden_state[:, 0])
        assert torch.equal(ours(images), expected.pooler_output)
    assert (ours.num_features, ours.num_classes, ours.image_size, ours.channels) == (48, None, 32, 3)


def test_loading_asks_no_network_and_says_nothing(saved):
    code = f"from labkit.models import dinov3; print(dinov3({str(saved)!r}, image_size=32).num_features)"
    offline = os.environ | {"HF_HUB_OFFLINE": "1", "HF_ENDPOINT": "http://127.0.0.1:9"}
    done = subprocess.run([sys.executable, "-c", code], env=offline, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("48\n", "")


def test_names_of_the_published_file_and_of_newer_files_give_the_same_model(copy):
    images, weights = torch.rand(2, 3, 32, 32), load_file(copy / "model.safetensors")
    outputs = []
    for prefix in ("layer.", "model.layer."):  # the second since transformers 5.x, in memory
        bare = {name.removeprefix("model."): value for name, value in weights.items()}
        renamed = {n.replace("layer.", prefix) if n.startswith("layer.") else n: v for n, v in bare.items()}
        save_file(renamed, copy / "model.safetensors", metadata={"format": "pt"})
        outputs.append(dinov3(copy, image_size=32).eval()(images))
    assert torch.equal(*outputs)


def test_scratch_is_the_published_architecture():
    blob = b"blob %d\0" % len(PUBLISHED) + PUBLISHED.encode()
    assert hashlib.sha1(blob).hexdigest() == "fdff48569812f3cbadf253762565c4ce9dacddac"  # as git names it
    with torch.device("meta"):
        model = dinov3("scratch", image_size=224)
    ours = model.vit.config.to_dict()
    expected = {name: value for name, value in json.loads(PUBLISHED).items() if name not in LABELS}
    assert {name: ours[name] for name in expected} == expected


def test_the_parameters_of_vits16_by_hand():
    width, hidden, layers, patch = 384, 1536, 12, 16
    attention = 4 * width**2 + 3 * width  # no bias for the keys
    mlp = 2 * width * hidden + hidden + width
    layer = attention + mlp + 2 * 2 * width + 2 * width  # two LayerNorms, two layer scales
    tokens = (1 + 1 + 4) * width  # class, mask, four registers
    total = layers * layer + tokens + (3 * patch**2 + 1) * width + 2 * width
    with torch.device("meta"):
        count = sum(p.numel() for p in build("dinov3_vits16", num_classes=None).parameters())
    assert count == total == 21_596_544  # 20,208 bytes less than the published file: its header


def test_gradients_reach_everything_but_the_frozen_mask_token():
    model = SimCLRModel(dinov3("tiny", image_size=32), projection_dim=8)
    model(torch.rand(4, 3, 32, 32)).square().sum().backward()
    silent = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == ["backbone.vit.embeddings.mask_token"]
    assert not model.backbone.vit.embeddings.mask_token.requires_grad


def test_training_after_inference_works_and_equal_seeds_are_equal_models():
    models = []
    for _ in range(2):
        torch.manual_seed(3)
        models.append(dinov3("tiny", image_size=32).eval())
    images = torch.rand(2, 3, 32, 32)
    with torch.inference_mode():
        assert torch.equal(*(model(images) for model in models))
    first = models[0].train()
    first(images).sum().backward()  # positions that transformers has cached are no inference tensors


def test_eval_mode_is_deterministic_and_training_mode_is_not():
    model, images = dinov3("tiny", image_size=32), torch.rand(2, 3, 32, 32)
    assert torch.equal(model.eval()(images), model(images))
    assert not torch.equal(model.train()(images), model(images))  # DINOv3 rescales its positions


def test_the_wrapper_and_the_bare_model_are_one_backbone_to_the_heads(saved):
    images = torch.rand(2, 3, 32, 32)
    ours = dinov3(saved, image_size=32).eval()
    for head in (SimCLRModel, SupervisedModel):
        wrapped, bare = head(ours, 5).eval(), head(ours.vit, 5).eval()
        assert wrapped.num_features == bare.num_features == 48
        assert torch.equal(wrapped.features(images), bare.features(images))
    with pytest.raises(LabError, match=r"10 classes.*num_classes=None"):
        SimCLRModel(build("dinov3_tiny"))


def test_fetched_is_the_folder_that_labkit_fetch_fills(saved, tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_DATA", str(tmp_path))
    with pytest.raises(LabError, match="labkit fetch dinov3"):
        build("dinov3_vits16", source="fetched")
    (tmp_path / DINOV3).parent.mkdir()
    (tmp_path / DINOV3).symlink_to(saved)
    images = torch.rand(2, 3, 32, 32)
    model = build("dinov3_vits16", num_classes=None, source="fetched").eval()
    assert torch.equal(model(images), dinov3(saved, image_size=32).eval()(images))


@pytest.mark.parametrize(
    ("source", "size", "patch"), [("scratch", 40, 16), ("scratch", 8, 16), ("tiny", 30, 4), ("saved", 36, 8)]
)
def test_images_that_the_patches_do_not_tile_are_refused(source, size, patch, saved):
    with pytest.raises(LabError, match=f"patches of {patch} px, which do not tile {size} px") as told:
        dinov3(saved if source == "saved" else source, image_size=size)
    assert "\n" not in str(told.value)


def test_a_width_without_room_for_rotary_positions_is_refused():
    with pytest.raises(LabError, match=r"4 \* heads = 16 divides; got 40"):
        build("dinov3_tiny", dim=40)


def test_another_number_of_channels_than_the_folder_has_is_refused(saved):
    with pytest.raises(LabError, match="3 channels, not 1"):
        dinov3(saved, image_size=32, channels=1)


def without(name):
    return lambda folder: (folder / name).unlink()


def cut(name, keep):
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:keep])


def written(**changes):
    def change(folder):
        file = folder / "config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | changes))

    return change


def one_weight_less(folder):
    weights = load_file(folder / "model.safetensors")
    del weights["norm.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def only_a_part(folder):
    (folder / "model.safetensors").rename(folder / "model.safetensors.part")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (without("config.json"), "incomplete, config.json is missing"),
        (without("model.safetensors"), "incomplete, model.safetensors is missing"),
        (only_a_part, "incomplete, model.safetensors is missing"),
        (cut("config.json", 100), "damaged, config.json"),
        (cut("config.json", 0), "damaged, config.json"),
        (cut("model.safetensors", 0), "damaged or half downloaded"),
        (cut("model.safetensors", 1000), "damaged or half downloaded"),
        (cut("model.safetensors", -1), "damaged or half downloaded"),
        (one_weight_less, r"lacks 1 weights \(e\.g\. norm\.weight\)"),
        (written(hidden_size=96), "damaged or half downloaded"),
        (written(model_type="dinov2"), "type 'dinov2', not a DINOv3 ViT"),
        (lambda folder: (folder / "config.json").write_text("[]"), "type None, not a DINOv3 ViT"),
    ],
)
def test_a_broken_folder_is_one_sentence_that_mends_this_folder(harm, said, copy, capfd, monkeypatch):
    harm(copy)
    with pytest.raises(LabError, match=said) as told:
        dinov3(copy, image_size=32)
    assert "copy or download that folder again" in str(told.value) and "fetch" not in str(told.value)
    monkeypatch.setenv("LABKIT_DATA", str(copy / "data"))
    (copy / "data" / DINOV3).parent.mkdir(parents=True)
    (copy / "data" / DINOV3).symlink_to(copy)
    with pytest.raises(LabError, match=said) as fetched:
        dinov3("fetched", image_size=32)
    assert "labkit fetch dinov3" in str(fetched.value)
    assert "\n" not in str(told.value) + str(fetched.value)
    assert capfd.readouterr() == ("", "")


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    for source in (tmp_path / "none", "facebook/dinov3-vits16-pretrain-lvd1689m", "scrach"):
        with pytest.raises(LabError, match=r"There is no model folder .*labkit fetch dinov3.*'scratch'"):
            dinov3(source, image_size=32)


def test_the_models_import_without_transformers_and_its_absence_is_one_sentence():
    code = (
        "import sys, labkit.models as m\n"
        "assert 'transformers' not in sys.modules\n"
        "sys.modules['transformers'] = None\n"
        "try: m.build('dinov3_tiny')\n"
        "except m.LabError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "pip install 'transformers>=5'" in done.stdout, done.stderr
