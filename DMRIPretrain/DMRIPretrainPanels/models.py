"""The models that a user can choose, and what they answer."""

from pathlib import Path

from slicer.i18n import tr as _

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.networks.catalogue import DEFAULT_MODEL, shipped_models
from DMRIPretrainLib.networks.model_card import read_header


def shippedNames():
    """Names of the models that come with the module, the default first; none in a build without models."""
    try:
        names = [model.name for model in shipped_models()]
    except UserError:
        return []
    return sorted(names, key=lambda name: name != DEFAULT_MODEL)


def describe(name, file):
    """Description of a model for people.

    Args:
        name: of a shipped model.
        file: of the user's; empty for the shipped one.

    Raises:
        UserError: if there is no such model, or the file is none.
    """
    if file:
        if not Path(file).is_file():
            raise UserError(f"{file}: expected a model file, found none; choose another one")
        tasks = [head["task"] for head in read_header(Path(file))["architecture"]["heads"]]
    else:
        tasks = next((model.tasks for model in shipped_models() if model.name == name), ())
        if not tasks:
            raise UserError(_("No model comes with this build; choose a model file."))
    words = {
        "segmentation": _("tissue"),
        "crossings": _("number of fibre populations"),
        "orientation": _("fibre directions"),
    }
    return ", ".join(words.get(task, task) for task in tasks)
