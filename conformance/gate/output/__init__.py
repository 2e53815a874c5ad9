"""A judgement as text, JSON, JUnit XML and annotations."""
