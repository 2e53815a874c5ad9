"""The profile queue: jobs that wait until a consumer has done them (chapter QUE)."""
