"""What went wrong, as a sentence or two that end with what to do in these panels."""

from slicer.i18n import tr as _

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.jobs.failures import failure_of


def sentence(text):
    """Begins with a capital letter and ends with a full stop."""
    return f"{text[:1].upper()}{text[1:].rstrip('. ')}." if text else ""


def problemText(error):
    """What an exception, or a text, says."""
    if isinstance(error, Exception) and not isinstance(error, UserError):
        failure = failure_of(error)
        return f"{sentence(failure.message)} {sentence(failure.action)}"
    return sentence(str(error))


def trainingFailure(failure):
    """Why a job of the training panel failed; the library's own advice is for the command line."""
    actions = {
        "out-of-memory": _("choose smaller patches or fewer a step, or close other programs, and train again"),
        "no-kernel": _("compute on the processor, or install a PyTorch for this graphics card"),
        "killed": _("press Resume; it goes on from its last checkpoint"),
        "disk-full": _("make space on the disk, then press Resume"),
        "disk": _("see to the disk or its permissions, then press Resume"),
        "package-missing": _("install the packages (Set-up), then press Resume"),
        "data": _("Check the cases says all that is wrong; then train again"),
        "input": "",  # the message says it
        "unexpected": _("show the log, and report it as a fault of the program"),
    }
    return _withAdvice(failure, actions)


def labelFailure(failure):
    """Why a job that makes reference labels failed: it is made again rather than resumed."""
    actions = {
        "killed": _("close other programs and make the labels again"),
        "disk-full": _("make space on the disk and make the labels again"),
        "disk": _("see to the disk or its permissions and make the labels again"),
        "package-missing": _("install the packages (Set-up) and make the labels again"),
    }
    return _withAdvice(failure, actions)


def predictionFailure(failure):
    """Why a prediction failed."""
    actions = {
        "input": "",
        "out-of-memory": _("close other programs, or compute on the processor, and predict again"),
        "no-kernel": _("compute on the processor, or install a PyTorch for this graphics card"),
        "killed": _("close other programs and predict again"),
        "disk-full": _("make space on the disk and predict again"),
        "disk": _("see to the disk or its permissions and predict again"),
        "package-missing": _("install the packages (Set-up) and predict again"),
        "unexpected": _("show the log, and report it as a fault of the program"),
    }
    return _withAdvice(failure, actions)


def _withAdvice(failure, actions):
    return f"{sentence(failure.message)} {sentence(actions.get(failure.code, failure.action))}".strip()
