"""What goes wrong with profiles before they work."""


class ProfileError(Exception):
    """A profile cannot start; the text says why, and what to do."""
