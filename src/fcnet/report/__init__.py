"""The pages to look at, each one HTML file that opens offline: of a run, of a sweep, and of several runs beside each other."""

from fcnet.report.run import write_report

__all__ = ["write_report"]
