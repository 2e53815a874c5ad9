"""The data of a comparison: versions, releases, findings."""
