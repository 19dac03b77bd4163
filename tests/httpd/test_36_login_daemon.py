"""jabberfilesd under httpd: started, watched, replaced and stopped by httpd's parent."""

import contextlib
import grp
import http.client
import os
import pwd
import signal
import stat
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from client import Client, area_path
from config import Site
from environment import server_account
from fake_xmpp import PASSWORD, USER, challenge, honest
from fake_xmpp_hostile import silent
from jabber_site import PROGRAM_NAME, TROUBLE, helpers, jabber_site, login, sockets, workers
from processes import cpu_seconds, is_gone, name_of, stat_of
from records import wait_until
from server import StartFailed
from xmpp_server import User

DIED = "JF0073"
# Of a socket that somebody has accepted, in /proc/net/unix.
CONNECTED = "03"
GONE_SECONDS = 10
LOAD_SECONDS = 4
FIRST_LOGINS = 200


@pytest.fixture
def server(start_server, program, prosody):
    return start_server(jabber_site(program, prosody.domain_line()))


@pytest.fixture
def user(prosody):
    return prosody.new_user()


@pytest.fixture
def line_of(authority):
    """The arguments of JabberFilesDomain for a fake server."""
    return lambda fake: f"{fake.domain} connect=127.0.0.1:{fake.port} ca={authority.ca}"


def logins_in_helper(server):
    """How many connections of httpd the helper has taken; one that waits to be taken would outlive
    it, and be the next one's."""
    path, = sockets(server)
    with open("/proc/net/unix", encoding="utf-8") as file:
        lines = [line.split() for line in file]
    return sum(line[5] == CONNECTED and line[-1] == str(path) for line in lines)


def helper_of(server):
    """The one helper that runs."""
    return wait_until(lambda: helpers(server), GONE_SECONDS, "no helper runs")[0]


@contextlib.contextmanager
def logging_in_all_the_time(server, users):
    """Users who upload over and over with a new connection each; yields the count of statuses."""
    stop, statuses = threading.Event(), Counter()

    def log_in(user):
        while not stop.is_set():
            client = login(server, user)
            statuses[client.put("a", b"x").status] += 1
            client.close()

    with ThreadPoolExecutor(len(users)) as pool:
        futures = [pool.submit(log_in, user) for user in users]
        try:
            yield statuses
        finally:
            stop.set()
        for future in futures:
            future.result()


def log_in_with_patience(client, seconds=GONE_SECONDS):
    """Logs in until it works."""
    wait_until(lambda: client.put("a", b"x").status in (200, 201), seconds, "no login works")


# The process


def test_one_helper_of_httpds_user_in_its_own_session(server):
    pid = helper_of(server)
    assert len(helpers(server)) == 1
    session, terminal = stat_of(pid)[3:5]
    assert (int(session), terminal) == (pid, "0")
    account = server_account()
    uid = pwd.getpwnam(account[0]).pw_uid if account else os.geteuid()
    gid = grp.getgrnam(account[1]).gr_gid if account else os.getegid()
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    assert status["Uid"].split() == [str(uid)] * 4
    assert status["Gid"].split() == [str(gid)] * 4


def test_arguments_say_nothing(server, user):
    assert login(server, user).put("a", b"x").status == 201
    with open(f"/proc/{helper_of(server)}/cmdline", "rb") as file:
        assert file.read() == PROGRAM_NAME.encode() + b"\0"


def test_socket_is_httpds_own(server):
    path, = sockets(server)
    found = path.stat()
    assert stat.S_IMODE(found.st_mode) == 0o600
    account = server_account()
    assert found.st_uid == (pwd.getpwnam(account[0]).pw_uid if account else os.geteuid())


def test_files_of_httpd_are_closed_in_it(server, user):
    assert login(server, user).put("a", b"x").status == 201
    directory = f"/proc/{helper_of(server)}/fd"
    if os.geteuid() != 0:
        pytest.raises(PermissionError, os.listdir, directory)  # nobody may look
        return
    targets = [os.readlink(f"{directory}/{fd}") for fd in os.listdir(directory)]
    inherited = [target for target in targets if str(server.store) in target
                 or "access.log" in target or f":{server.port}" in target]
    assert inherited == []
    assert len(targets) < 24


# When it is started


def test_not_started_when_nobody_needs_it(start_server, program, users):
    server = start_server(Site(server_lines=f'JabberFilesDaemon "{program}"'))
    assert users.client(server).put("a", b"x").status == 201
    assert helpers(server) == []
    assert sockets(server) == []


