"""bash completes `doveadm proxymap`."""

import re
import subprocess

import pytest

from harness import documents


def complete(*words):
    """What bash offers for the last of these words, behind `doveadm`."""
    script = """. "$1"; shift; COMP_WORDS=(doveadm "$@"); COMP_CWORD=$#
compopt() { :; }; doveadm() { printf 'kind\\tname\\nbackend\\tb1\\nbackend\\tb2\\n'; }
_doveadm_proxymap; printf '%s\\n' "${COMPREPLY[@]}" """
    done = subprocess.run(["bash", "-uc", script, "bash", f"{documents.ROOT}/completions/doveadm-proxymap", *words],
                          capture_output=True, text=True, check=True)
    assert not done.stderr
    return done.stdout.split()


def test_every_command_is_offered():
    synopsis = documents.read("man/doveadm-proxymap.1").partition(".SH DESCRIPTION")[0]
    assert set(complete("proxymap", "")) == set(re.findall(r"(?m)^\.B proxymap (\w+)", synopsis))


@pytest.mark.parametrize("words, offered", [
    (("pr",), ["proxymap"]),
    (("proxymap", "ba"), ["backend"]),
    (("-f", "tab", "proxymap", "li"), ["list"]),
    (("proxymap", "set", "u"), ["user"]),
    (("proxymap", "set", "--dry-run", "backend", ""), ["b1", "b2"]),
    (("proxymap", "backend", "d"), ["drain", "down"]),
    (("proxymap", "backend", "down", "b1", "--failover", "b"), ["b1", "b2"]),
    (("proxymap", "list", "--kind", "d"), ["domain", "default"]),
    (("proxymap", "import", "--"), ["--config", "--format", "--replace", "--dry-run"]),
    (("proxymap", "export", "--format", "j"), ["json"]),
    (("proxymap", "--config", "x", "ve"), ["verify"]),
    (("proxymap", "lookup", "--client-ip", "192"), []),
    (("proxymap", "lookup", "--c"), ["--config", "--client-ip"]),
    (("proxymap", "follow", "--in"), ["--init", "--interval"]),
    (("proxymap", "promote", "--y"), ["--yes"]),
    (("proxymap", "check", "--"), ["--config", "--no-connect", "--days", "--timeout"]),
    (("proxymap", "check", "--days", "1"), []),
    (("proxymap", "watch", "--from", "x"), []),
    (("proxymap", "move", "john", "--to", "b"), ["b1", "b2"]),
    (("proxymap", "move", "--kick", "--h"), ["--hold-only"]),
    (("proxymap", "sessions", "--"), ["--host", "--kick"]),
    (("proxymap", "nonsense", "x"), []),
])
def test_what_is_offered(words, offered):
    assert complete(*words) == offered
