"""The manners of PythonQt, Slicer's Python binding of Qt, on PySide6 objects."""
