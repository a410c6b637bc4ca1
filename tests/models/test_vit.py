"""Vision transformers: attention against torch's, patches and positions in loops, locality as defined."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from labkit.models import build
from labkit.models.backbones import dinov3_tiny
from labkit.models.vit import Attention, PatchEmbedding, sine_cosine_positions, to_patches, vit
from labkit.run_folder import LabError


def test_attention_is_torchs_multihead_attention():
    torch.manual_seed(0)
    ours = Attention(32, heads=4, head_dim=8, local=False, bias=True)
    theirs = nn.MultiheadAttention(32, 4, bias=True, batch_first=True)
    nn.init.zeros_(theirs.in_proj_bias)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(ours.qkv.weight)
        theirs.out_proj.weight.copy_(ours.out.weight)
        theirs.out_proj.bias.copy_(ours.out.bias)
    x = torch.randn(2, 5, 32)
    torch.testing.assert_close(ours(x), theirs(x, x, x, need_weights=False)[0])


def torchs_layer(layer):
    """The same weights in torch's own transformer layer (dim 32, 4 heads, norm first)."""
    theirs = nn.TransformerEncoderLayer(32, 4, 64, 0.0, "gelu", batch_first=True, norm_first=True).eval()
    theirs.norm1, theirs.linear1 = layer.norm1, layer.mlp[0]
    theirs.norm2, theirs.linear2 = layer.norm2, layer.mlp[3]
    attention = theirs.self_attn
    attention.in_proj_weight = layer.attention.qkv.weight
    attention.out_proj.weight = layer.attention.out.weight
    attention.out_proj.bias = layer.attention.out.bias
    nn.init.zeros_(attention.in_proj_bias)
    return theirs


def test_vit_is_torchs_transformer_over_patches_read_at_the_class_token():
    torch.manual_seed(0)
    model = build("vit", dim=32, depth=2, heads=4, head_dim=8, mlp_dim=64).eval()
    images = torch.rand(2, 3, 32, 32)
    x = model.embedding(images)
    x = torch.cat([model.class_token.repeat(2, 1, 1), x], dim=1) + model.positions
    for layer in model.layers:
        x = torchs_layer(layer)(x)
    torch.testing.assert_close(model(images), model.head(model.norm(x[:, 0])), rtol=1e-4, atol=1e-5)


def test_vit_simple_reads_the_mean_of_its_tokens():
    torch.manual_seed(0)
    model = build("vit_simple", dim=32, depth=1).eval()
    images = torch.rand(2, 3, 32, 32)
    x = model.layers(model.embedding(images) + sine_cosine_positions(8, 32))
    torch.testing.assert_close(model(images), model.head(model.norm(x.mean(1))))


def test_local_attention_is_softmax_over_the_other_tokens_at_a_learned_temperature():
    torch.manual_seed(0)
    layer = Attention(16, heads=2, head_dim=4, local=True, bias=False)
    assert layer.log_temperature.exp().item() == pytest.approx(1 / math.sqrt(4))
    nn.init.constant_(layer.log_temperature, math.log(0.9))
    x = torch.randn(3, 6, 16)
    q, k, v = (t.view(3, 6, 2, 4).transpose(1, 2) for t in (x @ layer.qkv.weight.T).chunk(3, dim=-1))
    scores = 0.9 * q @ k.transpose(-1, -2)
    for token in range(6):
        scores[..., token, token] = float("-inf")
    expected = (scores.softmax(-1) @ v).transpose(1, 2).reshape(3, 6, 8) @ layer.out.weight.T
    torch.testing.assert_close(layer(x), expected)


def test_patches_are_the_squares_of_the_image_in_reading_order():
    images = torch.arange(2 * 3 * 8 * 8.0).view(2, 3, 8, 8)
    patches = to_patches(images, 4)
    for n, (row, column) in enumerate([(0, 0), (0, 4), (4, 0), (4, 4)]):
        square = images[:, :, row : row + 4, column : column + 4]
        assert torch.equal(patches[:, n], square.permute(0, 2, 3, 1).flatten(1))


