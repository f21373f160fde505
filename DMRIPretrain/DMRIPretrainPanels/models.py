"""The models that a user can choose, and what they answer."""

from pathlib import Path

from slicer.i18n import tr as _

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.networks.catalogue import DEFAULT_MODEL, shipped_models
from DMRIPretrainLib.networks.model_card import read_header

from .failure_words import sentence


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
        tasks = _tasksOf(Path(file))
    else:
        shipped = {model.name: model.tasks for model in shipped_models()}
        if not shipped:
            raise UserError(_("No model comes with this build; choose a model file."))
        if name not in shipped:
            text = _("The model {name} does not come with this version; choose another one, or a model file.")
            raise UserError(text.format(name=name))
        tasks = shipped[name]
    words = {
        "segmentation": _("tissue"),
        "crossings": _("number of fibre populations"),
        "orientation": _("fibre directions"),
    }
    return ", ".join(words.get(task, task) for task in tasks)


def problemOfModel(file):
    """Why a file cannot be trained on from, or empty."""
    try:
        _tasksOf(Path(file))
    except UserError as error:
        return sentence(str(error))
    return ""


def _tasksOf(path):
    try:
        return [str(head["task"]) for head in read_header(path)["architecture"]["heads"]]
    except (KeyError, TypeError) as error:
        raise UserError(f"{path}: expected a model, found one without a list of tasks; get the file again") from error
