"""Access to the host computer: process priority and power state."""

from __future__ import annotations

import os
import sys

import psutil


def step_back() -> None:
    """Lower the priority of this process, and of the decoders and the graph builder that it will start."""
    if sys.platform == "win32":
        psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
    else:
        os.nice(10)


def on_battery() -> bool:
    try:
        battery = psutil.sensors_battery() if hasattr(psutil, "sensors_battery") else None
    except OSError:  # a system without power information: a container, a bare kernel
        battery = None
    return battery is not None and battery.power_plugged is False
