"""jabberfilesd alone: many logins at a time, its socket, its memory, its life."""

import contextlib
import os
import resource
import select
import signal
import socket
import subprocess
import threading
import time
from collections import Counter

import pytest

from fake_xmpp import PASSWORD, USER, challenge, honest
from fake_xmpp_hostile import hang_up, silent
from jabberfilesd import ENVIRONMENT, encode, question, read_all
from records import wait_until
from xmpp_server import User

LOGINS_AT_ONCE = 300
LOGINS_IN_ALL = 2000
# The C library's heap needs some room to breathe.
GROWTH_KIB_MAX = 4096
# What the parallel logins of ask_all can need, and much less than one for each login in all.
FILE_SLOTS_MAX = 512
QUICKLY_SECONDS = 4


@pytest.fixture
def daemon(start_daemon, prosody, env):
    """Knows Prosody's users."""
    return start_daemon([prosody.domain_entry()], deadline_ms=10_000 * env.patience)


@pytest.fixture
def hanging(fake_server):
    """A server that never says anything."""
    return fake_server(honest(greet=silent), "hanging.example")


@pytest.fixture
def honest_server(fake_server):
    return fake_server(honest())


@pytest.fixture
def entry(authority):
    """The configuration of a domain with a fake server."""
    return lambda server: {"name": server.domain, "connect": f"127.0.0.1:{server.port}",
                           "ca": str(authority.ca)}


