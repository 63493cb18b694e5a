"""A process that publishes a meter until it is killed; its one argument is the broker's address."""

from __future__ import annotations

import sys
import threading

from joy311.device.mqtt_publisher import mqtt_publishing
from tests.meters import new_meter


def main(url: str) -> None:
    with mqtt_publishing(new_meter(), url, lock=threading.RLock()):
        # Ends when whoever started it closes the pipe, if it was not killed before.
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1])
