"""The specification's Markdown, read as requirements."""
