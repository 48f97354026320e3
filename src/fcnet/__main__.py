"""``python -m fcnet`` is ``fcnet``."""

from fcnet.cli import main

main(prog_name="fcnet")
