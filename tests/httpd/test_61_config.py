"""Directives: what is no sense is an error at start that names the directive."""

import pytest

from config import Site

# In the <Location> of the BASE.
BAD_IN_BASE = (
    "JabberFiles Maybe", "JabberFiles",
    "JabberFilesQuota", "JabberFilesQuota lots", "JabberFilesQuota -1", "JabberFilesQuota 5X",
    "JabberFilesQuota 5MB", "JabberFilesQuota 1e9", "JabberFilesQuota 0x10", "JabberFilesQuota M",
    "JabberFilesQuota 99999999999999999999", "JabberFilesQuota 9999999999T",
    'JabberFilesQuota ""', 'JabberFilesQuota "5 M"', "JabberFilesQuota 5 M",
    "JabberFilesMaxFileSize huge", "JabberFilesMaxFileSize -5", "JabberFilesMaxFileSize 1.5.5G",
    "JabberFilesMaxFileSize +5", "JabberFilesMaxFileSize",
    "JabberFilesExpire tomorrow", "JabberFilesExpire 0", "JabberFilesExpire -1d",
    "JabberFilesExpire 5y", "JabberFilesExpire 1.5d", "JabberFilesExpire 99999999999999999999w",
    "JabberFilesExpire",
    "JabberFilesBaseURL files.example.org", "JabberFilesBaseURL ftp://files.example.org/",
    "JabberFilesBaseURL javascript:alert(1)", 'JabberFilesBaseURL "https://a b/"',
    'JabberFilesBaseURL "https://a/?q=1"', 'JabberFilesBaseURL "https://a/#f"',
    "JabberFilesBaseURL https://", "JabberFilesBaseURL",
    "JabberFilesInline text/html", "JabberFilesInline image/svg+xml", "JabberFilesInline text/xml",
    "JabberFilesInline application/xhtml+xml", "JabberFilesInline IMAGE/SVG+XML",
    "JabberFilesInline image/png text/html", "JabberFilesInline png", "JabberFilesInline image/*",
    "JabberFilesInline", 'JabberFilesInline "text/plain; charset=utf-8"',
    "JabberFilesCORS a.example", "JabberFilesCORS https://a.example/path",
    "JabberFilesCORS https://*.example", "JabberFilesCORS * https://a.example",
    "JabberFilesCORS Off https://a.example", "JabberFilesCORS ftp://a.example", "JabberFilesCORS",
    # Belong to the server:
    "JabberFilesStore elsewhere", "JabberFilesDatabase x.db", "JabberFilesDurability full",
    "JabberFilesDomain example.net",
)

# Outside of any section.
BAD_IN_SERVER = (
    "JabberFilesDurability sometimes", "JabberFilesDurability", "JabberFilesDatabase",
    'JabberFilesDatabase ""', "JabberFilesStore", 'JabberFilesStore ""',
    "JabberFilesDomain", 'JabberFilesDomain ""', "JabberFilesDomain alice@example.org",
    "JabberFilesDomain example..org", "JabberFilesDomain exa_mple.org/x",
    'JabberFilesDomain "exam ple.org"', "JabberFilesDomain -example.org",
)

GOOD_IN_BASE = (
    "JabberFiles On", "JabberFiles Off", "JabberFilesQuota unlimited", "JabberFilesQuota 0",
    "JabberFilesQuota 500M", "JabberFilesQuota 1.5G", "JabberFilesQuota 10k",
    "JabberFilesQuota 8796093022207M", "JabberFilesMaxFileSize unlimited",
    "JabberFilesMaxFileSize 2T", "JabberFilesExpire never", "JabberFilesExpire 90",
    "JabberFilesExpire 30m", "JabberFilesExpire 12h", "JabberFilesExpire 7d",
    "JabberFilesExpire 4w", "JabberFilesBaseURL https://files.example.org",
    "JabberFilesBaseURL https://files.example.org:8443/some/path/", "JabberFilesInline image/png",
    "JabberFilesInline application/pdf text/plain image/jpeg", "JabberFilesCORS *",
    "JabberFilesCORS Off", "JabberFilesCORS https://a.example http://localhost:8080",
)
GOOD_IN_SERVER = (
    "JabberFilesDurability full", "JabberFilesDurability relaxed", "JabberFilesDatabase other.db",
    "JabberFilesDomain second.example", "JabberFilesDomain münchen.example",
    "JabberFilesDomain 192.0.2.1", "JabberFilesDomain localhost",
)


@pytest.mark.parametrize("line", BAD_IN_BASE)
def test_bad_value_in_a_base_is_refused(prepare_server, line):
    assert_refused(prepare_server(Site(base_lines=line)), line)


@pytest.mark.parametrize("line", BAD_IN_SERVER)
def test_bad_value_of_the_server_is_refused(prepare_server, line):
    assert_refused(prepare_server(Site(server_lines=line)), line)


def assert_refused(server, line):
    checked = server.check_config()
    assert checked.returncode != 0
    assert line.split()[0] in checked.stderr
    assert not server.store.exists()


@pytest.mark.parametrize("line", GOOD_IN_BASE)
def test_good_value_in_a_base_is_taken(prepare_server, line):
    assert_taken(prepare_server(Site(base_lines=line)))


@pytest.mark.parametrize("line", GOOD_IN_SERVER)
def test_good_value_of_the_server_is_taken(prepare_server, line):
    assert_taken(prepare_server(Site(server_lines=line)))


def assert_taken(server):
    checked = server.check_config()
    assert (checked.returncode, "Syntax OK" in checked.stderr) == (0, True), checked.stderr
    # Checking a configuration makes no files.
    assert not server.store.exists()


def test_base_without_a_store_is_refused(prepare_server):
    server = prepare_server(Site(with_module=False))
    server.site = Site(with_module=False, server_lines=f"""
        LoadModule jabberfiles_module "{server.env.module}"
        JabberFilesDomain example.org
        <Location "/files">
            JabberFiles On
        </Location>""")
    checked = server.check_config()
    assert checked.returncode != 0
    assert "JabberFilesStore" in checked.stderr


def test_htaccess_cannot_set_limits(start_server, users, log):
    log.allow("not allowed here|AH00526|AH00529")
    allowed = '<Directory "${ROOT}/htdocs">\nAllowOverride All\n</Directory>'
    server = start_server(Site(server_lines=allowed))
    override = server.root / "htdocs" / ".htaccess"
    override.write_text("JabberFilesQuota unlimited\n", encoding="ascii")
    owner = users.client(server)
    assert owner.open_link("/ready.txt").status == 500


def test_inner_sections_override_and_inherit(start_server, users):
    server = start_server(Site(
        base_lines="JabberFilesQuota 1000\nJabberFilesMaxFileSize 100",
        inner_lines="""
            <Location "/files/roomy@example.org">
                JabberFilesQuota 2000
            </Location>"""))
    roomy = users.client(server, "roomy@example.org")
    assert roomy.listing()["quota_bytes"] == 2000
    assert roomy.put("a", bytes(101)).status == 413
    assert users.client(server).listing()["quota_bytes"] == 1000
