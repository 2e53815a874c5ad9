"""The analysis of several results files together."""
