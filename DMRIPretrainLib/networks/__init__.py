"""Networks, heads and model files."""
