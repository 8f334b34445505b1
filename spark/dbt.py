"""dbt with a Spark session in its own process: ``python -m spark.dbt build --target spark``.

What belongs here: what dbt-spark lacks for this project. Its Python models go to a cluster of Databricks by its API,
and nowhere else; here they run in the driver of the session that runs the SQL, and read and write its tables.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import dbt.adapters.spark as adapter_package
from dbt.adapters.base import PythonJobHelper
from dbt.adapters.spark import impl
from dbt.cli.main import dbtRunner
from pyspark import SparkContext
from pyspark.sql import SparkSession

DRIVER = "driver"


class DriverJob(PythonJobHelper):
    """A Python model that runs in this process."""

    seconds = 0.0

    def __init__(self, parsed_model: dict[str, Any], credential: Any) -> None:
        self.path = parsed_model["original_file_path"]

    def submit(self, compiled_code: str) -> None:
        """Run what dbt compiled: the model, and the writing of its table."""
        began = time.process_time()
        session = SparkSession.builder.getOrCreate()
        # dbt's macros put blanks before the first line, where Python takes none.
        exec(compile(compiled_code.lstrip(), self.path, "exec"), {"__name__": "model", "spark": session})
        DriverJob.seconds += time.process_time() - began


class SparkAdapter(impl.SparkAdapter):
    """dbt-spark's adapter, with Python models in the driver. dbt goes by the name of the class."""

    @property
    def default_python_submission_method(self) -> str:
        """Where a model runs that says nothing."""
        return DRIVER

    @property
    def python_submission_helpers(self) -> dict[str, type[PythonJobHelper]]:
        """Where models can run."""
        return {DRIVER: DriverJob}


def end_session() -> None:
    """End the session and wait for its Java, so that whoever started this process sees the processor time of both."""
    gateway = SparkContext._gateway
    session = SparkSession.getActiveSession()
    if session is not None:
        session.stop()
    if gateway is not None:
        gateway.shutdown()
        gateway.proc.stdin.close()
        gateway.proc.wait()


def run_dbt(arguments: list[str]) -> int:
    """Run dbt with these arguments; gives its exit code: 0, 1 where a node failed, 2 where dbt did."""
    adapter_package.Plugin.adapter = SparkAdapter
    done = dbtRunner().invoke(arguments)
    if done.success:
        return 0
    return 2 if done.exception is not None else 1


def main() -> int:
    """Run dbt; with ``--seconds FILE`` before its arguments, write down what Python models took of the processor."""
    arguments = sys.argv[1:]
    target = None
    if arguments[:1] == ["--seconds"]:
        target, arguments = Path(arguments[1]), arguments[2:]
    code = run_dbt(arguments)
    if target is not None:
        target.write_text(json.dumps(DriverJob.seconds), encoding="utf-8")
    end_session()
    return code


if __name__ == "__main__":
    sys.exit(main())
