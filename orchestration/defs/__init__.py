"""One folder for each topic: inputs, warehouse, releases, nightly."""