def test_program_that_is_missing_does_not_matter_when_nobody_needs_it(start_server):
    start_server(Site(server_lines='JabberFilesDaemon "/nonexistent/jabberfilesd"'))


def test_started_for_an_inner_section(start_server, program, prosody, user):
    server = start_server(Site(
        domains=(prosody.domain_line(),), server_lines=f'JabberFilesDaemon "{program}"',
        inner_lines=f"""
            <Location "/files/{user.jid}">
                AuthBasicProvider jabber
            </Location>"""))
    assert login(server, user).put("a", b"x").status == 201


@pytest.mark.parametrize("make", ["missing", "no program", "directory"])
def test_program_that_cannot_run_is_an_error_at_start(prepare_server, prosody, tmp_path, make, log):
    log.allow("jabberfiles:(emerg|crit|error)|AH00020|AH00016")
    path = tmp_path / "jabberfilesd"
    if make == "no program":
        path.write_text("text\n", encoding="ascii")
    elif make == "directory":
        path.mkdir()
    server = prepare_server(jabber_site(path, prosody.domain_line()))
    with pytest.raises(StartFailed) as failure:
        server.start()
    assert "JabberFilesDaemon" in str(failure.value) and str(path) in str(failure.value)


# Its death


def test_killed_helper_lets_nobody_wait(start_server, program, prosody, fake_server, line_of,
                                        user, log):
    log.expect(DIED)
    log.expect(TROUBLE)
    hanging = fake_server(honest(greet=silent), "hanging.example")
    server = start_server(jabber_site(program, prosody.domain_line(), line_of(hanging)))
    clients = [Client(server, f"user{number}@hanging.example", "x") for number in range(12)]
    with ThreadPoolExecutor(len(clients)) as pool:
        waiting = [pool.submit(client.put, "a", b"x") for client in clients]
        wait_until(lambda: logins_in_helper(server) == len(clients), GONE_SECONDS,
                   "the helper has not taken all logins")
        # It connects to few at the same time.
        wait_until(lambda: len(hanging.visits) >= 5, GONE_SECONDS, "the logins have not begun")
        killed_at = time.monotonic()
        os.kill(helper_of(server), signal.SIGKILL)
        answers = [future.result() for future in waiting]
        seconds = time.monotonic() - killed_at
    assert {answer.status for answer in answers} == {503}
    assert seconds < 5 * server.env.patience
    assert all(answer.header("Retry-After") for answer in answers)
    assert login(server, user).put("a", b"x").status == 201


@pytest.mark.parametrize("attempt", range(3))
def test_login_right_after_a_kill_works(server, user, log, attempt):
    log.expect(DIED)
    client = login(server, user)
    assert client.put("a", b"x").status == 201
    time.sleep(attempt * 0.35)
    helper = helper_of(server)
    os.kill(helper, signal.SIGKILL)
    wait_until(lambda: is_gone(helper), GONE_SECONDS, "it cannot be killed")
    assert client.put("a", b"x").status == 200
    assert len(helpers(server)) == 1


def test_kills_under_load_cost_only_the_logins_at_that_moment(server, prosody, log):
    log.expect(DIED)
    log.allow(TROUBLE)
    users = prosody.new_users(8)
    with logging_in_all_the_time(server, users) as statuses:
        for _ in range(2):
            time.sleep(1)
            os.kill(helper_of(server), signal.SIGKILL)
        time.sleep(1.5)
    assert set(statuses) <= {200, 201, 503}
    assert statuses[503] < statuses[200]
    log_in_with_patience(login(server, users[0]))


# A helper that does not work


@pytest.fixture
def broken_program(work_dir):
    """A program that writes down that it was started, and fails."""
    directory = work_dir / "broken"
    directory.mkdir(exist_ok=True)
    directory.chmod(0o777)
    starts = directory / "starts"
    starts.write_text("", encoding="ascii")
    starts.chmod(0o666)
    path = directory / PROGRAM_NAME
    path.write_text(f"#!/bin/sh\necho started >>'{starts}'\nexit 1\n", encoding="ascii")
    path.chmod(0o755)
    return path, starts


def count_lines(path):
    return path.read_text("ascii").count("\n")


