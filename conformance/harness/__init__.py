"""The tools for writing cases: decorators, contexts, property testing."""
