"""Releases: assembled from an audited build, published atomically, kept, verified and rolled back."""
