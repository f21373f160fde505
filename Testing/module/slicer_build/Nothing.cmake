# The settings of the launcher and the archive of the package are Slicer's work.