def test_helper_that_fails_at_once_is_given_time(start_server, broken_program, program, prosody,
                                                 user, log):
    log.expect(DIED)
    log.expect(TROUBLE)
    # It may be gone before it is told anything.
    log.allow("JF0072.*Broken pipe")
    path, starts = broken_program
    server = start_server(jabber_site(path, prosody.domain_line()))
    wait_until(lambda: count_lines(starts) > 2, GONE_SECONDS, "it is not started again")
    begin = time.monotonic()
    begin_seconds = cpu_seconds(server.parent())
    while time.monotonic() - begin < 6:
        client = login(server, user)
        asked_at = time.monotonic()
        assert client.put("a", b"x").status == 503
        assert time.monotonic() - asked_at < 5 * server.env.patience
        assert client.open_link("/files/unknown/unknown").status == 404
        client.close()
    assert count_lines(starts) < 8
    # No process of httpd is busy with it.
    assert cpu_seconds(server.parent()) - begin_seconds < 0.5
    # What is repaired is found without help.
    path.unlink()
    os.link(program, path)
    log_in_with_patience(login(server, user), 40)


def test_helper_that_hangs(server, user, log):
    log.expect(TROUBLE)
    client = login(server, user)
    assert client.put("a", b"x").status == 201
    helper = helper_of(server)
    os.kill(helper, signal.SIGSTOP)
    begin = time.monotonic()
    assert client.get("a").status == 503
    assert 9 < time.monotonic() - begin < 20 * server.env.patience
    # Nor does it keep httpd from stopping.
    begin = time.monotonic()
    server.stop()
    assert time.monotonic() - begin < 8 * server.env.patience
    wait_until(lambda: is_gone(helper), GONE_SECONDS, "the helper is left")


# Restarts and the end


def test_stop_leaves_neither_process_nor_socket(server, user):
    assert login(server, user).put("a", b"x").status == 201
    helper, path = helper_of(server), sockets(server)[0]
    server.stop()
    wait_until(lambda: is_gone(helper), GONE_SECONDS, "the helper is left")
    assert not path.exists()


def test_restart(server, user):
    client = login(server, user)
    assert client.put("a", b"x").status == 201
    client.close()
    server.restart()
    assert client.get("a").body == b"x"
    assert len(helpers(server)) == len(sockets(server)) == 1


def test_graceful_restart_replaces_it(server, user):
    client = login(server, user)
    assert client.put("a", b"x").status == 201
    client.close()
    before = helper_of(server)
    for _ in range(3):
        server.graceful()
        assert client.get("a").body == b"x"
        client.close()
    wait_until(lambda: is_gone(before), GONE_SECONDS, "the first helper is left")
    assert len(helpers(server)) == len(sockets(server)) == 1
    assert helper_of(server) != before


def test_new_configuration_holds_after_a_graceful_restart(server, program, prosody):
    first, second = (prosody.new_user(host) for host in ("example.org", "second.example"))
    clients = [login(server, first), login(server, second)]
    assert [client.put("a", b"x").status for client in clients] == [201, 401]
    for client in clients:
        client.close()
    server.reconfigure(jabber_site(program, prosody.domain_line("second.example")))
    assert [client.put("b", b"x").status for client in clients] == [401, 201]


def test_it_goes_and_comes_with_the_provider(server, program, prosody, user):
    helper = helper_of(server)
    server.reconfigure(Site(server_lines=f'JabberFilesDaemon "{program}"'))
    wait_until(lambda: is_gone(helper), GONE_SECONDS, "the helper is left")
    assert (helpers(server), sockets(server)) == ([], [])
    server.reconfigure(jabber_site(program, prosody.domain_line()))
    assert login(server, user).put("a", b"x").status == 201


def test_logins_over_graceful_restarts_are_not_lost(server, prosody):
    users = prosody.new_users(8)
    with logging_in_all_the_time(server, users) as statuses:
        deadline = time.monotonic() + LOAD_SECONDS
        while time.monotonic() < deadline:
            time.sleep(0.4)
            server.graceful()
    assert set(statuses) == {200, 201}
    assert statuses[200] > 50


def test_login_in_hand_survives_a_graceful_restart(start_server, program, fake_server, line_of):
    gate = threading.Event()

    def challenge_later(visit):
        gate.wait(30)
        challenge(visit)

    slow = fake_server(honest(challenge=challenge_later))
    server = start_server(jabber_site(program, line_of(slow)))
    right = login(server, User(f"{USER}@example.org", PASSWORD))
    wrong = login(server, User(f"{USER}@example.org", "wrong"))
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(client.put, "a", b"x") for client in (right, wrong)]
        wait_until(lambda: len(slow.visits) == 2, GONE_SECONDS, "the logins have not begun")
        server.graceful()
        gate.set()
        assert [future.result().status for future in waiting] == [201, 401]


