"""A relay between clients and a server that shows and checks their frames."""
