"""docs/LOG_MESSAGES.md has every sentence that the plugins can log: they are read from the sources."""

import glob
import os
import re

import pytest

from harness import documents

# What is logged by auth and the login processes, and the sentences that such a line goes on with.
SOURCES = [
    "src/passdb-proxymap/*.cc", "src/login-proxy-ext/*.cc", "src/dovecot/passdb*.cc", "src/dovecot/passdb_branch.h",
    "src/dovecot/login.cc", "src/dovecot/login_tls.cc", "src/dovecot/login_lines.cc", "src/dovecot/login_2_*.cc",
    "src/dovecot/ioloop.cc", "src/dovecot/dns.cc",
    "src/core/route.cc", "src/core/route_fields.cc", "src/core/expand.cc", "src/core/seal.cc", "src/core/source_addresses.cc",
    "src/store/chain.cc", "src/store/memcached_[cmsw]*.cc", "src/store/mirror_proof.cc", "src/store/lmdb_store.cc",
    "src/store/lmdb_env.cc", "src/store/lmdb_files.cc", "src/store/flights.cc", "src/store/lookups.cc",
    "src/store/map_news.cc", "src/store/host_addresses.cc"]


def plain(text):
    """Without what Markdown or C++ add, and what stands for something else."""
    text = re.sub(r"\\[nt]", " ", text).replace('\\"', '"').replace("`", "")
    return re.sub(r"\s+", " ", text)


def sentences(path):
    with open(path, encoding="utf-8") as file:
        text = re.sub(r"(?m)^#include.*|//.*$", "", file.read())
    text = re.sub(r"\"\s*\n\s*\"|\" (?:DOVECOT_ABI_VERSION|PACKAGE_STRING) \"",
                  lambda match: "" if "\n" in match[0] else "%s", text)
    for literal in re.findall(r'(?<!\')"((?:[^"\\\n]|\\.)*)"', text):
        for part in re.split(r"%s|%u", plain(literal)):
            part = part.strip(" :;,()\"").removeprefix("passdb proxymap: ")
            if len(part.split()) >= 3 and part != "proxymap ssl settings":  # a pool's name
                yield part


@pytest.fixture(scope="module")
def table():
    return plain(documents.read("docs/LOG_MESSAGES.md"))


def files():
    found = sorted(path for pattern in SOURCES for path in glob.glob(os.path.join(documents.ROOT, pattern)))
    assert len(found) > 40
    return [os.path.relpath(path, documents.ROOT) for path in found]


@pytest.mark.parametrize("source", files())
def test_each_sentence_is_in_the_document(table, source):
    missing = [part for part in sentences(os.path.join(documents.ROOT, source)) if part not in table]
    assert not missing, f"{source} can log what docs/LOG_MESSAGES.md does not explain: {missing}"


def test_the_document_explains_nothing_that_is_not_logged():
    """The sources have some three words of each sentence: their code puts sentences together."""
    everything = ""
    for path in glob.glob(os.path.join(documents.ROOT, "src/*/*.cc")):
        with open(path, encoding="utf-8") as file:
            everything += plain(re.sub(r"\"\s*\"", "", file.read()))
    unknown = []
    for span in re.findall(r"``(.*?)``(?!`)", documents.read("docs/LOG_MESSAGES.md")):
        for part in re.split("…|: |, |; ", plain(span)):
            part = part.strip(" :;,()\"")
            words = part.split()
            threes = [" ".join(words[i:i + 3]) for i in range(len(words) - 2)]
            if len(words) > 3 and not any(three in everything for three in threes):
                unknown.append(part)
    assert not unknown
