"""Slice, 3D, plot and table views: real displayable managers, rendered off screen and painted into Qt widgets."""
