"""The U-Net of the seed paper, for a faithful comparison.

Three levels of two convolutions (3x3x3, instance norm, ReLU) with 16, 32 and 64 filters and 128 at the
bottom, max-pooling, 3x3x3 transposed convolutions that keep their number of channels, and skips
(Weninger et al., BVM 2022): 2.07 million parameters with 64 input channels.
"""

import torch
from torch import nn

from .residual_unet import decode, pad_to_multiple


def _double_convolution(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        layers += [nn.Conv3d(channels, outputs, 3, padding=1), nn.InstanceNorm3d(outputs), nn.ReLU()]
    return nn.Sequential(*layers)


def _up_convolution(channels: int) -> nn.Sequential:
    up = nn.ConvTranspose3d(channels, channels, 3, stride=2, padding=1, output_padding=1)
    return nn.Sequential(up, nn.InstanceNorm3d(channels), nn.ReLU())


class BVMUNet(nn.Module):
    """The seed paper's U-Net without its last 1x1x1 convolution, which is a head here."""

    def __init__(self, channels: int, widths: tuple[int, ...] = (16, 32, 64, 128), skips: bool = True) -> None:
        super().__init__()
        self.skips = skips
        self.output_channels = widths[0]
        self.factor = 2 ** (len(widths) - 1)
        inputs = (channels, *widths[:-1])
        self.encoder = nn.ModuleList(_double_convolution(a, b) for a, b in zip(inputs, widths, strict=True))
        pairs = list(zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.up = nn.ModuleList(_up_convolution(coarse) for coarse, _ in pairs)
        self.decoder = nn.ModuleList(
            _double_convolution(coarse + fine if skips else coarse, fine) for coarse, fine in pairs
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 64, X, Y, Z) of any size to (B, 16, X, Y, Z)."""
        padded, crop = pad_to_multiple(x, self.factor)
        features = []
        for level, stage in enumerate(self.encoder):
            padded = stage(padded if level == 0 else nn.functional.max_pool3d(padded, 2))
            features.append(padded)
        return decode(features, self.up, self.decoder, self.skips)[crop]
