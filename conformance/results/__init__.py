"""The outcome of a run: results of cases, their causes, the run, known failures."""
