"""Where both sides of a comparison come from: the tree, a release, a revision."""
