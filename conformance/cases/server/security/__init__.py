"""Cases of the profile security (chapter SEC)."""
