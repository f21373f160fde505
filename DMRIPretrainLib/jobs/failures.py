"""Why a job failed, in words that say what to do; needs none of the libraries that fail."""

import errno
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import UserError


@dataclass(frozen=True)
class Failure:
    """Why something came to nothing.

    Attributes:
        code: for programs: ``input``, ``data``, ``data-changed``, ``out-of-memory``, ``no-kernel``,
            ``package-missing``, ``disk-full``, ``disk``, ``killed`` or ``unexpected``.
        message: one line for people.
        action: what to do next, one line.
    """

    code: str
    message: str
    action: str

    def to_json(self) -> dict[str, Any]:
        """For an event."""
        return asdict(self)

    @staticmethod
    def from_event(event: dict[str, Any]) -> "Failure":
        """What an event of the kind ``failure`` says."""
        return Failure(*(str(event.get(name, "")) for name in ("code", "message", "action")))


#: What a disk, a network share or its administrator may refuse.
_REFUSALS = frozenset((errno.EACCES, errno.EPERM, errno.EROFS, errno.EFBIG, errno.EIO, errno.ESTALE))

#: What is told of a job whose process is gone without a word.
LOST = Failure(
    "killed",
    "the process of the job ended without a word: it was killed, memory ran out, or the computer went down",
    "resume the job; it goes on from its last checkpoint",
)


class DataChangedError(UserError):
    """The scans or labels are not those that the job began with."""

    code = "data-changed"
    action = "put the files back, or start a new job with those that are there now"


class FailedError(UserError):
    """Something known, which the user can mend, made a job fail.

    Args:
        failure: what it was.
    """

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.message}; {failure.action}")
        self.code, self.action = failure.code, failure.action


def failure_of(error: BaseException) -> Failure:
    """Recognise what happened."""
    chain = list(_causes(error))
    text = " ".join(f"{type(cause).__name__}: {cause}" for cause in chain).lower()
    message = " ".join(f"{type(error).__name__}: {error}".split())[:500]
    missing = next((cause for cause in chain if isinstance(cause, ModuleNotFoundError)), None)
    if any(isinstance(c, OSError) and c.errno in (errno.ENOSPC, errno.EDQUOT) for c in chain) or _disk(text):
        where = next((f" for {c.filename}" for c in chain if isinstance(c, OSError) and c.filename), "")
        return Failure("disk-full", f"the disk is full: no space is left{where}", "make space, then resume the job")
    if isinstance(error, UserError):
        return Failure(error.code, str(error), error.action)
    if missing is not None:
        package = (missing.name or "a package").split(".")[0]
        action = f"install {package} for this Python, then resume the job; dmri-pretrain doctor says what is missing"
        return Failure("package-missing", f"the package {package} is not installed", action)
    if "no kernel image" in text:
        action = "install a PyTorch that supports this GPU (dmri-pretrain doctor tells), or choose --device cpu"
        return Failure("no-kernel", "this PyTorch was not built for this GPU", action)
    if any(isinstance(cause, MemoryError) for cause in chain) or _memory(text):
        where = "the GPU" if "cuda" in text or "hip " in text else "the computer"
        action = "start again with a smaller --patch or --batch, or close other programs and resume"
        return Failure("out-of-memory", f"the memory of {where} is not enough ({message})", action)
    if "dataloader worker" in text and "killed" in text:
        action = "resume with --workers 0, or with a smaller --patch; close other programs"
        return Failure("killed", "a process that prepares data was killed, most often because memory ran out", action)
    if refused := next((c for c in chain if isinstance(c, OSError) and c.errno in _REFUSALS), None):
        where = f"{refused.filename}: " if refused.filename else ""
        action = "see to its permissions, to limits of its size, or to the disk, then resume the job"
        return Failure("disk", f"{where}a file cannot be read or written ({refused.strerror})", action)
    return Failure("unexpected", message, "see log.txt, and report it as a fault of the program")


def _causes(error: BaseException | None) -> Any:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _disk(text: str) -> bool:
    # The second and third are what PyTorch's writer of checkpoints says of it.
    return any(words in text for words in ("no space left", "pytorchstreamwriter failed writing", "disk quota"))


def _memory(text: str) -> bool:
    return any(words in text for words in ("out of memory", "outofmemoryerror", "not enough memory", "can't allocate"))
