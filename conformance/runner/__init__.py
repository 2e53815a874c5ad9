"""Runs cases: one by itself, or many under pytest."""
