"""Generates Checks and writes without a pause, and verifies each answer. For the scripts `try-…`:

    trial_load.py STUBS [--balanced] [--tries N] NAME=ADDRESS...

Each writer enables and disables one user; each Check is about one of these users. Its answer must
reflect the last write that had been acknowledged when the Check began, or a later one, and never a
write earlier than one that another Check had already reflected. Its revision must not be below that
of this write.

Without --balanced every server gets its own Checks, and a write is sent to the other server after
an error, with the same idempotency key. With it, one client balances over all addresses, as
clients in a cluster do: round robin over the servers whose health is SERVING, and up to N tries of
a call that is answered UNAVAILABLE (1: no retries).

Commands are read line by line from standard input; the response to each is `done` or its output:

    phase NAME    ends the previous phase with a row of the table, and begins another
    pause         waits for the calls in progress to end, and makes none
    restored      reads the audit log, takes it as the expected state, and continues: with Checks
                  alone for two seconds, since a write in progress allows two correct answers
    end           ends the last phase, and searches the audit log for every acknowledged write

The exit status is 1 when an answer was stale, an acknowledged write is lost or was applied twice,
or a call failed for a reason other than an outage (with --balanced: when any call failed)."""
import json
import random
import sys
import threading
import time

import grpc

STUBS, *arguments = sys.argv[1:]
sys.path.insert(0, STUBS)

from pim.authz.v1 import audit_service_pb2 as audit  # noqa: E402
from pim.authz.v1 import audit_service_pb2_grpc as audit_rpc  # noqa: E402
from pim.authz.v1 import authorization_service_pb2 as authz  # noqa: E402
from pim.authz.v1 import authorization_service_pb2_grpc as authz_rpc  # noqa: E402
from pim.authz.v1 import directory_pb2 as directory  # noqa: E402
from pim.authz.v1 import directory_service_pb2 as writes  # noqa: E402
from pim.authz.v1 import directory_service_pb2_grpc as writes_rpc  # noqa: E402
from pim.authz.v1 import question_pb2 as question  # noqa: E402
from pim.authz.v1 import tenant_service_pb2 as tenants  # noqa: E402
from pim.authz.v1 import tenant_service_pb2_grpc as tenants_rpc  # noqa: E402

TENANT, REGISTERS, CHECKERS = "trial", 6, 3
# UNKNOWN: OUTCOME_UNKNOWN, of writes whose COMMIT got no reply; the key makes a retry safe.
OUTAGE = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.ABORTED, grpc.StatusCode.UNKNOWN}
RECONNECT = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.min_reconnect_backoff_ms", 100),
             ("grpc.max_reconnect_backoff_ms", 500)]


def channel(address, tries):
    """A channel to one address, or a balanced one to several."""
    if "," not in address:
        return grpc.insecure_channel(address, options=RECONNECT)
    config = {"loadBalancingConfig": [{"round_robin": {}}],
              "healthCheckConfig": {"serviceName": "pim.authz.v1.AuthorizationService"}}
    if tries > 1:
        config["methodConfig"] = [{"name": [{}], "retryPolicy": {
            "maxAttempts": tries, "initialBackoff": "0.05s", "maxBackoff": "1s",
            "backoffMultiplier": 2, "retryableStatusCodes": ["UNAVAILABLE"]}}]
    # A list of addresses cannot be the host of a request, unlike a DNS name.
    options = [*RECONNECT, ("grpc.service_config", json.dumps(config)), ("grpc.default_authority", "pim-authz")]
    return grpc.insecure_channel("ipv4:" + address, options=options)


class Server:
    def __init__(self, name, address, tries):
        self.name = name
        self.checks = authz_rpc.AuthorizationServiceStub(channel(address, tries))
        self.others = channel(address, tries)
        self.users = writes_rpc.DirectoryServiceStub(self.others)
        self.log = audit_rpc.AuditServiceStub(self.others)


class Register:
    """One user, who is enabled after every even write; write 0 is the set-up."""

    def __init__(self, number):
        self.code = f"register{number}"
        self.started = self.acknowledged = self.observed = 0
        self.revision = 0  # of the last acknowledged write

    def floor(self):
        return max(self.acknowledged, self.observed)


