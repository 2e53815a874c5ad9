"""Between a client and a server: shows and checks their frames."""
