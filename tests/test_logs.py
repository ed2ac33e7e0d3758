"""What the log shows, and what it never shows."""

import subprocess
import sys

import pytest

SCRIPT = """
import sys
import structlog
from orchestrator.logs import configure_logs
from orchestrator.settings import LogFormat

configure_logs(LogFormat(sys.argv[1]), "info")
def login(password):
    raise OSError("refused")
try:
    login("hunter" + "2" * 8)
except OSError as exc:
    structlog.get_logger().error("login failed", host="web1", exc_info=exc)
"""


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_a_traceback_shows_no_local_variables(log_format: str) -> None:
    """A local may be a password: tracebacks name files, lines and errors, and nothing else."""
    done = subprocess.run([sys.executable, "-c", SCRIPT, log_format], capture_output=True, text=True, check=True)
    assert "login failed" in done.stderr
    assert "OSError" in done.stderr
    assert "hunter22222222" not in done.stderr
