"""Residual-encoder 3D U-Net for any image size."""

import torch
from torch import nn
from torch.nn import functional

#: Smallest padded edge, so that the deepest level keeps more than one voxel for instance norm.
_MINIMUM_EDGE = 16


def convolution(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution and instance norm, without the activation."""
    return nn.Sequential(
        nn.Conv3d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False),
        nn.InstanceNorm3d(outputs, affine=True),
    )


class ResidualBlock(nn.Module):
    """Two convolutions beside an identity (He et al. 2016), the first one possibly strided."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.first = convolution(inputs, outputs, stride=stride)
        self.second = convolution(outputs, outputs)
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else convolution(inputs, outputs, kernel=1, stride=stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, X, Y, Z) to (B, C', X/stride, Y/stride, Z/stride)."""
        hidden = functional.leaky_relu_(self.first(x), 0.01)
        return functional.leaky_relu_(self.second(hidden) + self.shortcut(x), 0.01)


class ResidualUNet(nn.Module):
    """U-Net with a residual encoder (Isensee et al. 2024, nnU-Net revisited) and a light decoder.

    Args:
        channels: input channels.
        widths: channels of each level, finest first; each level halves the resolution.
        blocks: residual blocks of each level.
        skips: whether decoder levels see the encoder's features of their resolution.
    """

    def __init__(self, channels: int, widths: tuple[int, ...], blocks: tuple[int, ...], skips: bool = True) -> None:
        super().__init__()
        self.skips = skips
        self.output_channels = widths[0]
        self.factor = 2 ** (len(widths) - 1)
        self.encoder = nn.ModuleList()
        for level, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            first = ResidualBlock(channels, width, stride=1 if level == 0 else 2)
            self.encoder.append(nn.Sequential(first, *(ResidualBlock(width, width) for _ in range(count - 1))))
            channels = width
        self.up = nn.ModuleList()
        self.decoder = nn.ModuleList()
        for coarse, fine in zip(widths[:0:-1], widths[-2::-1], strict=True):
            self.up.append(nn.ConvTranspose3d(coarse, fine, 2, stride=2))
            joined = 2 * fine if skips else fine
            self.decoder.append(nn.Sequential(convolution(joined, fine), nn.LeakyReLU(0.01, inplace=True)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, X, Y, Z) of any size to (B, widths[0], X, Y, Z)."""
        padded, crop = pad_to_multiple(x, self.factor)
        features = []
        for stage in self.encoder:
            padded = stage(padded)
            features.append(padded)
        return decode(features, self.up, self.decoder, self.skips)[crop]


def decode(features: list[torch.Tensor], up: nn.ModuleList, decoder: nn.ModuleList, skips: bool) -> torch.Tensor:
    """The way up of a U-Net.

    Args:
        features: of every level, finest first.
        up: doubles the resolution, coarsest level first.
        decoder: what follows each of them.
        skips: whether it sees the features of the level.
    """
    *finer, result = features
    for double, stage, skip in zip(up, decoder, reversed(finer), strict=True):
        result = double(result)
        result = stage(torch.cat([result, skip], dim=1) if skips else result)
    return result


def pad_to_multiple(x: torch.Tensor, factor: int) -> tuple[torch.Tensor, tuple[slice, ...]]:
    """Pad the last three axes with zeros, evenly on both sides, to multiples of ``factor``.

    Returns:
        The padded tensor and the index that crops a result of the same size back.
    """
    padding: list[int] = []
    crop = [slice(None), slice(None)]
    for size in x.shape[2:]:
        target = max(-(-size // factor) * factor, _MINIMUM_EDGE)
        before = (target - size) // 2
        padding = [before, target - size - before, *padding]
        crop.append(slice(before, before + size))
    return (functional.pad(x, padding) if any(padding) else x), tuple(crop)
