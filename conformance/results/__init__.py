"""What a run found: results of cases, the run, known failures."""
