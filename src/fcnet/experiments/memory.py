"""How much memory a run has taken."""

import sys


def peak_memory_mb() -> float | None:
    """Return the most memory this process has held, in MB of 10⁶ bytes; None where the system does not tell."""
    try:
        import resource
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6, 1)
