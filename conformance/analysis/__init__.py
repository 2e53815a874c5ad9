"""What several results files say together."""