class Phase:
    def __init__(self, name, servers):
        now = time.monotonic()
        self.name, self.begun = name, now
        self.answered = self.refused = self.written = self.repeated = 0
        self.gaps = dict.fromkeys(servers, 0.0)
        self.last = dict.fromkeys(servers, now)

    def answer(self, server):
        now = time.monotonic()
        self.gaps[server] = max(self.gaps[server], now - self.last[server])
        self.last[server] = now


class Load:
    def __init__(self, servers, strict):
        self.servers, self.strict = servers, strict
        self.registers = [Register(number) for number in range(REGISTERS)]
        self.lock = threading.Lock()
        self.history = {}  # actor: revision
        self.stale, self.failed = [], []
        self.paused, self.ended, self.busy = True, False, 0
        self.writes_from = 0.0
        self.phase = Phase("set-up", [*(s.name for s in servers), "writes"])

    def put(self, server, register, number, timeout=15):
        actor = f"user:{register.code}-{number}"
        user = directory.User(code=register.code, enabled=number % 2 == 0,
                              roles=directory.CodeList(codes=["reader"]))
        request = writes.PutUsersRequest(tenant=TENANT, actor=actor, idempotency_key=actor, users=[user])
        return server.users.PutUsers(request, timeout=timeout).revision

    def set_up(self):
        first = self.servers[0]
        made = tenants_rpc.TenantServiceStub(first.others)
        made.CreateTenant(tenants.CreateTenantRequest(tenant=TENANT, actor="user:trial", edition=3), timeout=15,
                          wait_for_ready=True)
        role = directory.Role(code="reader", permissions=directory.CodeList(codes=["product.list"]))
        request = writes.PutRolesRequest(tenant=TENANT, actor="user:trial", roles=[role])
        first.users.PutRoles(request, timeout=15)
        for register in self.registers:
            register.revision = self.put(first, register, 0)

    def enter(self):
        while True:
            with self.lock:
                if self.ended:
                    return False
                if not self.paused:
                    self.busy += 1
                    return True
            time.sleep(0.005)

    def leave(self):
        with self.lock:
            self.busy -= 1

    def error(self, what, error):
        """Whether the call is to be made again."""
        outage = error.code() in OUTAGE
        with self.lock:
            if what.startswith("check"):
                self.phase.refused += 1
            else:
                self.phase.repeated += 1
            if self.strict or not outage:
                self.failed.append(f"{self.phase.name}: {what}: {error.code().name}: {error.details()}")
        time.sleep(0.02)

    def check_all(self, server):
        while self.enter():
            try:
                self.check(server)
            finally:
                self.leave()
            time.sleep(0.004)

    def check(self, server):
        register = random.choice(self.registers)
        with self.lock:
            floor, revision = register.floor(), register.revision
        request = authz.CheckRequest(tenant=TENANT, subject=question.Subject(type="user", id=register.code),
                                     action="product.list")
        try:
            answer = server.checks.Check(request, timeout=5)
        except grpc.RpcError as error:
            self.error(f"check of {server.name}", error)
            return
        with self.lock:
            self.phase.answered += 1
            self.phase.answer(server.name)
            shown = [n for n in range(floor, register.started + 1) if answer.allowed == (n % 2 == 0)]
            if not shown or answer.revision < revision:
                self.stale.append(f"{self.phase.name}: {server.name}: {register.code} is {answer.allowed} at revision "
                                  f"{answer.revision}; it is at write {floor} to {register.started}, at revision {revision} or later")
            elif len(shown) == 1:
                register.observed = max(register.observed, shown[0])

    def write_all(self, register):
        at = random.randrange(len(self.servers))
        while self.enter():
            if time.monotonic() < self.writes_from:
                self.leave()
                time.sleep(0.05)
                continue
            try:
                with self.lock:
                    register.started += 1
                    number = register.started
                at = self.write(register, number, at)
            finally:
                self.leave()
            time.sleep(0.1)

    def write(self, register, number, at):
        while True:
            server = self.servers[at % len(self.servers)]
            try:
                revision = self.put(server, register, number)
            except grpc.RpcError as error:
                self.error(f"write to {server.name}", error)
                at += 1
                if self.strict:
                    # A failed call is a failure; the register must still be verified.
                    time.sleep(0.2)
                continue
            with self.lock:
                register.acknowledged = number
                self.history[f"user:{register.code}-{number}"] = revision
                register.revision = revision
                self.phase.written += 1
                self.phase.answer("writes")
            return at + 1

    def pause(self):
        self.paused = True
        while True:
            with self.lock:
                if self.busy == 0:
                    return
            time.sleep(0.005)

    def read_log(self):
        """What the audit log holds: actor to revisions."""
        found, token, tries = {}, "", 0
        while True:
            try:
                request = audit.ListChangesRequest(tenant=TENANT, page_size=5000, page_token=token)
                page = self.servers[0].log.ListChanges(request, timeout=30)
            except grpc.RpcError:
                tries += 1
                if tries > 300:
                    raise
                time.sleep(0.1)
                continue
            for change in page.changes:
                found.setdefault(change.actor, set()).add(change.revision)
            token = page.next_page_token
            if not token:
                return found, page.revision

    def restored(self):
        found, revision = self.read_log()
        for actor, made in self.history.items():
            if made <= revision and found.get(actor) != {made}:
                self.failed.append(f"restored at {revision}: {actor} of revision {made} is {found.get(actor)}")
        with self.lock:
            for register in self.registers:
                numbers = [int(actor.rsplit("-", 1)[1]) for actor in found if actor.startswith(f"user:{register.code}-")]
                register.started = register.acknowledged = register.observed = max(numbers)
                register.revision = max(found[f"user:{register.code}-{max(numbers)}"])
                # Numbers continue, and with them whether the user is enabled; keys of lost writes are free again.
            lost = sum(made > revision for made in self.history.values())
            self.history = {actor: made for actor, made in self.history.items() if made <= revision}
        say(f"restored at revision {revision}: {lost} acknowledged writes after it are gone, as they must be")
        with self.lock:
            self.writes_from = time.monotonic() + 2
            self.paused = False
            for name in self.phase.last:
                self.phase.last[name] = max(self.phase.last[name], self.phase.begun)

    def begin(self, name):
        with self.lock:
            before, self.phase = self.phase, Phase(name, self.phase.gaps)
            if before.name == "set-up" or before.name == "-":
                return
            for server in before.gaps:
                before.answer(server)
            gaps = " | ".join(f"{gap:.2f} s" for gap in before.gaps.values())
            stale = sum(line.startswith(f"{before.name}:") for line in self.stale)
            seconds = time.monotonic() - before.begun
            say(f"| {before.name} | {seconds:.0f} s | {before.answered} | {before.refused} | {before.written} | "
                f"{before.repeated} | {gaps} | {stale} |")

    def end(self):
        self.begin("-")
        self.pause()
        found, _ = self.read_log()
        lost = [actor for actor, made in self.history.items() if made not in found.get(actor, set())]
        twice = [actor for actor, made in found.items() if actor != "user:trial" and len(made) > 1]
        for register in self.registers:
            for server in self.servers:
                self.check(server)
        with self.lock:
            self.ended = True
        say(f"stale answers: {len(self.stale)}; acknowledged writes: {len(self.history)}, lost: {len(lost)}, "
            f"made twice: {len(twice)}; failed calls: {len(self.failed)}")
        for line in [*self.stale[:5], *lost[:5], *twice[:5], *self.failed[:5]]:
            say(f"    {line}")
        return not (self.stale or lost or twice or self.failed)


