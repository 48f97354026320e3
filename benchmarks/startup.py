"""Times that a user waits before any work is done: imports, help, and loading CIFAR-10.

Run it as ``FCNET_DATA=… python benchmarks/startup.py``.
"""

import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import fcnet": ["-c", "import fcnet"],
    "fcnet --help": ["-m", "fcnet", "--help"],
    "load, check and split CIFAR-10": ["-c", "import fcnet; fcnet.load_cifar10()"],
}


def main() -> None:
    """Print the median and the range of ten runs of each, alternating, each in a new process."""
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(10):
        for name, arguments in COMMANDS.items():
            started = time.perf_counter()
            subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
            seconds[name].append(time.perf_counter() - started)
    for name, values in seconds.items():
        print(f"{name}: {statistics.median(values):.3f} s ({min(values):.3f} to {max(values):.3f})")


if __name__ == "__main__":
    main()
