"""The command `poolfleet-agent`: serve, check, --version. What a subcommand needs is imported when it runs."""

import argparse
import importlib.metadata
import os
import sys
from collections.abc import Sequence
from pathlib import Path

DEFAULT_FILE = Path("/etc/poolfleet/poolfleet-agent.toml")

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_CONFIGURATION = 78
"""EX_CONFIG of sysexits.h: starting again would not help. 2, bad usage, is argparse's own."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand; the answer is the exit code."""
    arguments = _parser().parse_args(argv)
    from poolfleet_agent.config import ConfigurationError, load

    path: Path | None = arguments.config
    if path is None and DEFAULT_FILE.exists():
        path = DEFAULT_FILE
    try:
        settings = load(path)
        if arguments.command == "check":
            from poolfleet_agent.config import to_toml
            from poolfleet_agent.server.tls import CertificateSource

            if settings.tls.configured:
                CertificateSource(settings.tls)
            sys.stdout.write(to_toml(settings))
            return EXIT_OK
        # gRPC's own lines are not in the log's form: only what is grave.
        os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
        # gRPC's newer way of listening, its default since 1.80, hands each request to one thread more: a tenth slower.
        os.environ.setdefault("GRPC_EXPERIMENTS", "-event_engine_listener")
        from poolfleet_agent.server.app import run

        return run(settings)
    except ConfigurationError as error:
        for problem in error.problems:
            sys.stderr.write(f"poolfleet-agent: {problem}\n")
        return EXIT_CONFIGURATION


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="poolfleet-agent",
        description="Wraps the libvirt storage pools and volumes of this host behind gRPC.",
        epilog="Exit codes: 0 done, 1 failed, 2 wrong usage, 78 the configuration cannot be used.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {importlib.metadata.version('poolfleet')}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in (
        ("serve", "run until SIGTERM"),
        ("check", "check the configuration and print all of it as it holds"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument(
            "--config",
            type=Path,
            metavar="FILE",
            help=f"TOML file (default: {DEFAULT_FILE} where it exists); POOLFLEET_AGENT__SECTION__KEY wins over it",
        )
    return parser


if __name__ == "__main__":
    sys.exit(main())
