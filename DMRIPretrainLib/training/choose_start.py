"""What a user's words for a starting model mean. Needs no PyTorch."""

from dataclasses import dataclass

from ..errors import UserError
from ..networks.catalogue import DEFAULT_MODEL, checksum, find_model, shipped_model, shipped_models
from ..networks.model_card import read_header

#: Instead of a model: random weights.
SCRATCH = "scratch"
#: Instead of a model: the one that ships with the library.
SHIPPED = "shipped"


@dataclass(frozen=True)
class Start:
    """Which model to start from, such that another computer finds the same one.

    Attributes:
        name: ``scratch``, the name of a shipped model, or a model file.
        network: ``tiny``, ``base`` or ``bvm``.
        sha256: checksum of the file; None for ``scratch``.
    """

    name: str
    network: str
    sha256: str | None = None


def choose_start(wanted: str, network: str | None = None) -> Start:
    """Find out what a user's words mean.

    Args:
        wanted: ``scratch``, ``shipped``, the name of a shipped model, or a model file.
        network: ``tiny``, ``base`` or ``bvm``; None for that of the model, or ``tiny`` from scratch.

    Raises:
        UserError: if there is no such model, or it has another network.
    """
    if wanted == SCRATCH:
        return Start(SCRATCH, network or DEFAULT_MODEL)
    if wanted == SHIPPED:
        wanted = _shipped_of(network)
    path = find_model(wanted)
    found = str(read_header(path)["architecture"].get("network"))
    if network not in (None, found):
        raise UserError(
            f"--network {network}: expected {found}, the network of {path}; leave it out, or choose --from scratch"
        )
    is_shipped = wanted in {model.name for model in shipped_models()}
    return Start(wanted if is_shipped else str(path.absolute()), found, checksum(path))


def _shipped_of(network: str | None) -> str:
    names = {model.network: model.name for model in reversed(shipped_models())}
    if network is None or not names:
        shipped_model(DEFAULT_MODEL)  # says what is wrong with it
        return DEFAULT_MODEL
    if network not in names:
        raise UserError(
            f"--network {network}: expected the network of a shipped model ({', '.join(names)}) or --from scratch; "
            "choose one of them"
        )
    return names[network]
