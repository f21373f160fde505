"""What becomes ``slicer.i18n``, ``slicer.packaging``, ``slicer.ScriptedLoadableModule`` and the like."""
