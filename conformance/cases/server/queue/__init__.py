"""Cases of the profile queue (chapter QUE)."""
