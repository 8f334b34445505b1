"""The landing folder: its files as batches, the sensor that watches it, and the backfill of one edition."""
