"""Writes cases of the scene to files, beside the main thread, before a process works on them."""

from DMRIPretrainLib.errors import UserError

from .background import Task
from .case_export import CaseExport


class Preparation:
    """One at a time.

    Args:
        changed: called when it has begun or ended.
        failed: called with what went wrong, an exception.
    """

    def __init__(self, changed, failed):
        self._changed, self._failed = changed, failed
        self._task = None

    @property
    def busy(self):
        """Whether cases are being written."""
        return self._task is not None

    def begin(self, cases, tasks, folder, prepare, then):
        """Write cases and call ``prepare(export, table)`` in a thread, then ``then(export, what that returned)``.

        Args:
            cases: what to write; their nodes are read at once.
            tasks: what is to be learned.
            folder: where to.
            prepare: in the thread; ``table`` is the path of the table of cases, None without cases.
            then: in the main thread; may raise ``UserError``.
        """
        try:
            export = CaseExport(cases, tasks, folder)
        except (UserError, ImportError) as error:
            self._failed(error)
            return
        self._task = Task(
            lambda: prepare(export, export.write()),
            lambda prepared, error: self._onPrepared(export, prepared, error, then),
        )
        self._changed()

    def stop(self):
        """Give it up."""
        if self._task is not None:
            self._task.forget()
            self._task = None

    def _onPrepared(self, export, prepared, error, then):
        self._task = None
        if error is not None:
            self._failed(error)
            return
        try:
            then(export, prepared)
        except UserError as problem:
            self._failed(problem)
        self._changed()
