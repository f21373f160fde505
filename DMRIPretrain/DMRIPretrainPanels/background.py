"""Work that takes longer than a click: in a process, in a thread that touches neither Qt nor the scene, in steps."""

import json
import os
import shutil
import sys
import threading
from pathlib import Path

import qt
import slicer

import DMRIPretrainLib

#: Milliseconds between two looks at a thread, and how long each of them waits for it. Waiting lets the thread run where
#: the event loop does not.
_INTERVAL = 30
_PATIENCE = 0.01


def pythonExecutable():
    """The Python that has the packages: ``PythonSlicer``, since Slicer's own program is no Python."""
    return shutil.which("PythonSlicer") or sys.executable


def libraryEnvironment():
    """Variables of a process that imports the library, by name: those Slicer was started with, and where it is."""
    variables = dict(slicer.util.startupEnvironment())
    paths = [str(Path(DMRIPretrainLib.__file__).parents[1]), variables.get("PYTHONPATH", "")]
    return {**variables, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "PYTHONUTF8": "1"}


class Command:
    """``python -m DMRIPretrainLib ...``, which answers in JSON.

    Args:
        arguments: of the command.
        done: called with the answer, None where there is none, and with what the command complained of.
    """

    def __init__(self, arguments, done):
        self._done = done
        self._process = qt.QProcess()
        environment = qt.QProcessEnvironment()
        for name, value in libraryEnvironment().items():
            environment.insert(name, value)
        self._process.setProcessEnvironment(environment)
        self._process.connect("finished(int,QProcess::ExitStatus)", self._onFinished)
        self._process.connect("errorOccurred(QProcess::ProcessError)", self._onError)
        self._process.start(pythonExecutable(), ["-m", "DMRIPretrainLib", *arguments])

    def stop(self):
        """Give it up; ``done`` is not called."""
        self._done = None
        if self._process.state() != qt.QProcess.NotRunning:
            self._process.kill()
            self._process.waitForFinished(1000)

    def _onError(self, error):
        if error == qt.QProcess.FailedToStart:
            self._tell(None, f"{pythonExecutable()} cannot be started")

    def _onFinished(self, exitCode, exitStatus):
        output = _text(self._process.readAllStandardOutput())
        complaints = _text(self._process.readAllStandardError()).strip()
        try:
            answer = json.loads(output)
        except ValueError:
            answer = None
        self._tell(answer, lastLine(complaints) or f"the process ended with code {exitCode}")

    def _tell(self, answer, complaint):
        done, self._done = self._done, None
        if done is not None:
            done(answer, "" if answer is not None else complaint)


class Task:
    """A function in a thread; it must touch neither Qt nor the scene.

    Args:
        function: without arguments.
        done: called in the main thread with what it returned, and the exception that it raised; one of them is None.
    """

    def __init__(self, function, done):
        self._function, self._done = function, done
        self._result, self._error = None, None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._timer = qt.QTimer()
        self._timer.setInterval(_INTERVAL)
        self._timer.connect("timeout()", self._look)
        self._thread.start()
        self._timer.start()

    def forget(self):
        """Let it end by itself; ``done`` is not called."""
        self._timer.stop()
        self._done = None

    def _run(self):
        try:
            self._result = self._function()
        except Exception as error:  # told in the main thread
            self._error = error

    def _look(self):
        self._thread.join(_PATIENCE)
        if self._thread.is_alive():
            return
        self._timer.stop()
        if self._done is not None:
            self._done(self._result, self._error)


class Steps:
    """Work in the scene that runs step by step, see ``DMRIPretrainLib.scene.steps``; between them Slicer goes on.

    Args:
        steps: the generator; the functions that it yields run in a thread.
        done: called with what it returned, and the exception that it raised; one of them is None.
    """

    def __init__(self, steps, done):
        self._steps, self._done = steps, done
        self._task = None
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.connect("timeout()", self._onTurn)
        self._timer.start(0)

    def forget(self):
        """Break it off; ``done`` is not called."""
        self._timer.stop()
        if self._task is not None:
            self._task.forget()
        self._done = None
        if not self._steps.gi_running:
            self._steps.close()

    def _onTurn(self):
        self._go(lambda: self._steps.send(None))

    def _onTask(self, result, error):
        self._task = None
        self._go(lambda: self._steps.send(result) if error is None else self._steps.throw(error))

    def _go(self, advance):
        try:
            function = advance()
        except StopIteration as end:
            self._finish(end.value, None)
        except Exception as error:  # told, as with a task
            self._finish(None, error)
        else:
            if self._done is None:
                self._steps.close()  # forgotten by what the step has brought about
            elif function is None:
                self._timer.start(0)
            else:
                self._task = Task(function, self._onTask)

    def _finish(self, result, error):
        done, self._done = self._done, None
        if done is not None:
            done(result, error)


def lastLine(text):
    """The last line that says something: Python puts what went wrong there."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def _text(data):
    return bytes(data.data()).decode("utf-8", errors="replace")
