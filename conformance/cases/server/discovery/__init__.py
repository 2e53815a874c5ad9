"""Cases of the profile discovery (chapter DSC)."""
