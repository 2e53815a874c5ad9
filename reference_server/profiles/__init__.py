"""Parts of the protocol that act on channels of the server, and the optional ones among them."""
