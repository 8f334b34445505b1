"""Write the seeds of samples: ``python -m samples``."""

from __future__ import annotations

from city_index.settings import PROJECT_DIRECTORY
from samples.seed_files import write_seed_files


def main() -> None:
    """Write seeds/hospitals.csv and seeds/evidence.csv, and say how many rows each has."""
    for name, row_count in write_seed_files(PROJECT_DIRECTORY / "seeds").items():
        print(f"seeds/{name}: {row_count} rows")


if __name__ == "__main__":
    main()
