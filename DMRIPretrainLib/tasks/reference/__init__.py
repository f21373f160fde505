"""Reference labels made with DIPY from a scan alone."""