@pytest.fixture
def many_files():
    """Room for thousands of connections."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def logins_of(users):
    return [(user.jid, user.password) for user in users]


# Many at a time


def test_hundreds_of_logins_at_once(daemon, prosody, measure):
    right = logins_of(prosody.new_users(LOGINS_AT_ONCE))
    wrong = [(jid, password + "?") for jid, password in right[:30]]
    mark, begin = prosody.mark(), time.monotonic()
    words = daemon.ask_all(right + wrong, parallel=len(right) + len(wrong))
    measure(f"jabberfilesd: {len(words)} logins at Prosody at once in "
            f"{time.monotonic() - begin:.2f} s")
    assert words == ["accepted"] * len(right) + ["refused"] * len(wrong)
    seen = Counter(prosody.events(mark))
    assert {seen["accepted", jid] for jid, _ in right} == {1}
    assert "bound" not in {kind for kind, _ in seen}


def test_same_question_at_the_same_time_has_the_same_answer(daemon, prosody):
    user = prosody.new_user()
    words = daemon.ask_all([(user.jid, user.password), (user.jid, "wrong")] * 50, parallel=100)
    assert words == ["accepted", "refused"] * 50


def test_answers_do_not_outlive_the_question(daemon, prosody):
    user = prosody.new_user()
    assert daemon.ask(user.jid, user.password) == "accepted"
    prosody.change_password(User(user.jid, "another"))
    assert daemon.ask(user.jid, user.password) == "refused"
    assert daemon.ask(user.jid, "another") == "accepted"


def test_queue_has_an_end(start_daemon, hanging, honest_server, entry, many_files, env):
    deadline_seconds = 6 * env.patience
    daemon = start_daemon([entry(hanging), entry(honest_server)],
                          deadline_ms=deadline_seconds * 1000)
    assert daemon.ask(f"{USER}@example.org", PASSWORD) == "accepted"
    before_kib = daemon.resident_kib()
    with contextlib.ExitStack() as connections:
        begin = time.monotonic()
        waiting = [connections.enter_context(daemon.connect()) for _ in range(2000)]
        for number, connection in enumerate(waiting):
            connection.sendall(question(f"user{number}@hanging.example", PASSWORD))
        # More than anybody needs is refused at once, in favour of who waits already.
        wait_until(lambda: count_readable(waiting) > 500, deadline_seconds / 2, "all have to wait")
        assert daemon.ask(f"{USER}@example.org", PASSWORD) == "accepted"
        assert count_readable(waiting) < 1500
        words = Counter(read_all(connection).split(b" ")[0] for connection in waiting)
    assert words == {b"unavailable": 2000}
    assert time.monotonic() - begin < deadline_seconds + 5 * env.patience
    assert daemon.resident_kib() - before_kib < 64 << 10


def count_readable(connections):
    poll = select.poll()
    for connection in connections:
        poll.register(connection, select.POLLIN)
    return len(poll.poll(0))


# Users and passwords


@pytest.mark.parametrize("name", ["prosody", "ejabberd"])
@pytest.mark.parametrize("localpart,password", [
    ("ñandú", "Пароль 秘密 ñ"), ("a=b,c", "n,,n=user,r=x"), ("o\\27brien", "'\"<>&\\"),
    ("plain", "x" * 1000), ("spaces", "  two  spaces  "), ("dollar$", ":"),
], ids=["not ASCII", "SCRAM's own", "escaped", "long", "spaces", "colon"])
def test_unusual_names_and_passwords(request, start_daemon, name, localpart, password):
    server = request.getfixturevalue(name)
    daemon = start_daemon([server.domain_entry()], deadline_ms=10_000)
    user = User(f"{localpart}@example.org", password)
    server.add_user(user)
    try:
        assert daemon.ask(user.jid, password) == "accepted"
        assert daemon.ask(user.jid, password + "x") == "refused"
    finally:
        server.remove_user(user)


def test_password_is_prepared_as_servers_do(daemon, prosody):
    user = User("prepared@example.org", "ﬁsh Å")  # a ligature, the sign of the ångström
    prosody.add_user(user)
    for same in ("ﬁsh Å", "fish Å", "fish A\u030a"):
        assert daemon.ask(user.jid, same) == "accepted"


@pytest.mark.parametrize("password", ["", "bell\a", b"\xff\xfe", "x" * 2000],
                         ids=["empty", "control", "no UTF-8", "long"])
def test_impossible_password_is_refused_without_traffic(daemon, prosody, password):
    user = prosody.new_user()
    mark = prosody.mark()
    assert daemon.ask(user.jid, password) == "refused"
    assert prosody.events(mark) == []


@pytest.mark.parametrize("jid", [
    "alice@evil.example", "alice", "", "example.org", "alice@sub.example.org",
    "alice@example.org.evil.example", "alice@127.0.0.1"])
def test_foreign_domain_is_not_asked(daemon, prosody, jid):
    mark = prosody.mark()
    assert daemon.ask(jid, "x") != "accepted"
    assert prosody.events(mark) == []


def test_default_deadline(start_daemon, hanging, entry, env):
    """The one that httpd gives."""
    daemon = start_daemon([entry(hanging)], deadline_ms=10_000)
    word, seconds = daemon.ask_timed(f"{USER}@hanging.example", PASSWORD)
    assert word == "unavailable"
    assert 9.5 < seconds < 10 + QUICKLY_SECONDS * env.patience


# The socket


@pytest.mark.parametrize("data", [
    b"\n", b"LOGIN\n", b"LOGIN \n", b"LOGIN a b\n", b"LOGIN YQ==\n", b"LOGIN YQ== YQ== YQ==\n",
    b"login YUBi YQ==\n", b"QUIT\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    bytes(range(256)) + b"\n",
    b"\0\n", b"LOGIN " + encode("a@example.org\0b") + b" " + encode("x") + b"\n",
    b"LOGIN " + encode(b"\xff@example.org") + b" " + encode("x") + b"\n",
    b"LOGIN " + encode("a" * 3000 + "@example.org") + b" " + encode("x") + b"\n",
    b"LOGIN " + encode("a@example.org") + b" " + encode("a\0b") + b"\n",
    b"LOGIN\t" + encode("a@example.org") + b"\t" + encode("x") + b"\n",
], ids=range(16))
def test_malformed_question(daemon, data):
    begin = time.monotonic()
    assert not daemon.ask_raw(data).startswith(b"accepted")
    assert time.monotonic() - begin < QUICKLY_SECONDS
    assert daemon.is_running()


def test_endless_line_is_cut_off(daemon, prosody):
    with daemon.connect() as connection:
        try:
            connection.sendall(b"LOGIN " + b"A" * (1 << 20))
            answer = read_all(connection)
        except (BrokenPipeError, ConnectionResetError):
            answer = b""
    assert not answer.startswith(b"accepted")
    user = prosody.new_user()
    assert daemon.ask(user.jid, user.password) == "accepted"


def test_only_the_first_line_is_a_question(daemon, prosody):
    first, second = prosody.new_users(2)
    answer = daemon.ask_raw(question(*logins_of([first])[0]) + question(second.jid, "wrong"))
    assert answer == b"accepted\n"


def test_client_may_finish_sending(daemon, prosody):
    user = prosody.new_user()
    with daemon.connect() as connection:
        connection.sendall(question(user.jid, user.password))
        connection.shutdown(socket.SHUT_WR)
        assert read_all(connection) in (b"accepted\n", b"")
    assert daemon.is_running()


def test_slow_question_keeps_nobody_waiting(daemon, prosody):
    slow, quick = prosody.new_users(2)
    with daemon.connect() as connection:
        for byte in question(slow.jid, slow.password)[:-1]:
            connection.sendall(bytes([byte]))
        assert daemon.ask_timed(quick.jid, quick.password)[1] < QUICKLY_SECONDS
        connection.sendall(b"\n")
        assert read_all(connection) == b"accepted\n"


def test_question_that_never_ends_is_dropped(start_daemon, honest_server, entry):
    daemon = start_daemon([entry(honest_server)], deadline_ms=1000)
    with daemon.connect() as connection:
        connection.sendall(b"LOGIN ")
        assert not read_all(connection).startswith(b"accepted")


def test_clients_that_leave_take_their_logins_along(start_daemon, hanging, entry):
    daemon = start_daemon([entry(hanging)], deadline_ms=60_000)
    connections = [daemon.connect() for _ in range(100)]
    for number, connection in enumerate(connections):
        connection.sendall(question(f"user{number}@hanging.example", PASSWORD))
    wait_until(hanging.open_visits, 10, "no login has begun")
    for connection in connections:
        connection.close()
    # Long before the deadline.
    wait_until(lambda: not hanging.open_visits(), 10, "logins nobody waits for go on")


def test_client_that_does_not_read_hurts_nobody(daemon, prosody):
    users = prosody.new_users(20)
    connections = [daemon.connect() for _ in users]
    for connection, user in zip(connections, users):
        connection.sendall(question(user.jid, user.password))
    assert daemon.ask(users[0].jid, users[0].password) == "accepted"
    for connection in connections:
        connection.close()


# What it costs


def test_neither_files_nor_memory_grow(start_daemon, prosody, hanging, fake_server, entry,
                                       measure, env):
    closing = fake_server(honest(offer=hang_up), "closing.example")
    daemon = start_daemon([prosody.domain_entry(), entry(closing), entry(hanging)],
                          deadline_ms=10_000 * env.patience)
    users = prosody.new_users(50)
    logins = logins_of(users) * 5 + [(user.jid, "wrong") for user in users] * 4 \
        + [(f"{USER}@closing.example", PASSWORD)] * 50
    for _ in range(2):
        daemon.ask_all(logins)
    before_kib = daemon.resident_kib()
    for _ in range(LOGINS_IN_ALL // len(logins)):
        words = Counter(daemon.ask_all(logins))
        assert words == {"accepted": 250, "refused": 200, "unavailable": 50}
    assert daemon.file_slots() <= FILE_SLOTS_MAX
    grown_kib = daemon.resident_kib() - before_kib
    measure(f"jabberfilesd: {LOGINS_IN_ALL} logins, grown by {grown_kib} KiB "
            f"from {before_kib} KiB")
    assert grown_kib < GROWTH_KIB_MAX * env.patience


def test_idle_process_does_nothing(daemon, prosody):
    user = prosody.new_user()
    assert daemon.ask(user.jid, user.password) == "accepted"
    before = daemon.cpu_seconds()
    time.sleep(1)
    assert daemon.cpu_seconds() - before < 0.3


# Secrets


def test_nothing_secret_is_for_all_to_read(daemon, prosody):
    user = prosody.new_user()
    assert daemon.ask(user.jid, user.password) == "accepted"
    with open(f"/proc/{daemon.process.pid}/cmdline", "rb") as file:
        assert file.read().count(b"\0") == 1
    if os.geteuid() == 0:
        with open(f"/proc/{daemon.process.pid}/environ", "rb") as file:
            environment = file.read()
        assert b"example.org" not in environment and user.password.encode() not in environment


def test_memory_comes_into_no_core_file(daemon):
    daemon.ask("nobody@unknown.example", "x")
    # The kernel gives the files of a process that must not be dumped to root.
    assert os.stat(f"/proc/{daemon.process.pid}/environ").st_uid == 0
    with open(f"/proc/{daemon.process.pid}/limits", encoding="ascii") as limits:
        core = next(line for line in limits if line.startswith("Max core file size"))
    assert core.split()[4:6] == ["0", "0"]


# Its end


@pytest.fixture
def busy(start_daemon, fake_server, entry):
    """A process with ten logins in hand, and a function that lets their server go on."""
    gate = threading.Event()

    def challenge_later(visit):
        gate.wait(30)
        challenge(visit)

    slow = fake_server(honest(challenge=challenge_later))
    daemon = start_daemon([entry(slow)], deadline_ms=20_000)
    connections = [daemon.connect() for _ in range(10)]
    for number, connection in enumerate(connections):
        connection.sendall(question(f"{USER}@example.org", PASSWORD + "?" * number))
    wait_until(lambda: len(slow.visits) == 10, 10, "the logins have not begun")
    yield daemon, connections, gate.set
    gate.set()
    for connection in connections:
        connection.close()


def close_input(daemon):
    daemon.process.stdin.close()


def terminate(daemon):
    daemon.process.send_signal(signal.SIGTERM)


@pytest.mark.parametrize("stop", [close_input, terminate])
def test_logins_in_hand_are_finished(busy, stop):
    daemon, connections, go_on = busy
    stop(daemon)
    wait_until(lambda: not accepts(daemon), 5, "it still takes questions")
    go_on()
    answers = [read_all(connection) for connection in connections]
    assert answers[0] == b"accepted\n"
    assert {answer.split(b" ")[0] for answer in answers[1:]} == {b"refused"}
    assert daemon.process.wait(10) == 0


@pytest.mark.parametrize("stop", [close_input, terminate])
def test_questions_that_were_not_looked_at_are_answered(daemon, prosody, stop):
    """They may stand in the listener's queue when httpd restarts, if the machine is busy."""
    user = prosody.new_user()
    daemon.process.send_signal(signal.SIGSTOP)
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(daemon.connect()) for _ in range(5)]
        for connection in connections:
            connection.sendall(question(user.jid, user.password))
        stop(daemon)
        daemon.process.send_signal(signal.SIGCONT)
        assert [read_all(connection) for connection in connections] == [b"accepted\n"] * 5
    assert daemon.process.wait(10) == 0


