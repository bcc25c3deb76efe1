"""Finds the commands in README.md, the other .md files, the manual pages and the samples of conf.d.

Everything in a code block that is neither a route, nor a setting, nor a drawing is a command; so is
text in `backticks` that begins with a program's name. Nothing here knows what a command does.
"""

import dataclasses
import glob
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
PROGRAMS = ("apt-get", "autoreconf", "cp", "doveadm", "doveconf", "dovecot", "gdb", "git", "make", "man", "memcached",
            "openssl", "sed", "ssh", "systemctl", "ulimit")
_STARTS = re.compile(r"(\./|\.\./|tests/bench/run|[A-Z_]+=\S+ |(%s) )" % "|".join(PROGRAMS))


WALKED = {"docs/OPERATIONS.md", "docs/TUTORIAL.md"}


@dataclasses.dataclass(frozen=True)
class Command:
    source: str        # file, from the project's folder
    text: str          # as for a shell, without comment
    output: str = ""   # what the document says that it prints
    branch: str = ""   # of Dovecot, that the document gives it for: 2.3, 2.4; none: both

    def __str__(self):
        return f"{os.path.basename(self.source)}: {self.text}"


def read(source):
    with open(os.path.join(ROOT, source), encoding="utf-8") as file:
        return file.read()


def kind_of(lines):
    """commands, routes, settings or drawing."""
    if re.match(r"(# kind|(user|domain|default|backend) )", lines[0]):
        return "routes"
    if re.search(r"[│└▲▼]", "".join(lines)):
        return "drawing"
    if re.match(r"(\w+ = |\w+( \S+)? \{$|\[\w+\]$|/etc/)", lines[0]):
        return "settings"
    return "commands"


def _logical(lines):
    """Shell lines without comments; one that ends in a backslash or a pipe goes on in the next."""
    text = re.sub(r"\\\n\s*", "", "\n".join(lines))
    text = re.sub(r"\|\n\s*", "| ", text)
    for line in text.split("\n"):
        line = re.sub(r"\s+#\s.*", "", line).strip()
        if line:
            yield line


def md_blocks(source):
    """Code blocks, fenced or indented, as lists of lines."""
    blocks, block, fenced = [], None, False
    for line in read(source).split("\n") + [""]:
        if line.startswith("```"):
            if fenced:
                blocks.append(block)
            block, fenced = ([], True) if not fenced else (None, False)
        elif fenced:
            block.append(line)
        elif re.match(r" {4,}\S", line):
            block = [*(block or []), line]
        elif block is not None:
            blocks.append(block)
            block = None
    cut = lambda lines: min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return [[line[cut(block):] for line in block] for block in blocks if block]


def man_blocks(source):
    """What stands between .nf and .fi, without roff's signs; a bold line, the command, begins with "$ "."""
    def plain(line):
        line = re.sub(r"^\.B ", "$ ", line).replace("\\(dq", '"').replace("\\-", "-")
        return re.sub(r"\\f.", "", line)
    return [[plain(line) for line in block.strip("\n").split("\n")]
            for block in re.findall(r"^\.nf\n(.*?)^\.fi", read(source), re.S | re.M)]


def markdown():
    """All that a reader of the project finds, but for what walkthrough.py runs and tables of what is logged."""
    found = glob.glob("*.md", root_dir=ROOT) + glob.glob("docs/*.md", root_dir=ROOT)
    return sorted(set(found) - WALKED - {"docs/LOG_MESSAGES.md"}) + ["tests/integration/README.md"]


def manuals():
    return sorted(glob.glob("man/*.[1578]", root_dir=ROOT))


def samples():
    return sorted(glob.glob("conf.d/*.conf*", root_dir=ROOT) + glob.glob("conf.d/2.4/*.conf*", root_dir=ROOT))


def branch_of(sample):
    """The one that its first paragraph names; none: it is for both."""
    named = re.search(r"Dovecot (2\.[34])", re.split(r"(?m)^#*$", read(sample).lstrip("#\n"))[0])
    return named[1] if named else ""


def _spans(source, text):
    for span in re.findall(r"`([^`\n]+)`", text):
        if _STARTS.match(span):
            yield Command(source, span)


def commands():
    """All of them, each text once per file."""
    found = []
    for source in markdown():
        for block in md_blocks(source):
            if kind_of(block) == "commands":
                found += [Command(source, line) for line in _logical(block)]
        found += _spans(source, re.sub(r"^```.*?^```", "", read(source), flags=re.S | re.M))
    for source in manuals():
        for block in man_blocks(source):
            if block[0].startswith("$ "):
                found.append(Command(source, block[0][2:], "\n".join(block[1:])))
            elif block[0].startswith("["):
                found += [Command(source, line.partition("=")[2]) for line in block if "Exec" in line]
            elif kind_of(block) == "commands":
                found += [Command(source, line) for line in _logical(block)]
        flat = re.sub(r"\\f.", "", read(source).replace("\\-", "-"))
        found += [Command(source, match) for match in re.findall(r"\b(openssl rand [-\w ]*\d)", flat)]
    for source in samples():
        text = read(source)
        of_file = [Command(source, line) for line in re.findall(r"^##?\s{2,}((?:%s) .*)" % "|".join(PROGRAMS), text, re.M)]
        of_file += _spans(source, text)
        found += [dataclasses.replace(command, branch=branch_of(source)) for command in of_file]
    return list(dict.fromkeys(found))
