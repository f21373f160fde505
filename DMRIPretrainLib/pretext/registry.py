"""Recipes by name, loaded when they are asked for."""

import inspect
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..errors import UserError

if TYPE_CHECKING:
    from .recipe import Recipe

#: Class of each recipe, in the module of its name.
_RECIPES = {
    "autoencoder": "Autoencoder",
    "restoration": "Restoration",
    "distortion": "Distortion",
    "artifact": "ArtifactCorrection",
    "masked": "Masked",
    "simulated": "Simulated",
}
RECIPES = tuple(_RECIPES)


def make_recipe(name: str, network: str, **options: Any) -> "Recipe":
    """A recipe for a network.

    Args:
        name: one of ``RECIPES``.
        network: one of ``networks.model.NETWORKS``.
        options: of the recipe; see its class.

    Raises:
        UserError: if there is no such recipe, network, option or value of an option.
    """
    from ..networks.model import NETWORKS

    if name not in _RECIPES:
        raise UserError(f"recipe {name}: expected {', '.join(RECIPES)}; choose one of them")
    if network not in NETWORKS:
        raise UserError(f"network {network}: expected {', '.join(NETWORKS)}; choose one of them")
    recipe = getattr(import_module(f".{name}", __package__), _RECIPES[name])
    known = [option for option in inspect.signature(recipe).parameters if option != "network"]
    for option in options:
        if option not in known:
            expected = f"expected {', '.join(known)}" if known else "expected none"
            raise UserError(f"recipe {name}: {expected}, found the option {option}; leave it out")
    made: Recipe = recipe(network, **options)
    return made
