"""What only one branch of Dovecot has: the list in README.md is that of the marks."""

import os
import re

from harness import branch_tests, documents


def test_the_readme_lists_each_test_that_one_branch_does_not_have():
    rows = re.findall(r"(?m)^\| `(test_\S+)` \| (2\.\S+(?: or 2\.4)?) \| (.*) \|$", documents.read("tests/integration/README.md"))
    assert rows == branch_tests.found()


def test_each_of_them_has_a_reason():
    found = branch_tests.found()
    assert {branch for _, branch, _ in found} <= {"2.3", "2.4", "2.3 or 2.4"} and len(found) > 4
    assert all(len(why) > 20 for _, _, why in found)
    assert all(os.path.exists(os.path.join(documents.ROOT, "tests/integration", test.partition("::")[0])) for test, _, _ in found)
