"""The published release."""
