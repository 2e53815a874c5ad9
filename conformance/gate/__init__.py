"""The change gate: finds the differences between two protocol versions, whom they break, and the version they need."""
