"""A network that `tandem export` wrote, as a PyTorch module: m.json holds its tables, m.npz its weights, m.mean.npy its
mean image. Towers are groups. Python with torch and numpy; nothing of Tandem's is needed."""
import json

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


class Norm(nn.Module):
    """Response normalization across maps, of each tower or of all, or across the pixels of each map. PyTorch's alpha is
    divided by the window's size, the tables' is not unless their scaling is 'mean'."""

    def __init__(self, across, towers, size=5, alpha=1e-4, beta=0.75, k=2, scaling="sum"):
        super().__init__()
        pixels = size**2 if across == "pixels" else size
        self.across, self.towers, self.size, self.beta, self.k = across, towers, size, beta, k
        self.alpha = alpha if scaling == "mean" else alpha * pixels

    def forward(self, x):
        if self.across == "pixels":
            squares = F.avg_pool2d(x * x, self.size, 1, self.size // 2)
            return x * (self.k + self.alpha * squares) ** -self.beta
        parts = x.chunk(self.towers if self.across == "tower" else 1, 1)
        normed = [F.local_response_norm(part, self.size, self.alpha, self.beta, self.k) for part in parts]
        return torch.cat(normed, 1)


def stage_module(stage, towers):
    kind = stage["kind"]
    if kind == "norm":
        return Norm(stage["across"], towers, **stage["options"])
    if kind == "pool":
        pool = nn.MaxPool2d if stage["mode"] == "max" else nn.AvgPool2d
        rest = {} if stage["mode"] == "max" else {"count_include_pad": False}
        return pool(stage["kernel"], stage["stride"], ceil_mode=stage["ceilMode"], **rest)
    if kind == "dropout":
        return nn.Dropout(stage["p"])
    return {"relu": nn.ReLU, "tanh": nn.Tanh}[kind]()


def four_sides(padding):
    """Zeros left, right, top and bottom, of a number, [vertical, horizontal], or [top, left, bottom, right]."""
    top, left, bottom, right = ([padding] * 4 if isinstance(padding, int) else [*padding] * (4 // len(padding)))
    return left, right, top, bottom


class Exported(nn.Module):
    """The modules `conv1`, `fc8` and so on hold the weights, under the names that Tandem gives them."""

    def __init__(self, tables, shapes):
        super().__init__()
        self.stages = nn.ModuleDict()
        for layer in tables["architecture"]["layers"]:
            name = layer["name"]
            place = tables["placement"][name]
            towers = sum(kernels > 0 for kernels in place["kernels"])
            groups = towers if place["reads"] == "own" else 1
            kernels, inputs = shapes[f"{name}.weight"][:2]
            conv = layer.get("conv")
            if conv:
                product = nn.Conv2d(inputs * groups, kernels, conv["kernel"], conv.get("stride", 1), groups=groups)
                before = nn.ZeroPad2d(four_sides(conv.get("padding", 0)))
            else:
                assert groups == 1, f"{name}: a product in groups"
                product, before = nn.Linear(inputs, kernels), nn.Flatten()
            self.add_module(name, product)
            after = [stage_module(stage, towers) for stage in layer["stages"]]
            self.stages[name] = nn.ModuleList([before, nn.Sequential(*after)])

    def forward(self, x):
        for name, (before, after) in self.stages.items():
            x = after(getattr(self, name)(before(x)))
        return x


def load(stem):
    """The network, and what makes its input of images [N, 3, H, W] of 0-255 that were cut from the centre."""
    with open(f"{stem}.json", encoding="utf8") as file:
        about = json.load(file)
    weights = {name: torch.from_numpy(array) for name, array in np.load(f"{stem}.npz").items()}
    net = Exported(about["tables"], {name: weight.shape for name, weight in weights.items()})
    net.load_state_dict(weights)
    side, size = about["input"]["imageSize"], about["tables"]["architecture"]["size"]
    start = (side - size) // 2
    mean = torch.from_numpy(np.load(f"{stem}.mean.npy"))[:, start : start + size, start : start + size]
    scale = torch.tensor(about["input"]["scale"], dtype=torch.float32).reshape(-1, 1, 1)
    return net.eval(), lambda images: (images.float() - mean) * scale
