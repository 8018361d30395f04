"""What lies on disk: models.yaml and its changes, the catalogue's cache and the seed that ships with us."""
