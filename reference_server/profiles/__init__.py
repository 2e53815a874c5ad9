"""The optional parts of the protocol: one module or folder for each, all listed in `registry`."""
