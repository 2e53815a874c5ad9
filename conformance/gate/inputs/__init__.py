"""Readers of the versions to compare: the working tree, a release, a git revision."""