@pytest.mark.parametrize("victims", ["all", "parent"])
def test_it_does_not_survive_httpd(server, user, victims):
    assert login(server, user).put("a", b"x").status == 201
    helper, children = helper_of(server), workers(server)
    try:
        if victims == "all":
            server.kill()
        else:
            os.kill(server.parent(), signal.SIGKILL)
        wait_until(lambda: is_gone(helper), GONE_SECONDS, "the helper is left")
    finally:
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            if name_of(helper) == PROGRAM_NAME:
                os.kill(helper, signal.SIGKILL)


def test_socket_that_was_left_behind_is_no_obstacle(server, user):
    client = login(server, user)
    assert client.put("a", b"x").status == 201
    client.close()
    server.kill()
    server.start()
    assert client.get("a").body == b"x"


# Many first logins


def percentile(values, part):
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def test_many_first_logins_at_once(start_server, program, prosody, ejabberd, measure, log):
    """One child with 16 threads, default limits, everybody from one address."""
    log.allow("AH00484")  # more clients than threads: that is the point
    server = start_server(jabber_site(
        program, prosody.domain_line("example.org"), ejabberd.domain_line("second.example"),
        cache_seconds=300, single_child=True, limit="jid=10 address=50 per=10m"))
    users = prosody.new_users(FIRST_LOGINS // 2) \
        + ejabberd.new_users(FIRST_LOGINS // 2, "second.example")
    cached = prosody.new_user()
    assert login(server, cached).put("a", b"x").status == 201
    gate = threading.Barrier(len(users) + 1)
    done = threading.Event()

    def first_login(user):
        client = login(server, user)
        gate.wait()
        begin = time.monotonic()
        status = client.put("a", b"x").status
        client.close()
        return status, time.monotonic() - begin

    with ThreadPoolExecutor(len(users) + 2) as pool:
        firsts = [pool.submit(first_login, user) for user in users]
        kept = pool.submit(ask_again_and_again, server, cached, done, True)
        fresh = pool.submit(ask_again_and_again, server, cached, done, False)
        gate.wait()
        begin = time.monotonic()
        results = [future.result() for future in firsts]
        seconds = time.monotonic() - begin
        done.set()
    assert Counter(status for status, _ in results) == {201: FIRST_LOGINS}
    for kind, latencies in (("kept", kept.result()), ("new", fresh.result())):
        measure(f"{FIRST_LOGINS} first logins in {seconds:.2f} s, meanwhile a cached user over "
                f"{kind} connections: {len(latencies)} requests, median "
                f"{1000 * percentile(latencies, 0.5):.0f} ms, 95 % within "
                f"{1000 * percentile(latencies, 0.95):.0f} ms, slowest "
                f"{1000 * max(latencies):.0f} ms")
        assert max(latencies) < 5 * server.env.patience


def ask_again_and_again(server, user, done, is_kept):
    """Requests of a logged-in user until `done`; returns the seconds each took."""
    client, latencies = login(server, user), []
    while not done.is_set():
        begin = time.monotonic()
        try:
            answer = client.request("GET", area_path(user.jid, "a"))
        except (http.client.RemoteDisconnected, ConnectionResetError):
            # A busy httpd closes idle connections, and a client comes again.
            assert is_kept
            answer = client.request("GET", area_path(user.jid, "a"))
        assert answer.body == b"x"
        latencies.append(time.monotonic() - begin)
        if not is_kept:
            client.close()
    client.close()
    return latencies


def test_hanging_server_leaves_threads_to_others(start_server, program, prosody, fake_server,
                                                 line_of, measure, log):
    """Anybody can try to log in; links and cached users must not have to wait for that."""
    log.expect(TROUBLE)
    log.allow("AH00484")
    hanging = fake_server(honest(greet=silent), "hanging.example")
    server = start_server(jabber_site(program, prosody.domain_line(), line_of(hanging),
                                      cache_seconds=300, single_child=True))
    cached = prosody.new_user()
    owner = login(server, cached)
    link = owner.put("a", b"x").link
    with ThreadPoolExecutor(30) as pool:
        waiting = [pool.submit(Client(server, f"user{number}@hanging.example", "x").put, "a", b"x")
                   for number in range(30)]
        wait_until(lambda: len(hanging.visits) >= 5, GONE_SECONDS, "the logins have not begun")
        begin = time.monotonic()
        assert owner.open_link(link).status == 200
        assert login(server, cached).get("a").status == 200
        seconds = time.monotonic() - begin
        answers = [future.result() for future in waiting]
    assert {answer.status for answer in answers} == {503}
    assert seconds < 5 * server.env.patience
    measure(f"while 30 logins wait for a server that hangs, a link and a cached user took "
            f"{seconds:.2f} s")
