"""The meter's end in a process of its own: a ledger behind a TCP port, told about on standard output."""

from __future__ import annotations

import json
import sys
import threading

from joy311.device.link_campaign import LedgerMeter
from joy311.device.link_port import ListeningPort, NoisyPort, live
from joy311.link import MEDIA, MediumName, Slave


def main(medium: str, bit_error_rate: str) -> None:
    port = ListeningPort("127.0.0.1", 0)
    meter = LedgerMeter()
    ended = threading.Event()

    def wait_for_the_end() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    print(port.address[1], flush=True)
    slave = Slave(MEDIA[MediumName(medium)], meter)
    live(slave, NoisyPort(port, float(bit_error_rate), "meter"), until=ended.is_set)
    port.close()
    judged = list(meter.judged.values())
    print(json.dumps({"judged": len(judged), "most": max(judged, default=0), "spent": sorted(meter.spent)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
