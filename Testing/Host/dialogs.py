"""Questions to the user: a test answers them beforehand and reads afterwards what was asked.

A question nobody answered raises, because a test that waits for a click would hang. In the preview, and wherever
``interactive`` is true, real dialogs open instead.
"""

from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any

from PySide6 import QtWidgets

Buttons = QtWidgets.QMessageBox.StandardButton


class UnansweredQuestionError(AssertionError):
    """The module asked something and the test had given no answer."""


@dataclass(frozen=True)
class Asked:
    """One dialog: ``kind`` is error, warning, info, question, message, delay, open file, save file, folder or text."""

    kind: str
    text: str
    detail: str = ""
    title: str = ""


@dataclass
class Dialogs:
    """Answers for and record of all dialogs since the last reset."""

    interactive: bool = False
    asked: list[Asked] = field(default_factory=list)
    _answers: deque[tuple[str, Any]] = field(default_factory=deque)

    def answer(self, kind: str, value: Any) -> None:
        """Give the answer to the next dialog of a kind: a button, a path or True and False for OK and Cancel."""
        self._answers.append((kind, value))

    def take(self, asked: Asked) -> Any:
        """Record a dialog and return the answer given for it."""
        self.asked.append(asked)
        for place, (kind, value) in enumerate(self._answers):
            if kind == asked.kind:
                del self._answers[place]
                return value
        raise UnansweredQuestionError(f"the module asked and no answer was given: {asked}")

    def record(self, asked: Asked) -> None:
        """Record a dialog that needs no answer."""
        self.asked.append(asked)

    def texts(self, kind: str) -> list[str]:
        """What the dialogs of one kind said."""
        return [asked.text for asked in self.asked if asked.kind == kind]

    def reset(self) -> None:
        """Forget record and answers."""
        self.asked.clear()
        self._answers.clear()


current = Dialogs()

_AGREE = (Buttons.Ok, Buttons.Yes, Buttons.Retry, Buttons.Save, Buttons.Open)
_DECLINE = (Buttons.Cancel, Buttons.No, Buttons.Close, Buttons.Discard, Buttons.Abort)


def ask_open_file(parent: Any, caption: str, folder: str, name_filter: str) -> str:
    """A file dialog for one existing file; empty when cancelled."""
    if current.interactive:
        return QtWidgets.QFileDialog.getOpenFileName(parent, caption, folder, name_filter)[0]
    return str(current.take(Asked("open file", caption, name_filter)))


def ask_save_file(parent: Any, caption: str, folder: str, name_filter: str) -> str:
    """A file dialog for a file to write; empty when cancelled."""
    if current.interactive:
        return QtWidgets.QFileDialog.getSaveFileName(parent, caption, folder, name_filter)[0]
    return str(current.take(Asked("save file", caption, name_filter)))


def ask_folder(parent: Any, caption: str, folder: str) -> str:
    """A dialog for a folder; empty when cancelled."""
    if current.interactive:
        return QtWidgets.QFileDialog.getExistingDirectory(parent, caption, folder)
    return str(current.take(Asked("folder", caption)))


class QFileDialog(QtWidgets.QFileDialog):
    """``qt.QFileDialog``, whose static functions can be answered. In PythonQt they return the path alone."""

    @staticmethod
    def getOpenFileName(parent: Any = None, caption: str = "", dir: str = "", filter: str = "", *_: Any) -> str:
        return ask_open_file(parent, caption, dir, filter)

    @staticmethod
    def getOpenFileNames(parent: Any = None, caption: str = "", dir: str = "", filter: str = "", *_: Any) -> list[str]:
        if current.interactive:
            return QtWidgets.QFileDialog.getOpenFileNames(parent, caption, dir, filter)[0]
        return [str(path) for path in current.take(Asked("open file", caption, filter))]

    @staticmethod
    def getSaveFileName(parent: Any = None, caption: str = "", dir: str = "", filter: str = "", *_: Any) -> str:
        return ask_save_file(parent, caption, dir, filter)

    @staticmethod
    def getExistingDirectory(parent: Any = None, caption: str = "", dir: str = "", *_: Any) -> str:
        return ask_folder(parent, caption, dir)


class QInputDialog(QtWidgets.QInputDialog):
    """``qt.QInputDialog``, whose static functions can be answered. In PythonQt they return the value alone."""

    @staticmethod
    def getText(parent: Any, title: str, label: str, mode: Any = None, text: str = "", *_: Any) -> str:
        if current.interactive:
            return QtWidgets.QInputDialog.getText(parent, title, label, text=text)[0]
        return str(current.take(Asked("text", label, text, title)))


class QMessageBox(QtWidgets.QMessageBox):
    """``qt.QMessageBox``, whose static functions and ``exec_`` can be answered."""

    @staticmethod
    def information(parent: Any, title: str, text: str, *buttons: Any) -> Any:
        return message("info", text, title=title)

    @staticmethod
    def warning(parent: Any, title: str, text: str, *buttons: Any) -> Any:
        return message("warning", text, title=title)

    @staticmethod
    def critical(parent: Any, title: str, text: str, *buttons: Any) -> Any:
        return message("error", text, title=title)

    @staticmethod
    def question(parent: Any, title: str, text: str, *buttons: Any) -> Any:
        if current.interactive:
            return QtWidgets.QMessageBox.question(parent, title, text, *buttons)
        return as_button(current.take(Asked("question", text, title=title)), Buttons.Yes, Buttons.No)

    def exec(self) -> Any:
        return run_box(self)


def run_box(box: QtWidgets.QMessageBox) -> Any:
    """Show a message box that the module has put together, or take its answer. One button needs none."""
    if current.interactive:
        return Buttons(QtWidgets.QMessageBox.exec(box))
    asked = Asked(_kind_of(box), box.text(), box.detailedText() or box.informativeText(), box.windowTitle().strip())
    action = QtWidgets.QMessageBox.ButtonRole.ActionRole  # "Show Details..." has it
    if len([button for button in box.buttons() if box.buttonRole(button) != action]) < 2:
        current.record(asked)
        return Buttons.Ok
    offered = [button for button in (*_AGREE, *_DECLINE) if box.standardButtons() & button]
    yes = next((button for button in offered if button in _AGREE), Buttons.Ok)
    no = next((button for button in offered if button in _DECLINE), Buttons.Cancel)
    return as_button(current.take(replace(asked, kind="question")), yes, no)


def message(kind: str, text: str, detail: str = "", title: str = "") -> Any:
    """A dialog with an OK button only."""
    if current.interactive:
        show = {"error": QtWidgets.QMessageBox.critical, "warning": QtWidgets.QMessageBox.warning}
        return show.get(kind, QtWidgets.QMessageBox.information)(None, title, text)
    current.record(Asked(kind, text, detail, title))
    return Buttons.Ok


def as_button(answer: Any, yes: Buttons, no: Buttons) -> Any:
    """True and False as buttons; a button stays."""
    if isinstance(answer, bool):
        return yes if answer else no
    return answer


def _kind_of(box: QtWidgets.QMessageBox) -> str:
    icons = QtWidgets.QMessageBox.Icon
    kinds = {icons.Critical: "error", icons.Warning: "warning", icons.Information: "info", icons.Question: "question"}
    return kinds.get(box.icon(), "message")
