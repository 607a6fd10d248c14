"""The command line: `root` has the group and the plain commands, the others a command or group each."""

from gateway.cli.root import main as main
