"""The kit's vocabulary: verdicts, roles, settings, the wire trace. It imports nothing else of the kit."""
