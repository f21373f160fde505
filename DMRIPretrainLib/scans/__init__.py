"""Reading scans, checking them, and the frames their directions are in."""
