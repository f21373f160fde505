"""A stand-in for 3D Slicer's Qt layer over the real MRML libraries: see README.md."""
