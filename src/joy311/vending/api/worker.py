"""One of several processes behind one port: it opens its own shop from what the environment says."""

from __future__ import annotations

import os
import time
from pathlib import Path
from random import SystemRandom

from litestar import Litestar

from joy311.vending.api.app import create_api
from joy311.vending.demonstration import SECURITY_MODULE_DIRECTORY
from joy311.vending.security_module import (
    SecurityModuleClient,
    SoftwareSecurityModule,
    WholeSecurityModule,
)
from joy311.vending.service import Shop

DIRECTORY, DATABASE, SOCKET, KEYS, LANES = (
    "JOY311_WORKER_DATA",
    "JOY311_WORKER_DATABASE",
    "JOY311_WORKER_SECURITY_MODULE",
    "JOY311_WORKER_ASKS_FOR_KEYS",
    "JOY311_WORKER_LANES",
)
"""Variables in which `joy311 pos serve` tells its workers where the shop is."""


def create() -> Litestar:
    """Return the application of this process; shop and module last as long as the process."""
    directory = Path(os.environ[DIRECTORY])
    socket = os.environ.get(SOCKET)
    module: WholeSecurityModule
    if socket:
        module = SecurityModuleClient(Path(socket))
    else:
        module = SoftwareSecurityModule.open(
            directory / SECURITY_MODULE_DIRECTORY, random_source=SystemRandom()
        )
    shop = Shop.open(
        directory,
        security_module=module,
        database_url=os.environ.get(DATABASE) or None,
        lanes=int(os.environ[LANES]),
    )
    return create_api(shop, time.time_ns, asks_for_keys=os.environ.get(KEYS) == "1", announces=True)
