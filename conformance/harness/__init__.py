"""What a case is written with: decorators, contexts, property testing."""
