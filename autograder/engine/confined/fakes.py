"""Stand-ins for a student's code: a vision model in miniature whose insides the grader knows."""

from types import SimpleNamespace

import torch
from torch import nn


class FakeOutput(dict):
    """Like a Hugging Face output: fields by name, by attribute and by position."""

    def __getattr__(self, name):
        try:
            return dict.__getitem__(self, name)
        except KeyError:
            raise AttributeError(name) from None

    def __getitem__(self, key):
        return dict.__getitem__(self, key) if isinstance(key, str) else tuple(self.values())[key]


class FakeBackbone(nn.Module):
    """Images (B, 3, S, S) -> last_hidden_state (B, 1 + tokens, D). All of it is linear.

    The class token sees the upper half of the image; patches, pooler_output and hidden_states the lower half.
    """

    def __init__(self, hidden_size, tokens, size):
        super().__init__()
        self.config = SimpleNamespace(hidden_size=hidden_size, image_size=size, num_register_tokens=0)
        self.half = size // 2
        pixels = 3 * self.half * size
        self.class_layer = nn.Linear(pixels, hidden_size)
        self.patch_layer = nn.Linear(pixels, tokens * hidden_size)
        self.pool_layer = nn.Linear(pixels, hidden_size)

    def forward(self, pixel_values=None, output_hidden_states=False, return_dict=True, **_):
        upper = pixel_values[:, :, : self.half].flatten(1)
        lower = pixel_values[:, :, self.half :].flatten(1)
        classes = self.class_layer(upper)[:, None]
        patches = self.patch_layer(lower).unflatten(1, (-1, classes.shape[-1]))
        pooled = self.pool_layer(lower)
        output = FakeOutput(last_hidden_state=torch.cat([classes, patches], 1), pooler_output=pooled)
        if output_hidden_states:
            output["hidden_states"] = (torch.cat([pooled[:, None], patches], 1),) * 3
        return output if return_dict else tuple(output.values())


def model_gradients(model, backbone, images, weight):
    """Return d sum(weight * z): the class layer's, all others' by name, and the names of frozen ones."""
    model.train()
    model.zero_grad()
    (model(images) * weight).sum().backward()
    ours = {id(one) for one in backbone.parameters()}
    others = {name: one.grad for name, one in model.named_parameters() if id(one) not in ours}
    frozen = [name for name, one in model.named_parameters() if not one.requires_grad]
    return [backbone.class_layer.weight.grad, backbone.class_layer.bias.grad], others, frozen
