"""The benchmark: one load generator measures several servers, interleaved in one run."""