def test_patch_embedding_is_a_strided_convolution():
    layer = PatchEmbedding(6, patch_size=4, channels=3, shifted=False)
    images = torch.randn(2, 3, 12, 12)
    kernel = layer.linear.weight.view(6, 4, 4, 3).permute(0, 3, 1, 2)
    expected = F.conv2d(images, kernel, layer.linear.bias, stride=4).flatten(2).transpose(1, 2)
    torch.testing.assert_close(layer(images), expected)


def test_shifted_patches_see_one_pixel_of_each_neighbour():
    """A patch's numbers come in five groups: itself, then the image moved right, left, down and up."""
    layer = PatchEmbedding(5 * 16, patch_size=4, channels=1, shifted=True)
    layer.norm = nn.Identity()
    nn.init.eye_(layer.linear.weight)
    nn.init.zeros_(layer.linear.bias)
    image = torch.rand(1, 1, 12, 12)
    middle = layer(image)[0, 4].view(4, 4, 5)  # the patch at rows and columns 4 to 7
    for group, (down, right) in enumerate([(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0)]):
        expected = image[0, 0, 4 - down : 8 - down, 4 - right : 8 - right]
        assert torch.equal(middle[..., group], expected)


def test_sine_cosine_positions_in_loops():
    table = sine_cosine_positions(3, 8)
    for y in range(3):
        for x in range(3):
            expected = [f(p * w) for p in (x, y) for f in (math.sin, math.cos) for w in (1.0, 1e-4)]
            torch.testing.assert_close(table[3 * y + x], torch.tensor(expected))


def parameters_by_hand(*, dim, depth, heads, mlp, p, positions, shifted, bias):
    attention = dim * 3 * heads * 64 + heads * 64 * dim + (dim if bias else 0) + (1 if shifted else 0)
    layer = 2 * 2 * dim + attention + dim * mlp + mlp + mlp * dim + dim
    embedding = p * dim + dim + (2 * p if shifted else 0)
    return embedding + positions * dim + depth * layer + 2 * dim + dim * 10 + 10


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("vit", {"depth": 6, "heads": 8, "p": 48, "positions": 66, "shifted": False, "bias": True}),
        ("vit_small", {"depth": 6, "heads": 8, "p": 240, "positions": 66, "shifted": True, "bias": True}),
        ("vit_tiny", {"depth": 4, "heads": 6, "p": 240, "positions": 66, "shifted": True, "bias": True}),
        ("vit_simple", {"depth": 6, "heads": 8, "p": 48, "positions": 0, "shifted": False, "bias": False}),
    ],
)
def test_sizes_are_the_studys(name, sizes):
    with torch.device("meta"):
        count = sum(p.numel() for p in build(name).parameters())
    assert count == parameters_by_hand(dim=512, mlp=512, **sizes)


def test_positions_tell_patches_apart_but_a_mean_of_tokens_without_them_does_not():
    torch.manual_seed(0)
    model = build("vit_simple", dim=32, depth=2, heads=2).eval()
    images = torch.rand(2, 3, 32, 32)
    moved = images.roll(4, dims=3)  # the same patches in other places
    assert not torch.allclose(model(images), model(moved), atol=1e-4)
    model.positions.zero_()
    torch.testing.assert_close(model(images), model(moved), rtol=1e-4, atol=1e-5)


def test_dropout_works_in_training_only():
    model = build("vit", dim=32, depth=1, dropout=0.5)
    images = torch.rand(2, 3, 32, 32)
    assert not torch.equal(model(images), model(images))
    assert torch.equal(model.eval()(images), model(images))


def test_patches_of_no_size_are_refused_at_the_back_door_as_well():
    for make in (vit, dinov3_tiny):
        with pytest.raises(LabError, match="patches of 0 px, which do not tile 32 px"):
            make(patch_size=0)
