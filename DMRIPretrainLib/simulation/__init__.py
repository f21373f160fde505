"""Simulated diffusion scans with known truth."""
