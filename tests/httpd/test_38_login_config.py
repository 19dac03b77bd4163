"""The directives of the login: what is no sense is an error at start that names the directive."""

import pytest

from config import Site
from jabber_site import login
from server import StartFailed

BAD_IN_SERVER = (
    "JabberFilesDomain second.example connect=", "JabberFilesDomain second.example connect=host",
    "JabberFilesDomain second.example connect=host:0",
    "JabberFilesDomain second.example connect=host:65536",
    "JabberFilesDomain second.example connect=host:port",
    "JabberFilesDomain second.example connect=:5222",
    'JabberFilesDomain second.example "connect=ho st:5222"',
    "JabberFilesDomain second.example connect=::1:5222",
    "JabberFilesDomain second.example tls=", "JabberFilesDomain second.example tls=on",
    "JabberFilesDomain second.example tls=none", "JabberFilesDomain second.example tls",
    "JabberFilesDomain second.example starttls", "JabberFilesDomain second.example port=5222",
    # A password in clear goes to this machine only.
    "JabberFilesDomain second.example tls=off",
    "JabberFilesDomain second.example tls=off connect=192.0.2.1:5222",
    "JabberFilesDomain second.example tls=off connect=second.example:5222",
    "JabberFilesDomain second.example tls=off connect=0.0.0.0:5222",
    "JabberFilesDomain second.example ca=", "JabberFilesDomain second.example ca=/nonexistent.pem",
    "JabberFilesDomain second.example ca=/",
    "JabberFilesDaemon", 'JabberFilesDaemon ""', "JabberFilesDaemon a b",
    "JabberFilesLoginLimit", "JabberFilesLoginLimit jid", "JabberFilesLoginLimit jid=",
    "JabberFilesLoginLimit jid=0", "JabberFilesLoginLimit jid=-1",
    "JabberFilesLoginLimit jid=many", "JabberFilesLoginLimit jid=10x",
    "JabberFilesLoginLimit jid=99999999999999999999", "JabberFilesLoginLimit address=0",
    "JabberFilesLoginLimit address=", "JabberFilesLoginLimit per=0",
    "JabberFilesLoginLimit per=soon", "JabberFilesLoginLimit per=", "JabberFilesLoginLimit per=-1",
    "JabberFilesLoginLimit 10", "JabberFilesLoginLimit user=10",
    "JabberFilesTLSProxy", "JabberFilesTLSProxy Maybe",
)
BAD_IN_BASE = (
    "JabberFilesDaemon /usr/lib/jabberfilesd", "JabberFilesLoginLimit jid=none",
    "JabberFilesTLSProxy Perhaps", "JabberFilesDomain second.example tls=direct",
)
GOOD_IN_SERVER = (
    "JabberFilesDomain second.example connect=xmpp.second.example:5222",
    "JabberFilesDomain second.example connect=192.0.2.1:5222",
    "JabberFilesDomain second.example connect=[2001:db8::1]:5223 tls=direct",
    "JabberFilesDomain second.example tls=starttls", "JabberFilesDomain second.example tls=direct",
    "JabberFilesDomain second.example tls=off connect=127.0.0.1:5222",
    "JabberFilesDomain second.example connect=127.9.9.9:5222 tls=off",
    "JabberFilesDomain second.example connect=[::1]:5222 tls=off",
    "JabberFilesDomain second.example connect=localhost:5222",
    "JabberFilesLoginLimit jid=5", "JabberFilesLoginLimit address=unlimited per=1h",
    "JabberFilesLoginLimit jid=unlimited address=1000 per=90", "JabberFilesTLSProxy On",
    "JabberFilesTLSProxy Off",
)
GOOD_IN_BASE = ("JabberFilesLoginLimit jid=3 address=30 per=15m", "JabberFilesTLSProxy On")


def assert_refused(server, line):
    checked = server.check_config()
    assert checked.returncode != 0
    assert line.split()[0] in checked.stderr


def assert_taken(server):
    checked = server.check_config()
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("line", BAD_IN_SERVER)
def test_bad_value_of_the_server_is_refused(prepare_server, line):
    assert_refused(prepare_server(Site(server_lines=line)), line)


@pytest.mark.parametrize("line", BAD_IN_BASE)
def test_bad_value_in_a_base_is_refused(prepare_server, line):
    assert_refused(prepare_server(Site(base_lines=line)), line)


@pytest.mark.parametrize("line", GOOD_IN_SERVER)
def test_good_value_of_the_server_is_taken(prepare_server, line):
    assert_taken(prepare_server(Site(server_lines=line)))


@pytest.mark.parametrize("line", GOOD_IN_BASE)
def test_good_value_in_a_base_is_taken(prepare_server, line):
    assert_taken(prepare_server(Site(base_lines=line)))


def test_authority_is_found_below_the_server_root(prepare_server, authority):
    server = prepare_server(Site(domains=("example.org ca=ca.pem",)))
    assert_refused(server, "JabberFilesDomain")
    (server.root / "ca.pem").write_bytes(authority.ca.read_bytes())
    assert_taken(server)


VIRTUAL_HOST = """
    <VirtualHost 127.0.0.1:9>
        ServerName other.example
        {line}
    </VirtualHost>"""


def test_domain_of_two_servers_is_reached_in_one_way(prepare_server, program, log):
    log.allow("jabberfiles:(emerg|crit|error)|AH00016|AH00020")
    other = VIRTUAL_HOST.format(line="JabberFilesDomain example.org connect=127.0.0.1:5223")
    site = Site(domains=("example.org connect=127.0.0.1:5222",), inner_lines=other,
                provider="jabber", server_lines=f'JabberFilesDaemon "{program}"')
    server = prepare_server(site)
    with pytest.raises(StartFailed, match="JabberFilesDomain example.org"):
        server.start()


def test_domain_of_two_servers_may_be_said_twice(start_server, program):
    line = "example.org connect=127.0.0.1:5222"
    start_server(Site(domains=(line,), provider="jabber",
                      inner_lines=VIRTUAL_HOST.format(line=f"JabberFilesDomain {line}"),
                      server_lines=f'JabberFilesDaemon "{program}"'))


def test_provider_outside_of_a_base_lets_nobody_in(start_server, program, prosody, log):
    log.expect("JF0071")
    user = prosody.new_user()
    server = start_server(Site(
        domains=(prosody.domain_line(),), server_lines=f"""
            JabberFilesDaemon "{program}"
            <Location "/guarded">
                AuthType Basic
                AuthName "x"
                AuthBasicProvider jabber
                Require valid-user
            </Location>"""))
    mark = prosody.mark()
    assert login(server, user).request("GET", "/guarded").status == 500
    assert prosody.events(mark) == []