def accepts(daemon):
    """True if it takes a question."""
    try:
        daemon.connect().close()
        return True
    except OSError:
        return False


@pytest.mark.parametrize("stop", [close_input, terminate])
def test_idle_process_ends_at_once(daemon, stop):
    daemon.ask("nobody@unknown.example", "x")
    begin = time.monotonic()
    stop(daemon)
    assert daemon.process.wait(10) == 0
    assert time.monotonic() - begin < QUICKLY_SECONDS


def test_more_input_after_the_configuration_is_ignored(daemon, prosody):
    daemon.process.stdin.write(b"{}\n")
    daemon.process.stdin.flush()
    user = prosody.new_user()
    assert daemon.ask(user.jid, user.password) == "accepted"


# Starting it wrongly


@pytest.mark.parametrize("line", [
    b"", b"\n", b"no json\n", b"{\n", b'{"domains": [{}]}\n',
    b'{"domains": [{"name": "a@b"}]}\n', b'{"domains": [{"name": "a.example", "tls": "no"}]}\n',
    b'{"domains": [{"name": "a.example", "tls": "off"}]}\n',
    b'{"domains": [{"name": "a.example", "tls": "off", "connect": "192.0.2.1:5222"}]}\n',
    b'{"domains": [{"name": "a.example", "connect": "nowhere"}]}\n',
    b'{"domains": [{"name": "a.example", "ca": "/nonexistent/ca.pem"}]}\n',
], ids=range(11))
def test_bad_configuration_ends_it(env, line):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("")  # an abstract name that the kernel chooses
        listener.listen(1)
        done = subprocess.run(["bash", "-c", f'exec "$0" 3<&{listener.fileno()}', env.daemon],
                              input=line, pass_fds=(listener.fileno(),), capture_output=True,
                              env=ENVIRONMENT, timeout=10 * env.patience, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(b"jabberfilesd: ") and done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("arguments", [(), ("--help",), ("--version",)])
def test_started_by_hand_it_explains_itself(env, arguments):
    done = subprocess.run([env.daemon, *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=10 * env.patience, check=False)
    assert done.returncode == 2
    assert b"httpd" in done.stderr
