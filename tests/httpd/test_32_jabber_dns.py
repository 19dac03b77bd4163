"""Where jabberfilesd finds the server of a domain without connect=: SRV records, else port 5222."""

import contextlib
import random
import socket
from collections import Counter

import pytest

import fake_dns
from fake_dns import A, AAAA, CNAME, SERVER_FAILURE, SRV, FakeDns, address, service
from fake_xmpp import DIRECT_TLS, PASSWORD, USER, honest
from fake_xmpp_hostile import silent

DOMAIN = "example.org"
JID = f"{USER}@{DOMAIN}"
CLIENT, CLIENT_TLS = f"_xmpp-client._tcp.{DOMAIN}", f"_xmpps-client._tcp.{DOMAIN}"
DEADLINE_MS = 4000
HERE = [address("127.0.0.1")]
NOT_OFFERED = service(0, 0, 0, ".")


@pytest.fixture
def verdict(start_daemon, authority, env):
    """Asks about the right password with DNS as a test wants it; returns the answer's word."""
    with contextlib.ExitStack() as ended:
        def ask(records, jid=JID, domain=None, password=PASSWORD, **options):
            dns = FakeDns(records, **options)
            ended.callback(dns.close)
            entry = {"name": jid.partition("@")[2], "ca": str(authority.ca), **(domain or {})}
            daemon = start_daemon([entry], deadline_ms=DEADLINE_MS * env.patience,
                                  resolver=dns.server)
            word, seconds = daemon.ask_timed(jid, password)
            assert seconds < (DEADLINE_MS / 1000 + 5) * env.patience
            ask.questions = dns.questions
            return word

        yield ask


@pytest.fixture
def server(fake_server):
    return fake_server(honest())


@pytest.fixture
def direct_server(fake_server):
    return fake_server(honest(DIRECT_TLS))


