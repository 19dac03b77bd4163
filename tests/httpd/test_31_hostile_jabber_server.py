"""jabberfilesd and Jabber servers that are hostile or broken: the right word, in time, and no
password where it does not belong."""

import dataclasses
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import fake_xmpp_hostile as hostile
from fake_xmpp import PASSWORD, USER, FakeXmpp, honest, salt_password, sasl
from jabberfilesd import Jabberfilesd
from records import wait_until

DEADLINE_SECONDS = 4
# An answer that the deadline brings comes so much later at most.
LATE_SECONDS = 5
# What a flood may cost: what lies in the buffers of both sockets, and a little memory.
FLOOD_TAKEN_BYTES_MAX = 16 << 20
GROWTH_KIB_MAX = 16 << 10
SUFFIX = "hostile.example"
# The most that jabberfilesd counts for a server.
ITERATIONS_MAX = 1_000_000
SLOW_LOGINS = 16


def domain_of(name):
    return f"{name}.{SUFFIX}"


def jid_of(name):
    return f"{USER}@{domain_of(name)}"


@pytest.fixture(scope="module")
def pairs(authority, stranger):
    """The certificates that the cases name."""
    names = [domain_of(name) for name in hostile.ALL]
    return {"good": authority.issue(*names), "expired": authority.issue_expired(*names),
            "self-signed": authority.self_signed(*names), "stranger": stranger.issue(*names),
            "wrong-name": authority.issue("other.example"), "one-level-up": authority.issue(SUFFIX),
            "wildcard": authority.issue(f"*.{SUFFIX}"), "too-wide": authority.issue("*.example")}


@pytest.fixture(scope="module")
def servers(pairs):
    """A server for each case."""
    made = {}
    for name, case in hostile.ALL.items():
        pair = pairs[case.certificate]
        context = case.tune(pair) if case.tune else None
        made[name] = FakeXmpp(case.script, pair, domain_of(name), context)
    yield made
    for server in made.values():
        server.close()


@pytest.fixture(scope="module")
def domains(servers, authority):
    return [{"name": domain_of(name), "connect": f"127.0.0.1:{server.port}",
             "tls": hostile.ALL[name].tls, "ca": str(authority.ca)}
            for name, server in servers.items()]


@pytest.fixture(scope="module")
def daemons(env, domains):
    """Every process there was; the last one runs or has been killed by a server."""
    made = []

    def running():
        if not made or not made[-1].is_running():
            made.append(Jabberfilesd(env, domains, DEADLINE_SECONDS * 1000 * env.patience))
            made[-1].ask("nobody@unknown.example", "x")  # returns when it has begun to serve
        return made[-1]

    yield running
    made[-1].close()


@pytest.fixture
def daemon(daemons):
    """The same process for all tests: what one server does to it, all others would feel."""
    running = daemons()
    yield running
    assert running.is_running(), running.stderr()


@pytest.fixture(scope="module")
def deadline(env):
    return DEADLINE_SECONDS * env.patience


def test_silence_at_any_step_ends_at_the_deadline(daemon, deadline):
    with ThreadPoolExecutor(len(hostile.SILENT)) as pool:
        answers = dict(zip(hostile.SILENT, pool.map(
            lambda name: daemon.ask_timed(jid_of(name), PASSWORD), hostile.SILENT)))
    assert {name: word for name, (word, _) in answers.items()} \
        == dict.fromkeys(hostile.SILENT, "unavailable")
    wrong_times = {name: seconds for name, (_, seconds) in answers.items()
                   if not deadline - 0.2 < seconds < deadline + LATE_SECONDS}
    assert wrong_times.keys() <= {"endless-challenges"}, wrong_times


@pytest.mark.parametrize("name", hostile.QUICK)
def test_right_password(daemon, servers, deadline, name):
    case = hostile.QUICK[name]
    word, seconds = daemon.ask_timed(jid_of(name), PASSWORD)
    assert word in case.verdicts
    assert seconds < deadline + LATE_SECONDS
    assert not servers[name].has_heard_password(in_clear=True)
    servers[name].assert_no_session()


def test_wrong_password_is_accepted_by_nobody(daemon):
    logins = [(jid_of(name), PASSWORD + "?") for name in hostile.QUICK]
    words = dict(zip(hostile.QUICK, daemon.ask_all(logins)))
    assert "accepted" not in words.values()
    honest_ones = [name for name, case in hostile.QUICK.items() if case.verdicts == ("accepted",)]
    assert {words[name] for name in honest_ones} == {"refused"}


@pytest.mark.parametrize("name", hostile.CLOSING)
def test_server_that_hangs_up_is_not_waited_for(daemon, deadline, name):
    word, seconds = daemon.ask_timed(jid_of(name), PASSWORD)
    assert (word, seconds < deadline / 2) == ("unavailable", True)


@pytest.mark.parametrize("name", hostile.FLOODS)
def test_flood_is_cut_off(daemon, servers, deadline, name):
    before_kib = daemon.resident_kib()
    word, seconds = daemon.ask_timed(jid_of(name), PASSWORD)
    assert word == "unavailable"
    assert seconds < deadline + LATE_SECONDS
    assert daemon.resident_kib() - before_kib < GROWTH_KIB_MAX
    assert servers[name].visits[-1].sent_bytes < FLOOD_TAKEN_BYTES_MAX


