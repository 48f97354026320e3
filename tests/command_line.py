"""The command line, called in this process."""

from click.testing import CliRunner

from fcnet.cli import main


def fcnet(*words, code=0):
    """Return what a command that ends with this exit code has printed."""
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == code, result.output + repr(result.exception)
    assert "Traceback" not in result.output
    return result
