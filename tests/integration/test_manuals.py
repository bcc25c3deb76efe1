"""The manual pages name what the code has: commands, their options, fields of records, events. (Settings: the unit tests.)"""

import glob
import os
import re
import subprocess

import pytest

from harness import documents, walkthrough

COMMANDS = sorted(path for path in glob.glob(os.path.join(documents.ROOT, "src/doveadm-proxymap/*.cc"))
                  if re.search(r'\.name = "proxymap ', documents.read(os.path.relpath(path, documents.ROOT))))


def source(path):
    return documents.read(os.path.relpath(path, documents.ROOT))


def plain(roff):
    """Without fonts and escapes."""
    text = re.sub(r"(?m)^\.(?:B|I|BR|RB|IR|RI|BI|IB) ", "", roff.replace("\\-", "-"))
    return re.sub(r"\\f.", "", text)


@pytest.mark.parametrize("page", documents.manuals())
def test_man_has_nothing_to_complain_of(page):
    done = subprocess.run(["man", "--warnings", "-l", page], cwd=documents.ROOT, capture_output=True, text=True,
                          env={**os.environ, "MANPAGER": "cat", "LC_ALL": "C.UTF-8"}, check=False)
    if done.returncode == 127 or "minimized" in done.stdout:
        pytest.skip("there is no man here")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("path", COMMANDS, ids=os.path.basename)
def test_a_command_has_its_section_with_its_options(path):
    page = plain(documents.read("man/doveadm-proxymap.1"))
    for name, usage in re.findall(r'\.name = "proxymap (\w+)",\s*\.usage = "((?:[^"]|"\s*")*)"', source(path)):
        section = re.search(rf"(?ms)^\.SS (?:\w+, )*{name}(?:, \w+)*\n(.*?)(?=^\.S[SH] )", page)
        assert section, f"doveadm-proxymap(1) has no section {name}"
        for option in re.findall(r"--[a-z-]+", usage):
            assert option in section[1], f"doveadm-proxymap(1): {name} does not name {option}"


def usages():
    """Of each command: its options and parameters, as the tool prints them."""
    return {name: re.sub(r'"\s*"', "", usage) for path in COMMANDS for name, usage in
            re.findall(r'\.name = "proxymap (\w+)",\s*\.usage = "((?:[^"]|"\s*")*)"', source(path))}


def test_what_documents_call_is_there_with_its_options():
    """In text and tables too; the blocks are run elsewhere."""
    known = usages()
    assert len(known) > 15
    names = [f"docs/{os.path.relpath(path, os.path.join(documents.ROOT, 'docs'))}" for path in
             glob.glob(os.path.join(documents.ROOT, "docs/**/*.md"), recursive=True)]
    for name in ["README.md", *names]:
        for call, options in re.findall(r"doveadm(?: -[a-z] \S+)* proxymap (\w+)([^`|\n]*)", documents.read(name)):
            assert call in known, f"{name}: doveadm proxymap {call}"
            for option in re.findall(r"(?<= )--[a-z-]+", options):
                assert option in known[call] or option == "--config", f"{name}: doveadm proxymap {call} {option}"


@pytest.mark.parametrize("path", glob.glob(os.path.join(documents.ROOT, "docs/**/*.md"), recursive=True) + [
    os.path.join(documents.ROOT, "README.md")], ids=os.path.basename)
def test_each_link_leads_to_a_file_and_a_heading(path):
    for there, heading in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", documents.read(os.path.relpath(path, documents.ROOT))):
        target = os.path.normpath(os.path.join(os.path.dirname(path), there)) if there else path
        assert os.path.exists(target), f"{path}: {there}"
        if heading:
            headings = re.findall(r"(?m)^#+ (.*)", documents.read(os.path.relpath(target, documents.ROOT)))
            assert heading in map(walkthrough.anchor, headings), f"{path}: {there}#{heading}"


def test_each_field_of_a_record_is_in_the_manual_and_no_other():
    table, = re.findall(r"named_fields = \{(.*?)\};", source(os.path.join(documents.ROOT, "src/core/field.cc")), re.S)
    fields = set(re.findall(r'Named_field\{"(\w+)"', table))
    assert len(fields) > 30
    page = documents.read("man/dovecot-proxymap.7").partition(".SH FIELDS OF A RECORD")[2].partition(".SH ")[0]
    headings = set()
    for heading in re.findall(r'(?m)^\.BR (.*) " \(default: .*\)"$', page):
        headings |= {re.sub(r"\\fINAME\\fP", "", name) for name in heading.split(' ", " ')}
    assert headings == fields


def test_each_event_is_in_the_manual_with_its_fields():
    events = documents.read("man/proxymap.conf.ext.5").partition(".SH EVENTS")[2].partition(".SH ")[0]
    code = "".join(source(path) for path in glob.glob(os.path.join(documents.ROOT, "src/*/*.cc")))
    names = set(re.findall(r'"(proxymap_\w+_(?:finished|handshake|selected|refused))"', code))
    assert len(names) == 4
    assert names == set(re.findall(r"(?m)^\.B (proxymap_\w+)$", events))
    for call in re.findall(r'emit_event\([^;]*?"proxymap_\w+",(.*?)\);', code, re.S):
        for field in re.findall(r'\{"(\w+)",', call):
            assert field in events, field


def test_the_architecture_names_files_and_folders_that_there_are():
    text = documents.read("docs/ARCHITECTURE.md")
    files = {os.path.relpath(path, documents.ROOT) for path in glob.glob(os.path.join(documents.ROOT, "src/*/*"))}
    named = set(re.findall(r"`((?:[\w-]+/)*\w+\.(?:cc|h))`", text))
    assert len(named) > 40
    for name in named:
        assert any(f"/{path}".endswith("/" + name) for path in files), f"docs/ARCHITECTURE.md names {name}, which there is not"
    assert set(re.findall(r"`src/([\w-]+)`", text)) >= set(os.listdir(os.path.join(documents.ROOT, "src")))
