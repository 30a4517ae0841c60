"""The learned decoder of the embedded model in PyTorch: the picture of the coded digits to the picture to show.

`plain` is [B, 3, H, W] in units of (sample - 127.5) / 127.5, sides multiples of 8; `slope` [B] is the slope of the last layer
begun / 100; `look` [B] is 0 for the least squared error, 1 for sharpness. The output has the shape of `plain`.
"""
import json
import math

import torch
from safetensors import safe_open
from torch import nn
from torch.nn import functional

SQUARE = 4
MAX_FREQUENCY = 30.0


def layer_norm(x):
    """Over the channels of each position, without parameters of its own."""
    return functional.layer_norm(x.permute(0, 2, 3, 1), (x.shape[1],), eps=1e-6).permute(0, 3, 1, 2)


class Block(nn.Module):
    def __init__(self, width, embedding):
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.modulation = nn.Linear(embedding, 3 * width)

    def forward(self, x, embedded):
        scale, shift, gate = self.modulation(embedded)[:, :, None, None].chunk(3, 1)
        hidden = functional.silu(self.conv1(layer_norm(x) * (1 + scale) + shift))
        return x + gate * self.conv2(hidden)


class LearnedDecoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        (fine, coarse), depths, embedding = config["widths"], config["depths"], config["embedding"]
        self.frequencies = config["frequencies"]
        self.slopes, self.errors = config["slopes"], config["errors"]
        self.embed = nn.Sequential(
            nn.Linear(2 * self.frequencies + 1, embedding), nn.SiLU(), nn.Linear(embedding, embedding), nn.SiLU()
        )
        values = 3 * SQUARE * SQUARE
        self.input = nn.Conv2d(values, fine, 3, padding=1)
        self.fine = nn.ModuleList(Block(fine, embedding) for _ in range(depths[0]))
        self.down = nn.Conv2d(fine, coarse, 3, stride=2, padding=1)
        self.coarse = nn.ModuleList(Block(coarse, embedding) for _ in range(depths[1]))
        self.up = nn.Conv2d(coarse, fine, 3, padding=1)
        self.finer = nn.ModuleList(Block(fine, embedding) for _ in range(depths[2]))
        self.output = nn.Conv2d(fine, values, 3, padding=1)

    def usual_error(self, slope):
        """Linear between the knots, constant beyond them."""
        x, y = torch.tensor(self.slopes), torch.tensor(self.errors)
        at = slope.clamp(x[0], x[-1])
        i = torch.searchsorted(x, at).clamp(1, len(x) - 1)
        return y[i - 1] + (y[i] - y[i - 1]) * (at - x[i - 1]) / (x[i] - x[i - 1])

    def forward(self, plain, slope, look):
        exponents = torch.arange(self.frequencies) * (math.log(MAX_FREQUENCY) / (self.frequencies - 1))
        angle = (slope / 4)[:, None] * torch.exp(exponents)
        embedded = self.embed(torch.cat([angle.cos(), angle.sin(), look[:, None]], 1))
        x = self.input(functional.pixel_unshuffle(plain, SQUARE))
        for block in self.fine:
            x = block(x, embedded)
        coarse = self.down(x)
        for block in self.coarse:
            coarse = block(coarse, embedded)
        x = x + self.up(functional.interpolate(coarse, scale_factor=2, mode="nearest"))
        for block in self.finer:
            x = block(x, embedded)
        correction = functional.pixel_shuffle(self.output(layer_norm(x)), SQUARE)
        return plain + self.usual_error(slope).view(-1, 1, 1, 1) * correction


def load(path):
    """The decoder of a model's file, in f32."""
    with safe_open(path, "pt") as file:
        decoder = LearnedDecoder(json.loads(file.metadata()["config"])["decoder"])
        prefix = "decoder."
        names = [name for name in file.keys() if name.startswith(prefix)]
        decoder.load_state_dict({name[len(prefix) :]: file.get_tensor(name).float() for name in names})
    return decoder.eval()