def say(line):
    print(line, flush=True)


def main():
    strict = "--balanced" in arguments
    tries = int(arguments[arguments.index("--tries") + 1]) if "--tries" in arguments else 1
    named = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
    if strict:
        named = {"the client": ",".join(named.values())}
    load = Load([Server(name, address, tries) for name, address in named.items()], strict)
    load.set_up()
    say(f"| phase | lasted | Checks answered | not answered | writes | tried again | "
        f"{' | '.join(f'longest without: {name}' for name in load.phase.gaps)} | stale |")
    say("|" + "---|" * (7 + len(load.phase.gaps)))
    workers = [threading.Thread(target=load.write_all, args=[register], daemon=True) for register in load.registers]
    for server in load.servers:
        workers += [threading.Thread(target=load.check_all, args=[server], daemon=True) for _ in range(CHECKERS)]
    for worker in workers:
        worker.start()
    load.paused = False
    for command in sys.stdin:
        match command.split(maxsplit=1):
            case ["phase", name]:
                load.begin(name.strip())
            case ["pause"]:
                load.pause()
            case ["restored"]:
                load.restored()
            case ["end"]:
                sys.exit(0 if load.end() else 1)
            case _:
                sys.exit(f"unknown command: {command}")
        print("done", file=sys.stderr, flush=True)
    sys.exit("standard input ended before the load did")


main()
