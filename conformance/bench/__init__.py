"""Measure servers side by side: one load generator, several subjects, interleaved in one run."""
