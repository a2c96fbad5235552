"""Amazon's runtime interface emulator, which stands between caller and runtime as Lambda does.

Its program comes with the AWS SAM CLI, in the environment that the linters have, too.
(https://github.com/aws/aws-lambda-runtime-interface-emulator)
"""

import fcntl
import json
import os
import platform
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

from tests.aws.runtime import HANDLER
from tests.docs.markdown import ROOT
from tests.servers import free_port

SAM = Path("build", "aws", "sam")
NAMES = {"x86_64": "x86_64", "aarch64": "arm64"}
_START_SECONDS = 60


def make(target: str) -> "subprocess.CompletedProcess[str]":
    """Run ``make``."""
    return subprocess.run(["make", target], cwd=ROOT, capture_output=True, text=True, check=False)


def set_up(name: str) -> "subprocess.CompletedProcess[str]":
    """Make an environment of ``build/aws``; another test that makes one waits."""
    with (ROOT / "Makefile").open() as one_at_a_time:
        fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
        return make(f"build/aws/{name}/.set-up")


@cache
def emulator() -> Path:
    """The program. :raises FileNotFoundError: the environment with it cannot be had."""
    name = f"aws-lambda-rie-{NAMES.get(platform.machine(), 'none')}"
    made = set_up("sam")
    found = list((ROOT / SAM).glob(f"lib/*/site-packages/samcli/local/rapid/{name}"))
    if not found:
        raise FileNotFoundError(f"{name} cannot be had: {made.stderr[-500:]}")
    return found[0]


@dataclass
class Emulated:
    """A function behind the emulator."""

    folder: Path
    environment: Mapping[str, str]

    def __enter__(self) -> Self:
        self.port = free_port()
        self._log = self.folder / f"emulator-{uuid.uuid4().hex}"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    emulator(),
                    f"--runtime-interface-emulator-address=127.0.0.1:{self.port}",
                    f"--runtime-api-address=127.0.0.1:{free_port()}",
                    *(sys.executable, "-m", "awslambdaric", HANDLER),
                ],
                cwd=self.folder,
                stdout=log,
                stderr=log,
                env={**self.environment, "AWS_LAMBDA_FUNCTION_TIMEOUT": "300"},
                start_new_session=True,
            )
        for _ in range(_START_SECONDS * 20):
            with socket.socket() as asked:
                if asked.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(0.05)
        self.__exit__()
        raise TimeoutError(self.log())

    def __exit__(self, *_: object) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)  # the runtime that it started, too
        self.process.wait()

    def invoke(self, event: object) -> Any:
        """What the function's caller gets."""
        url = f"http://127.0.0.1:{self.port}/2015-03-31/functions/function/invocations"
        with urllib.request.urlopen(url, json.dumps(event).encode(), timeout=120) as answer:
            return json.loads(answer.read())

    def log(self) -> str:
        """What emulator and function said."""
        return self._log.read_text("utf-8", errors="replace")
