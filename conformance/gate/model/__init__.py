"""What is compared: versions, releases, findings."""