@pytest.fixture
def closed_port():
    """A port where nobody listens, for as long as the test lasts."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture
def dead_port():
    """A port that swallows connections: the queue of its listener is full."""
    with socket.socket() as listener, contextlib.ExitStack() as callers:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            caller = callers.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def test_service_record_names_host_and_port(verdict, server):
    assert verdict({(CLIENT, SRV): [service(0, 0, server.port, "xmpp1.example.net")],
                    ("xmpp1.example.net", A): HERE}) == "accepted"
    # DNS may choose the host; the name in the certificate is the domain's.
    assert server.server_names == [DOMAIN]


def test_wrong_password_is_refused_by_the_first_server_that_talks(verdict, server):
    hosts = [service(priority, 0, server.port, "xmpp1.example.net") for priority in range(5)]
    assert verdict({(CLIENT, SRV): hosts, ("xmpp1.example.net", A): HERE},
                   password="wrong") == "refused"
    assert len(server.visits) == 1


def test_service_record_of_direct_tls(verdict, direct_server):
    assert verdict({(CLIENT_TLS, SRV): [service(0, 0, direct_server.port, "xmpp1.example.net")],
                    ("xmpp1.example.net", A): HERE}) == "accepted"
    assert direct_server.server_names == [DOMAIN]


@pytest.mark.parametrize("first", [CLIENT, CLIENT_TLS])
def test_both_kinds_are_ordered_together(verdict, server, direct_server, first):
    priorities = {CLIENT: 20, CLIENT_TLS: 20, first: 10}
    assert verdict({
        (CLIENT, SRV): [service(priorities[CLIENT], 0, server.port, "a.example.net")],
        (CLIENT_TLS, SRV): [service(priorities[CLIENT_TLS], 0, direct_server.port,
                                    "a.example.net")],
        ("a.example.net", A): HERE}) == "accepted"
    visits = (len(server.visits), len(direct_server.visits))
    assert visits == ((1, 0) if first == CLIENT else (0, 1))


@pytest.mark.parametrize("mode,kind", [("starttls", CLIENT), ("direct", CLIENT_TLS)])
def test_chosen_mode_asks_for_its_kind_only(verdict, server, direct_server, mode, kind):
    assert verdict({(CLIENT, SRV): [service(0, 0, server.port, "a.example.net")],
                    (CLIENT_TLS, SRV): [service(0, 0, direct_server.port, "a.example.net")],
                    ("a.example.net", A): HERE}, domain={"tls": mode}) == "accepted"
    asked = {name for name, type_ in verdict.questions if type_ == SRV}
    assert asked == {kind}


def test_lowest_priority_comes_first(verdict, server, fake_server):
    others = [fake_server(honest()) for _ in range(3)]
    hosts = [service(10 + number, 100, other.port, "a.example.net")
             for number, other in enumerate(others)] \
        + [service(5, 0, server.port, "a.example.net")]
    assert verdict({(CLIENT, SRV): hosts, ("a.example.net", A): HERE}) == "accepted"
    assert [len(other.visits) for other in others] == [0, 0, 0]


def test_weights_share_the_logins(fake_server, start_daemon, authority):
    light, heavy = fake_server(honest()), fake_server(honest())
    dns = FakeDns({(CLIENT, SRV): [service(0, 1, light.port, "a.example.net"),
                                   service(0, 9, heavy.port, "a.example.net")],
                   ("a.example.net", A): HERE})
    daemon = start_daemon([{"name": DOMAIN, "ca": str(authority.ca)}], resolver=dns.server)
    words = Counter(daemon.ask(JID, PASSWORD) for _ in range(60))
    dns.close()
    assert words == {"accepted": 60}
    # Fewer than 30 of 60 come by chance once in a billion runs.
    assert len(heavy.visits) > 30
    assert len(light.visits) + len(heavy.visits) == 60


def test_next_target_is_tried_when_nobody_listens(verdict, server, closed_port):
    assert verdict({(CLIENT, SRV): [service(0, 0, closed_port, "a.example.net"),
                                    service(1, 0, server.port, "b.example.net")],
                    ("a.example.net", A): HERE, ("b.example.net", A): HERE}) == "accepted"


def test_next_target_is_tried_when_connections_are_swallowed(verdict, server, dead_port):
    assert verdict({(CLIENT, SRV): [service(0, 0, dead_port, "a.example.net"),
                                    service(1, 0, server.port, "b.example.net")],
                    ("a.example.net", A): HERE, ("b.example.net", A): HERE}) == "accepted"


def test_next_target_is_tried_when_a_name_has_no_address(verdict, server):
    assert verdict({(CLIENT, SRV): [service(0, 0, server.port, "a.example.net"),
                                    service(1, 0, server.port, "b.example.net")],
                    ("b.example.net", A): HERE}) == "accepted"


def test_next_address_of_a_target_is_tried(verdict, server):
    # ::1 has nobody at this port.
    assert verdict({(CLIENT, SRV): [service(0, 0, server.port, "a.example.net")],
                    ("a.example.net", AAAA): [address("::1")],
                    ("a.example.net", A): HERE}) == "accepted"


def test_alias_of_a_target_is_followed(verdict, server):
    assert verdict({(CLIENT, SRV): [service(0, 0, server.port, "a.example.net")],
                    ("a.example.net", CNAME): ["b.example.net"],
                    ("b.example.net", A): HERE}) == "accepted"


def test_more_targets_than_fit_into_a_datagram(verdict, server):
    hosts = [service(number, 0, server.port, f"host{number}.{'x' * 40}.example.net")
             for number in range(40)]
    assert verdict({(CLIENT, SRV): hosts,
                    (f"host0.{'x' * 40}.example.net", A): HERE}) == "accepted"


def test_many_dead_targets_end_in_time(verdict, closed_port):
    hosts = [service(number, 0, closed_port, f"host{number}.example.net") for number in range(12)]
    records = {(f"host{number}.example.net", A): HERE * 3 for number in range(12)}
    assert verdict({(CLIENT, SRV): hosts, **records}) == "unavailable"


def test_hanging_server_is_no_reason_to_guess_elsewhere_for_ever(verdict, fake_server):
    hanging = fake_server(honest(greet=silent))
    hosts = [service(number, 0, hanging.port, "a.example.net") for number in range(8)]
    assert verdict({(CLIENT, SRV): hosts, ("a.example.net", A): HERE}) == "unavailable"


@contextlib.contextmanager
def port_5222(fake_server):
    """An honest server at the usual port, on a loopback address that hardly anybody else has."""
    while True:
        host = f"127.{random.randint(1, 254)}.{random.randint(0, 254)}.{random.randint(1, 254)}"
        try:
            server = fake_server(honest(), address=(host, 5222))
            break
        except OSError:
            continue
    yield server


def test_domain_without_service_records_is_asked_at_port_5222(verdict, fake_server):
    with port_5222(fake_server) as server:
        assert verdict({(DOMAIN, A): [address(server.address)]}) == "accepted"
        assert len(server.visits) == 1


def test_domain_with_service_records_is_not_asked_at_port_5222(verdict, fake_server, closed_port):
    with port_5222(fake_server) as server:
        assert verdict({(DOMAIN, A): [address(server.address)], ("a.example.net", A): HERE,
                        (CLIENT, SRV): [service(0, 0, closed_port, "a.example.net")]}) \
            == "unavailable"
        assert server.visits == []


def test_domain_that_offers_nothing_is_not_asked(verdict, fake_server):
    with port_5222(fake_server) as server:
        assert verdict({(DOMAIN, A): [address(server.address)], (CLIENT, SRV): [NOT_OFFERED],
                        (CLIENT_TLS, SRV): [NOT_OFFERED]}) == "unavailable"
        assert server.visits == []


def test_one_kind_not_offered_leaves_the_other(verdict, direct_server):
    assert verdict({(CLIENT, SRV): [NOT_OFFERED], ("a.example.net", A): HERE,
                    (CLIENT_TLS, SRV): [service(0, 0, direct_server.port, "a.example.net")]}) \
        == "accepted"


@pytest.mark.parametrize("behaviour", [fake_dns.silence, fake_dns.garbage, fake_dns.pointer_loop,
                                       fake_dns.wrong_identification])
def test_broken_dns_is_unavailable(verdict, behaviour):
    assert verdict({CLIENT: behaviour, CLIENT_TLS: behaviour, DOMAIN: behaviour}) == "unavailable"


@pytest.mark.parametrize("options", [{}, {"default": SERVER_FAILURE}], ids=["no name", "failure"])
def test_domain_unknown_to_dns_is_unavailable(verdict, options):
    assert verdict({}, **options) == "unavailable"


def test_certificate_of_the_target_is_not_the_domains(verdict, fake_server, authority):
    server = fake_server(honest(), pair=authority.issue("xmpp1.example.net"))
    assert verdict({(CLIENT, SRV): [service(0, 0, server.port, "xmpp1.example.net")],
                    ("xmpp1.example.net", A): HERE}) == "unavailable"


def test_international_domain_is_asked_for_in_ascii(verdict, fake_server, authority):
    ascii_name = "xn--mnchen-3ya.example"
    server = fake_server(honest(), "münchen.example", pair=authority.issue(ascii_name))
    assert verdict({(f"_xmpp-client._tcp.{ascii_name}", SRV): [
        service(0, 0, server.port, "a.example.net")], ("a.example.net", A): HERE},
        jid=f"{USER}@münchen.example") == "accepted"
    assert server.server_names == [ascii_name]


def test_dns_is_not_asked_about_foreign_domains(verdict, server):
    assert verdict({(CLIENT, SRV): [service(0, 0, server.port, "a.example.net")],
                    ("a.example.net", A): HERE}, domain={"name": "other.example"}) != "accepted"
    assert verdict.questions == []
    assert server.visits == []
