"""The outcome of a run: results of cases, the run, known failures."""
