"""The same work on every scan of a study, as a job."""
