"""One file per task: labels, loss, metrics, outputs."""
