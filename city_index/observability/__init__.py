"""What a run tells machines: its events, one JSON object per line, and the metrics of a home for Prometheus."""
