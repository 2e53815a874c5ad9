"""The implementation under test: reach it, start it, probe it, drive it, stop it."""
