"""What a row measures of its own process, and the line in which it says so."""

import json
import time


class Meter:
    """Wall and CPU time since its start."""

    def __init__(self):
        self.wall, self.cpu = time.monotonic_ns(), time.process_time_ns()

    def report(self, name, ops):
        wall, cpu = time.monotonic_ns() - self.wall, time.process_time_ns() - self.cpu
        return {
            "name": name,
            "ops": ops,
            "wall_ns_per_op": wall / ops,
            "cpu_ns_per_op": cpu / ops,
            "maxrss_kb": status_kb("VmHWM"),
            "wall_ms": wall / 1e6,
            "cpu_ms": cpu / 1e6,
        }


class Memory:
    """What this process holds."""

    def __init__(self):
        self.resident, self.tables = status_kb("VmRSS"), status_kb("VmPTE")
        with open("/proc/self/maps") as maps:
            self.mappings = sum(1 for _ in maps)

    def growth(self, count):
        now = Memory()
        return {
            "rss_bytes_per_task": (now.resident - self.resident) * 1024 / count,
            "pte_bytes_per_task": (now.tables - self.tables) * 1024 / count,
            "vmas_per_task": (now.mappings - self.mappings) / count,
        }


def status_kb(key):
    with open("/proc/self/status") as status:
        lines = (line.split() for line in status)
        return next((int(line[1]) for line in lines if line[0] == key + ":"), 0)


def overshoot(late):
    """`late` in seconds."""
    micros = sorted(round(it * 1e6) for it in late)
    return {
        "overshoot_p50_us": micros[len(micros) // 2],
        "overshoot_p99_us": micros[len(micros) * 99 // 100],
        "overshoot_max_us": micros[-1],
    }


def show(figures):
    print(json.dumps(figures))
