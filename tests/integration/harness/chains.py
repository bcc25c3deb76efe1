"""Chains of passdb blocks, and a search among thousands of them for an open door.

Each chain gets a Dovecot of its own (with auth alone), several at a time. In it a user with a route, one
without, and one whose record cannot be read try to get in with the right and with a wrong password, and by
LMTP's lookup, which has none. Open is:
  - a wrong password gets in (where the same chain without proxymap does not let it in: an admin who
    writes result_failure = return-ok at the authenticator alone has opened that door without us)
  - anybody gets in without fields that proxy them, or whose route is missing or cannot be read
Auth refusing to start is a shut door as well.

`protocol imap { passdb ... }` would allow for several chains in one Dovecot, but the passdbs outside of the
block follow those inside, and there must be some: no such chain would end where it seems to.

One order is left out: Dovecot drops a first block with `skip = unauthenticated` without a word and does not
even load its module (auth_preinit() in auth.c). Only `doveadm proxymap check` can see it, and is asked to.
"""

import concurrent.futures
import dataclasses
import itertools
import os
import random
import shutil

from . import branch
from .authclient import GONE, AuthClient, AuthMaster
from .branch import Passdb
from .dovecot import Dovecot
from .process import wait_until

RESULTS = ("return-ok", "return", "return-fail", "continue", "continue-ok", "continue-fail")
SKIPS = ("never", "authenticated", "unauthenticated")
RIGHT, WRONG = "right-password", "wrong-password"
ROUTED, ROUTELESS, UNREADABLE = "routed", "routeless", "unreadable"
OURS = "proxymap"


@dataclasses.dataclass(frozen=True)
class Chain:
    blocks: tuple  # of Passdb

    def __str__(self):
        return " → ".join(
            f"{block.driver}({' '.join(f'{name}={value}' for name, value in block.rules)})" for block in self.blocks)


@dataclasses.dataclass(frozen=True)
class Finding:
    what: str
    who: str
    chain: Chain
    reply: str

    def __str__(self):
        return f"{self.what} [{self.who}]: {self.chain}: {self.reply}"


def dropped_by_dovecot(chain):
    """Whether Dovecot passes over the proxymap block as if it were not there."""
    for block in chain.blocks:
        if ("skip", "unauthenticated") not in block.rules:
            return False
        if block.driver == OURS:
            return True
    return False


def rule_sets():
    """Every combination of a block's rules."""
    for success, failure, internal, skip in itertools.product(RESULTS, RESULTS, RESULTS, SKIPS):
        yield {"result_success": success, "result_failure": failure, "result_internalfail": internal, "skip": skip}


def with_rules(block, rules):
    return Passdb(block.driver, block.args, tuple(rules.items()))


CLOSED = {"result_failure": "return-fail", "result_internalfail": "return-fail"}


def ends_failed_logins(rules):
    """What auth demands of our block."""
    return CLOSED.items() <= rules.items()


def lets_no_failure_in(rules):
    """What auth demands of every other block."""
    return not {rules["result_failure"], rules["result_internalfail"]} & {"return-ok", "continue-ok"}


def all_that(may_start):
    """The combinations that auth may start with, and every fifth of the others, which it should refuse."""
    others = itertools.count()
    return (rules for rules in rule_sets() if may_start(rules) or next(others) % 5 == 0)


def _first(search):
    for rules in all_that(ends_failed_logins):
        yield Chain((search.ours(rules), search.authenticator))


def _last(search):
    before = with_rules(search.authenticator, {"result_success": "continue"})
    for rules in all_that(ends_failed_logins):
        yield Chain((before, search.ours(rules)))
    # Behind a block that ends logins by itself auth never starts: every seventh will do.
    for rules in itertools.islice(rule_sets(), 0, None, 7):
        yield Chain((search.authenticator, search.ours(rules)))


def _authenticator_last(search):
    for rules in all_that(lets_no_failure_in):
        yield Chain((search.ours(CLOSED), with_rules(search.authenticator, rules)))


def _authenticator_first(search):
    for rules in all_that(lets_no_failure_in):
        yield Chain((with_rules(search.authenticator, rules), search.ours(CLOSED)))


def _alone(search):
    """Nobody checks passwords: auth never starts."""
    for rules in itertools.islice(rule_sets(), 0, None, 7):
        yield Chain((search.ours(rules),))


def _between(search):
    """Its users are known only to the authenticator behind it."""
    nobody = Passdb.of("passwd-file", "/dev/null", result_success="continue")
    for number, rules in enumerate(rule_sets()):
        if ends_failed_logins(rules) or number % 7 == 0:
            yield Chain((nobody, search.ours(rules), search.authenticator))


