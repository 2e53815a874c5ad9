"""Schemas as both sides see them: views, containment, witnesses."""
