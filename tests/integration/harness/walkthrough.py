"""Runs a document from top to bottom, as a reader would who copies each of its blocks.

    ```sh             is run, by a bash that keeps folder and variables from block to block
    ```sh 2.4         only with that branch of Dovecot (so for the others)
    ```output         is what the block before it prints; … stands for anything
    ```conf           is a file, whose path its first line names: `# /etc/dovecot/…`

A line with nothing but a link, `* Now: [compare](README.md#compare)`, is the blocks of that section.
`walkthrough.py DOCUMENT BRANCH` prints all of it as one script, for a machine where this harness is not.
"""

import dataclasses
import os
import re
import shlex
import subprocess
import sys

_FENCE = re.compile(r"```(\w+)(?: (2\.\d))?$")
_LINK = re.compile(r"\* \w+: \[[^\]]*\]\(([\w./-]*)#([\w-]+)\)\.?$")


class Block:
    """kind: sh, output or conf; branch: of Dovecot, or None; section: the heading that it stands under."""

    def __init__(self, kind, branch, section, where):
        self.kind, self.branch, self.section, self.where = kind, branch, section, where
        self.lines = []

    @property
    def text(self):
        return "\n".join(self.lines) + "\n"

    @property
    def path(self):
        """Of a conf block."""
        assert self.lines[0].startswith("# /"), f"{self.where}: a file without its path in the first line"
        return self.lines[0][2:]


def anchor(heading):
    """As GitHub makes it of a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def blocks(path, only=None):
    """All blocks of a document, or of the section with that anchor, in the order in which they are run."""
    found, block, section = [], None, ""
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file.read().split("\n"), 1):
            if block is not None:
                if line == "```":
                    block = None
                else:
                    block.lines.append(line)
            elif heading := re.match(r"#+ (.*)", line):
                section = heading[1]
            elif only is not None and anchor(section) != only:
                pass
            elif fence := _FENCE.match(line):
                block = Block(fence[1], fence[2], section, f"{os.path.basename(path)}:{number}")
                found.append(block)
            elif link := _LINK.match(line):
                there = blocks(os.path.join(os.path.dirname(path), link[1]), link[2])
                assert there, f"{path}:{number}: nothing is to be run there"
                for each in there:
                    each.section = section
                found += there
            else:
                assert not line.startswith("```"), f"{path}:{number}: a block of which nobody knows what it is"
    return found


def without_empty_cells(table):
    """Newer Dovecots have a "-" in each."""
    return re.sub(r"(?m)(?<=[ \t])-(?=[ \t]|$)", "", table)


def matches(expected, printed):
    """Whether that was printed, but for blanks, empty cells, and what … stands for."""
    def bare(text):
        return re.sub(r" ?\n", "\n", re.sub(r"[ \t\r]+", " ", without_empty_cells(text.strip())))
    regex = "".join(".*" if part == "…" else re.escape(part) for part in re.split("(…)", bare(expected)))
    return re.fullmatch(regex, bare(printed), re.S) is not None


@dataclasses.dataclass
class Walk:
    """folder: where the reader begins. branch: of Dovecot. after(section): called when a section is done."""
    folder: str
    branch: str
    environment: dict | None = None
    after: object = None

    def run(self, path):
        shown = [block for block in blocks(path) if block.branch in (None, self.branch)]
        state = os.path.join(self.folder, ".state")
        printed = ""
        for number, block in enumerate(shown):
            if block.kind == "conf":
                with open(block.path, "w", encoding="utf-8") as out:
                    out.write(block.text)
            elif block.kind == "output":
                assert matches(block.text, printed), f"{block.where}: it printed\n{printed}"
            else:
                assert block.kind == "sh", f"{block.where}: {block.kind}"
                printed = self._sh(block, state)
            if self.after and (number + 1 == len(shown) or shown[number + 1].section != block.section):
                self.after(block.section)

    def run_commands(self, path):
        """Without the files that the document shows."""
        for block in blocks(path):
            if block.kind == "sh" and block.branch in (None, self.branch):
                self._sh(block, os.path.join(self.folder, ".state"))

    def _sh(self, block, state):
        quoted = shlex.quote(state)
        script = (f"if [ -e {quoted} ]; then . {quoted}; fi 2>/dev/null\nset -eo pipefail\n{block.text}"
                  f"{{ declare -p; echo cd \"$PWD\"; }} >{quoted}\n")
        # Into a file: a server that the reader starts would hold a pipe open.
        with open(os.path.join(self.folder, ".output"), "w+", encoding="utf-8") as out:
            done = subprocess.run(["bash", "-c", script], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=out,
                                  stderr=subprocess.STDOUT, timeout=120, env=self.environment, check=False)
            out.seek(0)
            printed = out.read()
        assert done.returncode == 0, f"{block.where}: exit {done.returncode}\n{block.text}{printed[-4000:]}"
        return printed


def script(path, branch):
    """The document as one bash script that ends at the first failure."""
    parts = ["#!/bin/bash", "set -eo pipefail"]
    for block in blocks(path):
        if block.branch not in (None, branch):
            continue
        if block.kind == "conf":
            parts.append(f"cat >{shlex.quote(block.path)} <<'END OF FILE'\n{block.text}END OF FILE")
        elif block.kind == "sh":
            parts.append(f"echo {shlex.quote('== ' + block.where)}\n{block.text}")
    return "\n".join(parts)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: walkthrough.py DOCUMENT 2.3|2.4")
    print(script(sys.argv[1], sys.argv[2]))