def _mixed(search):
    """A sample of what the products above leave out: both blocks with any rules, and three blocks.

    With rules drawn from all of them auth hardly ever starts, so most are drawn from those that it may take.
    """
    chance = random.Random(20230419)
    every = list(rule_sets())
    plausible = [rules for rules in every if lets_no_failure_in(rules)]
    closed = [rules for rules in plausible if ends_failed_logins(rules)]
    for number in range(500):
        for_ours, for_others = (every, every) if number % 5 == 0 else (closed, plausible)
        blocks = [with_rules(search.authenticator, chance.choice(for_others)) for _ in range(chance.choice((1, 1, 2)))]
        blocks.insert(chance.randint(0, len(blocks)), search.ours(chance.choice(for_ours)))
        yield Chain(tuple(blocks))


# By name: what makes the chains of one search, from a Search.
PRODUCTS = {
    "proxymap first, any rules": _first,
    "proxymap last, any rules": _last,
    "proxymap first, any rules behind it": _authenticator_last,
    "proxymap last, any rules before it": _authenticator_first,
    "proxymap between two": _between,
    "proxymap alone": _alone,
    "a sample of everything": _mixed,
}


class Search:
    """make_map, make_site, mirror (a running Memcached): as the fixtures of conftest.py make them. folder: an empty one."""

    def __init__(self, make_map, make_site, mirror, folder):
        self.folder = folder
        os.chmod(folder, 0o755)
        users = os.path.join(folder, "users")
        with open(users, "w", encoding="ascii") as out:
            out.writelines(f"{user}:{{PLAIN}}{RIGHT}\n" for user in (ROUTED, ROUTELESS, UNREADABLE))
        self.authenticator = Passdb.of("passwd-file", users)
        self.map = make_map(verify="none", stores=mirror.setting)
        make_site(f"user {ROUTED} backend=b1\nuser {UNREADABLE} backend=b1\n", pmap=self.map, start=False)
        mirror.set(f"pm:user:{UNREADABLE}", "nothing that anybody understands")
        self.let_in = 0  # how often somebody got in by a route, in the last search
        self._numbers = itertools.count()
        self._control = {}

    def ours(self, rules):
        return with_rules(self.map.passdb(), rules)

    def search(self, chains):
        """The open doors (Finding) among these chains."""
        self.let_in = 0
        chains = [chain for chain in chains if not dropped_by_dovecot(chain)]
        with concurrent.futures.ThreadPoolExecutor(2 * (os.cpu_count() or 1)) as pool:
            findings = list(itertools.chain.from_iterable(pool.map(self._judge, chains)))
        return [finding for finding in findings if not self._is_the_admins_own(finding)]

    def _judge(self, chain):
        findings = []
        for (user, password), reply in self._try(chain).items():
            if not reply.ok:
                continue
            finding = lambda what: findings.append(Finding(what, f"{user}, {password or 'lookup'}", chain, reply.raw))
            if password == WRONG:
                finding("a wrong password gets in")
            elif not reply.proxied or user != ROUTED:
                finding("in without a route")
            else:
                self.let_in += 1
        return findings

    def _try(self, chain):
        """Replies by (user, password); empty when auth does not start."""
        folder = os.path.join(self.folder, str(next(self._numbers)))
        # 2.4 holds a temporary failure back for two seconds.
        extra = "auth_internal_failure_delay = 0\n" if branch.installed() == "2.4" else ""
        dovecot = Dovecot(branch.Spec(name="chains", folder=folder, passdbs=list(chain.blocks), extra=extra), services=())
        try:
            dovecot.start()
            return self._ask(dovecot)
        except (ConnectionError, EOFError):
            # (Now and then Dovecot loses the line in which auth itself says why.)
            wait_until(lambda: dovecot.grep(r"auth: Fatal: |service\(auth\): command startup failed"),
                       f"auth has ended: {dovecot.log()[-800:]}")
            died = [line for line in dovecot.crashes() if "auth: Fatal: " not in line]
            assert not died, f"{chain}: {died}"
            return {}
        finally:
            if dovecot.process is not None:
                dovecot.process.kill()
            shutil.rmtree(folder, ignore_errors=True)

    @staticmethod
    def _ask(dovecot):
        users = (ROUTED, ROUTELESS, UNREADABLE)
        with AuthClient(dovecot.socket("auth-client")) as client, AuthMaster(dovecot.socket("auth-master")) as master:
            started = {(user, password): client.start(user, password) for user in users for password in (RIGHT, WRONG)}
            replies = {login: client.wait(request) for login, request in started.items()}
            for user in users:
                replies[user, None] = master.lookup(user)
                if replies[user, None] is GONE:
                    raise EOFError
        return replies

    def _is_the_admins_own(self, finding):
        """Whether a wrong password gets in by the other blocks alone."""
        if finding.what != "a wrong password gets in":
            return False
        others = Chain(tuple(block for block in finding.chain.blocks if block.driver != OURS))
        if others not in self._control:
            replies = self._try(others) if others.blocks else {}
            self._control[others] = bool(replies) and replies[ROUTED, WRONG].ok
        return self._control[others]