def test_reasons_are_one_printable_line_without_the_password(daemon):
    names = list(hostile.QUICK)
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(
            lambda name: daemon.ask_for_reason(jid_of(name), PASSWORD), names))
    for name, (word, reason) in zip(names, answers):
        assert reason.isprintable() and PASSWORD not in reason, name
        assert reason or word != "unavailable", name


def test_server_name_is_sent_with_tls(daemon, servers):
    for name in ("scram", "direct"):
        del servers[name].server_names[:]
        assert daemon.ask(jid_of(name), PASSWORD) == "accepted"
        assert servers[name].server_names == [domain_of(name)]


def test_plain_is_not_tried_after_scram_failed(daemon, servers):
    server = servers["scram-refused-plain-offered"]
    assert daemon.ask(jid_of("scram-refused-plain-offered"), PASSWORD) == "refused"
    assert not server.has_heard_password()


def test_billion_iterations_cost_nothing(daemon, env):
    before = daemon.cpu_seconds()
    words = daemon.ask_all([(jid_of("billion-iterations"), f"{PASSWORD}{number}")
                            for number in range(10)])
    assert set(words) == {"unavailable"}
    assert daemon.cpu_seconds() - before < 0.5 * env.patience


# Cases with servers of their own


def entry_of(server, authority, **options):
    return {"name": server.domain, "connect": f"127.0.0.1:{server.port}",
            "ca": str(authority.ca), **options}


def test_plain_is_believed_inside_tls(fake_server, start_daemon, authority):
    """The certificate is the proof: who has it may say that any password is right."""
    server = fake_server(honest(offered=("PLAIN",), challenge=hostile.answer_auth(
        sasl("success"))))
    daemon = start_daemon([entry_of(server, authority)])
    assert daemon.ask("anybody@example.org", "anything") == "accepted"
    server.assert_no_session()


def test_many_iterations_keep_nobody_waiting(fake_server, start_daemon, authority, env):
    slow = fake_server(dataclasses.replace(honest(), iterations=ITERATIONS_MAX), "slow.example")
    salt_password(ITERATIONS_MAX)  # only jabberfilesd shall be busy
    quick = fake_server(honest())
    daemon = start_daemon([entry_of(slow, authority), entry_of(quick, authority)],
                          deadline_ms=20_000 * env.patience)
    assert daemon.ask(f"{USER}@example.org", PASSWORD) == "accepted"
    begin = time.monotonic()
    with ThreadPoolExecutor(SLOW_LOGINS) as pool:
        slow_ones = [pool.submit(daemon.ask, f"{USER}@slow.example", PASSWORD + "?" * number)
                     for number in range(SLOW_LOGINS)]
        wait_until(lambda: len(slow.visits) > 3, 10, "the slow logins have not begun")
        seconds = []
        while not all(future.done() for future in slow_ones):
            word, taken = daemon.ask_timed(f"{USER}@example.org", PASSWORD)
            assert word == "accepted"
            seconds.append(taken)
    assert [future.result() for future in slow_ones] == ["accepted"] + ["refused"] * (
        SLOW_LOGINS - 1)
    assert max(seconds) < (time.monotonic() - begin) / 3


def test_other_host_is_not_seen(fake_server, start_daemon, authority):
    other = fake_server(honest())
    error = hostile.stream_error("see-other-host", f"127.0.0.1:{other.port}")
    for step in ("offer_tls", "offer"):
        server = fake_server(honest(**{step: hostile.last_words(error)}))
        daemon = start_daemon([entry_of(server, authority)])
        assert daemon.ask(f"{USER}@example.org", PASSWORD) == "unavailable"
    assert other.visits == []


def test_certificate_of_an_unknown_authority_is_not_trusted(fake_server, start_daemon, authority):
    entry = entry_of(fake_server(honest()), authority)
    del entry["ca"]
    assert start_daemon([entry]).ask(f"{USER}@example.org", PASSWORD) == "unavailable"


def test_authority_of_one_domain_does_not_vouch_for_another(fake_server, start_daemon, authority,
                                                            stranger):
    first = fake_server(honest())
    second = fake_server(honest(), "second.example", pair=stranger.issue("second.example"))
    daemon = start_daemon([entry_of(first, authority),
                           {**entry_of(second, authority), "ca": str(authority.ca)},
                           {**entry_of(first, stranger), "name": "third.example"}])
    assert daemon.ask(f"{USER}@example.org", PASSWORD) == "accepted"
    assert daemon.ask(f"{USER}@second.example", PASSWORD) == "unavailable"


def test_hanging_domain_slows_no_other(fake_server, start_daemon, authority, env):
    hanging = fake_server(honest(greet=hostile.silent), "hanging.example")
    good = fake_server(honest())
    deadline_seconds = 6 * env.patience
    daemon = start_daemon([entry_of(hanging, authority), entry_of(good, authority)],
                          deadline_ms=deadline_seconds * 1000)
    with ThreadPoolExecutor(300) as pool:
        stuck = [pool.submit(daemon.ask, f"user{number}@hanging.example", PASSWORD)
                 for number in range(300)]
        time.sleep(0.5)
        seconds = []
        for _ in range(20):
            word, taken = daemon.ask_timed(f"{USER}@example.org", PASSWORD)
            assert word == "accepted"
            seconds.append(taken)
        assert not any(future.done() for future in stuck)
        assert {future.result() for future in stuck} == {"unavailable"}
    assert max(seconds) < deadline_seconds / 3
