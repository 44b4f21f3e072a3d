"""Narrow AlexNets of each kind in PyTorch, with numbers from a formula: python3 reference.py FOLDER > reference.json

Prints the logits for two images by kind; writes the state dicts to FOLDER, as torch.save does. The numbers are those of
numbers.ts: a linear congruential generator s <- 1664525 s + 1013904223 mod 2^32, of which the upper 24 bits count.
"""
import json
import math
import os
import sys

import torch
from torch import nn

CLASSES = 10


class Numbers:
    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (1664525 * self.state + 1013904223) % 2**32
        return self.state >> 8

    def tensor(self, shape, bound):
        values = [(self.next() / 2**24 - 0.5) * 2 * bound for _ in range(math.prod(shape))]
        return torch.tensor(values, dtype=torch.float32).view(*shape)

    def images(self, side):
        values = [self.next() >> 16 for _ in range(2 * 3 * side * side)]
        return torch.tensor(values, dtype=torch.float32).view(2, 3, side, side)


def fill(net):
    """Draws weights from what is about +-sqrt(6 / inputs), biases from +-1/16; both bounds are powers of 2."""
    numbers = Numbers(1)
    for parameter in net.parameters():
        inputs = math.prod(parameter.shape[1:])
        bound = 2.0 ** math.floor(math.log2(math.sqrt(6 / inputs))) if parameter.dim() > 1 else 1 / 16
        parameter.data = numbers.tensor(parameter.shape, bound)
    return net.eval()


def torchvision_net():
    """Module for module what torchvision.models.alexnet is, narrower."""
    features = nn.Sequential(
        nn.Conv2d(3, 8, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(8, 12, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(12, 16, 3, padding=1), nn.ReLU(),
        nn.Conv2d(16, 12, 3, padding=1), nn.ReLU(),
        nn.Conv2d(12, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2),
    )
    classifier = nn.Sequential(
        nn.Dropout(), nn.Linear(8 * 36, 32), nn.ReLU(),
        nn.Dropout(), nn.Linear(32, 24), nn.ReLU(), nn.Linear(24, CLASSES),
    )
    net = nn.Sequential()
    net.add_module("features", features)
    net.add_module("avgpool", nn.AdaptiveAvgPool2d(6))
    net.add_module("flatten", nn.Flatten())
    net.add_module("classifier", classifier)
    return net


class Grouped(nn.Module):
    """Caffe's nets, and the paper's: conv2, conv4 and conv5 in two groups."""

    def __init__(self, first, k, alpha, norm_first, norm_apart, pool5_ceil=False):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 11, stride=4, padding=first)
        self.conv2 = nn.Conv2d(8, 16, 5, padding=2, groups=2)
        self.conv3 = nn.Conv2d(16, 20, 3, padding=1)
        self.conv4 = nn.Conv2d(20, 16, 3, padding=1, groups=2)
        self.conv5 = nn.Conv2d(16, 8, 3, padding=1, groups=2)
        self.fc6, self.fc7 = nn.Linear(8 * 36, 32), nn.Linear(32, 24)
        self.fc8 = nn.Linear(24, CLASSES)
        self.norm = nn.LocalResponseNorm(5, alpha, 0.75, k)
        self.norm_first, self.norm_apart = norm_first, norm_apart
        self.pool, self.pool5 = nn.MaxPool2d(3, 2), nn.MaxPool2d(3, 2, ceil_mode=pool5_ceil)

    def normalized(self, x):
        if not self.norm_apart:
            return self.norm(x)
        return torch.cat([self.norm(half) for half in x.chunk(2, 1)], 1)

    def forward(self, x):
        for conv in (self.conv1, self.conv2):
            x = conv(x).relu()
            x = self.pool(self.normalized(x)) if self.norm_first else self.normalized(self.pool(x))
        x = self.conv4(self.conv3(x).relu()).relu()
        x = self.pool5(self.conv5(x).relu()).flatten(1)
        return self.fc8(self.fc7(self.fc6(x).relu()).relu())


class Paper(Grouped):
    """The paper's 224 pixels with three zeros past the right and bottom edge."""

    def forward(self, x):
        return super().forward(nn.functional.pad(x, (0, 3, 0, 3)))


def shaped(mean, deviation=(1, 1, 1)):
    mean, deviation = (torch.tensor(values, dtype=torch.float32).view(1, 3, 1, 1) for values in (mean, deviation))
    return lambda x: (x - mean) / deviation


bgr = lambda x: shaped((104.00698793, 116.66876762, 122.67891434))(x.flip(1))
rgb = lambda x: shaped((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))(x / 255)
paper = shaped((127.3, 119.72, 104.91))

kinds = {
    "torchvision": (torchvision_net, 224, rgb),
    "bvlc-alexnet": (lambda: Grouped(0, 1.0, 1e-4, True, False), 227, bgr),
    "caffenet": (lambda: Grouped(0, 1.0, 1e-4, False, False), 227, bgr),
    "onnx-zoo": (lambda: Grouped(0, 1.0, 1e-4, True, False, pool5_ceil=True), 224, bgr),
    "alexnet": (lambda: Paper(0, 2.0, 5e-4, True, True), 224, paper),
}

logits = {}
for name, (make, side, preprocess) in kinds.items():
    net = fill(make())
    if len(sys.argv) > 1:
        torch.save(net.state_dict(), os.path.join(sys.argv[1], f"{name}.pt"))
    with torch.no_grad():
        logits[name] = net(preprocess(Numbers(2).images(side))).tolist()
print(json.dumps(logits, indent=1))
