"""Which packages are missing, and their installation; nothing is imported to find out."""

import importlib
from pathlib import Path

import slicer
import slicer.packaging
from slicer.i18n import tr as _

import DMRIPretrainLib

#: As in pyproject.toml; Slicer's PyTorch extension installs the build that fits the computer.
TORCH_VERSIONS = ">=2.8,<2.14"


class NotInstalledError(Exception):
    """Why nothing was installed, in one sentence with what to do."""


def requirementsPath(resourcePath):
    """The list of requirements: among the module's resources, in a checkout among those of the repository."""
    packaged = Path(resourcePath("requirements.txt"))
    return packaged if packaged.is_file() else Path(DMRIPretrainLib.__file__).parents[1] / "Resources/requirements.txt"


class Packages:
    """What the library needs.

    Args:
        path: of the list of requirements, PyTorch aside.
    """

    def __init__(self, path):
        self._path = path

    def missing(self):
        """Names of the packages that are missing or have an unfit version, PyTorch first."""
        return tuple(each.name for each in self._requirements() if not slicer.packaging.pip_check(each))

    def _requirements(self):
        from packaging.requirements import Requirement

        return [Requirement(f"torch{TORCH_VERSIONS}"), *slicer.packaging.load_requirements(str(self._path))]

    def install(self, wheelhouse=""):
        """Install what is missing; asks first. In the main thread, since Slicer shows dialogs.

        Args:
            wheelhouse: a folder with wheels; empty to download them.

        Raises:
            NotInstalledError: if the user declines or something goes wrong.
        """
        try:
            if wheelhouse:
                self._installFrom(Path(wheelhouse))
            else:
                self._installTorch()
                others = slicer.packaging.load_requirements(str(self._path))
                slicer.packaging.pip_ensure(others, requester="DMRIPretrain")
        except NotInstalledError:
            raise
        except Exception as error:  # RuntimeError of a user who declines, errors of pip
            message = _("The packages were not installed ({error}); try again, or see Slicer's log.")
            raise NotInstalledError(message.format(error=" ".join(str(error).split()))) from error
        finally:
            importlib.invalidate_caches()

    def _installTorch(self):
        if slicer.packaging.pip_check(f"torch{TORCH_VERSIONS}"):
            return
        try:
            import PyTorchUtils
        except ImportError as error:
            message = _(
                "PyTorch comes with Slicer's extension PyTorch, which is not there; install it with the Extensions "
                "Manager, restart Slicer and try again."
            )
            raise NotInstalledError(message) from error
        logic = PyTorchUtils.PyTorchUtilsLogic()
        if logic.installTorch(askConfirmation=True, torchVersionRequirement=TORCH_VERSIONS) is None:
            raise NotInstalledError(_("PyTorch was not installed; press the button again when it may be."))

    def _installFrom(self, folder):
        if not any(folder.glob("*.whl")):
            message = _("{folder} holds no wheels; choose the folder that the packages were downloaded to.")
            raise NotInstalledError(message.format(folder=folder))
        wanted = [str(each) for each in self._requirements() if not slicer.packaging.pip_check(each)]
        question = _("Install these packages from {folder}?\n\n{names}").format(folder=folder, names="\n".join(wanted))
        if not slicer.util.confirmOkCancelDisplay(question, _("DMRIPretrain")):
            raise NotInstalledError(_("Nothing was installed; press the button again when it may be."))
        options = ["--no-index", f"--find-links={folder}"]
        slicer.packaging.pip_install([*options, *wanted], requester="DMRIPretrain")
