"""The job folder: what a run is told and what it says."""
