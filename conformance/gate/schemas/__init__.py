"""Schemas as senders and receivers see them: views, containment, witnesses."""
