"""docs/TUTORIAL.md, block by block, as a reader copies it."""

import glob
import os
import shutil
import signal
import subprocess
import sys

import pytest

from harness import branch, documents, mounts, sanitizer, walkthrough

TUTORIAL = os.path.join(documents.ROOT, "docs", "TUTORIAL.md")


@pytest.fixture
def machine(workspace):
    """A machine on which nothing runs; what the reader has left running when a step fails is stopped."""
    folder = os.path.join(workspace, "tutorial")
    with mounts.over("/run", os.path.join(folder, "run")):
        yield folder
        for path in glob.glob("/run/proxymap-tutorial/*/run/master.pid") + glob.glob("/run/proxymap-tutorial/memcached/pid"):
            with open(path, encoding="ascii") as file:
                os.kill(int(file.read()), signal.SIGTERM)
    shutil.rmtree(folder)


def test_the_tutorial_works_to_the_letter(machine):
    done = []

    def after(section):
        done.append(section)
        if section.startswith("9."):
            with open("/run/proxymap-tutorial/proxy/log", encoding="utf-8") as file:
                text = file.read()
            assert "Panic" not in text and "Fatal" not in text
    walkthrough.Walk(machine, branch.installed(), sanitizer.environment(), after).run(TUTORIAL)
    assert [section.partition(".")[0] for section in done] == [str(number) for number in range(1, 11)]
    assert not os.path.exists("/run/proxymap-tutorial")


def test_the_tutorial_shows_what_each_step_prints():
    kinds = {}
    for block in walkthrough.blocks(TUTORIAL):
        kinds.setdefault(block.section, set()).add(block.kind)
    for section in ("6. The map", "7. Log in", "8. A backend that is not the backend", "9. Move a user, and lose the map"):
        assert "output" in kinds[section], section


@pytest.mark.parametrize("name", ["2.3", "2.4"])
def test_it_is_a_script_for_other_machines_too(name):
    """As walkthrough.py prints it."""
    path = os.path.join(os.path.dirname(walkthrough.__file__), "walkthrough.py")
    text = subprocess.run([sys.executable, path, TUTORIAL, name], capture_output=True, text=True, check=True).stdout
    subprocess.run(["bash", "-n"], input=text, text=True, check=True)
    assert text.count("dovecot_config_version") == {"2.3": 0, "2.4": 2}[name]
