"""The floor: a bare paramiko thread pool that runs the same script on the same hosts and throws the answer away.

It checks no host key, keeps nothing, parses nothing, and knows of no failure: less cannot be done with paramiko.
"""

import json
import shlex
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import paramiko

from tests.bench.measured import Stopwatch, tell


class _TakeAny(paramiko.MissingHostKeyPolicy):
    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        return


def main(file: str) -> None:
    """Do the work in that file; tell what it took."""
    work = json.loads(Path(file).read_text())
    clients: list[paramiko.SSHClient] = []
    with Stopwatch() as took, ThreadPoolExecutor(work["forks"]) as pool:
        key = paramiko.PKey.from_path(work["key"])
        jobs = [pool.submit(_ask, work, key, address, argv, clients) for address, argv in work["jobs"]]
        received = sum(job.result() for job in jobs)
    for client in clients:
        client.close()
    tell(wall=took.wall, cpu=took.cpu, received=received)


def _ask(
    work: dict[str, Any], key: paramiko.PKey, address: str, argv: list[str], clients: list[paramiko.SSHClient]
) -> int:
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(_TakeAny())
    user = work["users"][address] if "users" in work else work["user"]
    client.connect(address, work["port"], user, pkey=key, allow_agent=False, look_for_keys=False)
    stdin, stdout, stderr = client.exec_command(shlex.join(argv))
    stdin.write(work["script"])
    stdin.channel.shutdown_write()
    received = len(stdout.read()) + len(stderr.read())
    if stdout.channel.recv_exit_status() != 0:
        raise SystemExit(f"{address}: the script failed")
    # Ended after the clock has stopped: waiting for a connection's thread to end would count against the floor.
    clients.append(client)
    return received


if __name__ == "__main__":
    main(sys.argv[1])
