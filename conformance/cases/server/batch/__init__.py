"""Cases of the profile batch (chapter BAT)."""
