"""The protocols that methods are compared under."""

import itertools
from dataclasses import dataclass
from typing import Any

DIRECTIONS = (12, 20, 32, 64, 90)
BVALUES = (1000, 2000, 3000)
SNRS = (10, 20, 30)


@dataclass(frozen=True)
class Protocol:
    """Shells and noise.

    Attributes:
        shells: (b-value in s/mm², number of directions) of each.
        snr: b0 signal of white matter over the noise.
    """

    shells: tuple[tuple[int, int], ...]
    snr: int

    def __str__(self) -> str:
        shells = " + ".join(f"{count} x {bvalue}" for bvalue, count in self.shells)
        return f"{shells}, SNR {self.snr}"

    @property
    def name(self) -> str:
        """For files."""
        return "+".join(f"{count}x{bvalue}" for bvalue, count in self.shells) + f"-snr{self.snr}"

    @property
    def directions(self) -> int:
        """Of all shells."""
        return sum(count for _, count in self.shells)

    def to_json(self) -> dict[str, Any]:
        """Plain types."""
        return {"shells": [list(shell) for shell in self.shells], "snr": self.snr}


def one_shell(directions: int, bvalue: int, snr: int) -> Protocol:
    """A protocol of a single shell."""
    return Protocol(((bvalue, directions),), snr)


MAIN = one_shell(64, 1000, 20)
TWO_SHELLS = Protocol(((1000, 32), (2000, 64)), 20)
THREE_SHELLS = Protocol(((1000, 30), (2000, 30), (3000, 60)), 20)
#: From the main one on, one thing changes at a time; then several shells, and the least and the most of all.
TRANSFER = (
    MAIN,
    *(one_shell(count, 1000, 20) for count in DIRECTIONS if count != 64),
    *(one_shell(64, 1000, snr) for snr in SNRS if snr != 20),
    *(one_shell(64, bvalue, 20) for bvalue in BVALUES if bvalue != 1000),
    TWO_SHELLS,
    THREE_SHELLS,
    one_shell(12, 1000, 10),
    one_shell(90, 3000, 30),
)
#: Every number of directions with every b-value and SNR, and several shells.
FULL = (
    *(one_shell(*values) for values in itertools.product(DIRECTIONS, BVALUES, SNRS)),
    *(Protocol(several.shells, snr) for several in (TWO_SHELLS, THREE_SHELLS) for snr in SNRS),
)
