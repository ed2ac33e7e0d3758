"""Sources of published vulnerability data, one per file: where each is downloaded, and how its files are read."""
