"""The nightly job: its schedule and what happens when it fails."""
