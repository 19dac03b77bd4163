"""How jabberfiles logs in to Jabber servers, good and bad, and what it says if it cannot."""

import re
import subprocess
import time

import pytest

from fake_xmpp import (DIRECT_TLS, HEADER, PASSWORD, STEPS, USER, WITHOUT_TLS, features, honest,
                       sasl_failure)
from fake_xmpp_hostile import (answer_auth, answer_response, drip, hang_up, last_words,
                               proceed_with, silent)
from jabber_pair import HOST
from jabberfiles import Tool
from records import wait_until

LOGIN_SECONDS = 30
BIND_NS = "urn:ietf:params:xml:ns:xmpp-bind"
JID = f"{USER}@{HOST}"
REFUSED, UNAVAILABLE, INTERRUPTED = 4, 6, 130


@pytest.fixture
def tool(env, tmp_path):
    """The tool of the user that the fake servers know, with a file to send."""
    # libstrophe 0.12 does not free what it has computed for SCRAM if the login breaks off.
    known = tmp_path / "known-leaks"
    known.write_text("leak:libstrophe.so\n", encoding="ascii")
    made = Tool(env, tmp_path / "home", JABBERFILES_JID=JID, JABBERFILES_PASSWORD=PASSWORD,
                LSAN_OPTIONS=f"suppressions={known}:print_suppressions=0")
    (made.home / "a.txt").write_text("content\n", encoding="ascii")
    return made


SEND = ("send", "a.txt", f"bob@{HOST}")


def connect(port, ca, *more):
    return (*SEND, "--connect", f"127.0.0.1:{port}", "--ca", ca, *more)


@pytest.fixture
def fake(fake_server, authority):
    """Starts a server that follows a script; returns it and the command that meets it."""
    def start(script, *more, **options):
        server = fake_server(script, **options)
        return server, connect(server.port, authority.ca, *more)

    return start


def bind(visit):
    """The end of a login: a new stream and a resource."""
    visit.hear(rb"<stream:stream\b[^>]*>")
    visit.send(HEADER.format(domain=visit.server.domain))
    visit.send(features(f"<bind xmlns='{BIND_NS}'/>"))
    number = visit.hear(rb"<iq\b[^>]*\bid=.([^\"']*).[^>]*>.*?</iq>").group(1).decode()
    visit.send(f"<iq type='result' id='{number}'><bind xmlns='{BIND_NS}'>"
               f"<jid>{JID}/tool</jid></bind></iq>")


def online(*scenes):
    """A script: an honest login, and then what `scenes` do."""
    def success(visit):
        STEPS["success"](visit)
        bind(visit)
        for scene in scenes:
            scene(visit)

    return honest(success=success)


def hear_query(visit, what):
    """Waits for an iq about `what`; returns its id."""
    return visit.hear(rb"<iq\b(?=[^>]*\bid=.([^\"']*))[^>]*><[^>]*" + what + rb"[^>]*>") \
        .group(1).decode()


def answer_items(content="", sender=HOST):
    """Answers the question what the server offers."""
    def scene(visit):
        visit.items_id = getattr(visit, "items_id", None) or hear_query(visit, b"disco#items")
        visit.send(f"<iq type='result' id='{visit.items_id}' from='{sender}' to='{JID}/tool'>"
                   f"<query xmlns='http://jabber.org/protocol/disco#items'>{content}</query></iq>")

    return scene


def answer_info(content=""):
    def scene(visit):
        number = hear_query(visit, b"disco#info")
        visit.send(f"<iq type='result' id='{number}' from='{HOST}' to='{JID}/tool'>"
                   f"<query xmlns='http://jabber.org/protocol/disco#info'>{content}</query></iq>")

    return scene


# Real servers


@pytest.mark.valgrind
def test_wrong_password(pair, tool):
    user = pair.new_user()
    variables = {**pair.variables(user), "JABBERFILES_PASSWORD": "not it"}
    text = tool.complaint(*SEND, *pair.options, code=REFUSED, env=variables)
    assert f"the login of {user.jid} is refused: wrong password" in text
    assert "jabberfiles login" in text


def test_account_that_does_not_exist(pair, tool):
    text = tool.complaint(*SEND, *pair.options, code=REFUSED)
    assert "no such account" in text


def test_authority_that_is_not_trusted(pair, tool, stranger):
    for options in (("--ca", stranger.ca), ()):
        text = tool.complaint(*SEND, *pair.options[:2], *options, code=REFUSED,
                              env=pair.variables(pair.new_user()))
        assert f"for {HOST} is not trusted: " in text and "--ca FILE" in text


def test_domain_that_is_not_served(pair, tool):
    text = tool.complaint(*SEND, *pair.options, code=UNAVAILABLE,
                          env={"JABBERFILES_JID": "user@elsewhere.example"})
    assert "the server does not serve the domain" in text


@pytest.mark.parametrize("port, options", [("c2s", ()), ("direct", ("--direct-tls",))])
def test_all_addresses_of_a_host_are_tried(pair, tool, port, options):
    """localhost is [::1] first, where nobody listens."""
    user = pair.new_user()
    place = f"localhost:{pair.xmpp.ports[port]}"
    tool.run(*SEND, "--connect", place, *pair.options[2:], *options, env=pair.variables(user))
    assert ("accepted", user.jid) in pair.xmpp.events(0)


def test_nothing_of_a_login_is_told_to_others(pair, tool):
    """The password and what was said are in no output, also if the login fails."""
    user = pair.new_user()
    for password in (user.password, user.password + "!"):
        done = tool.run(*SEND, *pair.options,
                        env={**pair.variables(user), "JABBERFILES_PASSWORD": password})
        assert user.password not in done.out + done.err
        assert "<" not in done.err


# Servers that cannot be reached


def test_server_that_is_down(tool, authority):
    text = tool.complaint(*connect(1, authority.ca), code=UNAVAILABLE)
    assert "cannot be reached at 127.0.0.1 port 1: Connection refused; is --connect right?" in text


def test_server_that_is_nowhere(tool, authority):
    text = tool.complaint(*SEND, "--connect", "nowhere.invalid:5222", code=UNAVAILABLE)
    assert "no such host" in text
    text = tool.complaint(*SEND, code=UNAVAILABLE,
                          env={"JABBERFILES_JID": "user@nowhere.invalid"})
    assert "cannot be found" in text and "--connect HOST:PORT" in text


# So many open files that a new one has a number that select(2) cannot take.
WITH_MANY_FILES = """ulimit -n 4096
for ((number = 3; number < 1100; number++)); do eval "exec $number</dev/null"; done
exec "$@"
"""


def test_too_many_inherited_files(fake, tool):
    _, command = fake(honest())
    done = subprocess.run(["bash", "-c", WITH_MANY_FILES, "bash", *tool.command(command)],
                          env=tool.variables, cwd=tool.home, stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=tool.seconds, check=False)
    assert done.returncode == 1 and b"too many open files" in done.stderr, done


# Certificates


@pytest.mark.valgrind
def test_certificate_for_another_name(fake, tool, authority):
    """--connect says where to go, not whom to trust."""
    for pair in (authority.issue("other.example"), authority.issue("127.0.0.1")):
        server, command = fake(honest(), pair=pair)
        text = tool.complaint(*command, code=REFUSED)
        assert f"for {HOST} is not trusted: it is for another name" in text
        assert server.heard and not server.has_heard_password()


def test_certificate_that_has_expired(fake, tool, authority):
    _, command = fake(honest(), pair=authority.issue_expired(HOST))
    assert "certificate has expired" in tool.complaint(*command, code=REFUSED)


def test_certificate_that_nobody_vouches_for(fake, tool, authority):
    _, command = fake(honest(), pair=authority.self_signed(HOST))
    assert "self-signed certificate" in tool.complaint(*command, code=REFUSED)


def test_certificate_with_direct_tls(fake, tool, authority):
    pair = authority.issue("other.example")
    server, command = fake(honest(DIRECT_TLS), "--direct-tls", pair=pair)
    assert "it is for another name" in tool.complaint(*command, code=REFUSED)
    assert not server.has_heard_password()


def test_authority_that_cannot_be_read(fake_server, tool):
    server = fake_server(honest())
    for name in ("missing.pem", "a.txt"):
        done = tool.run(*connect(server.port, tool.home / name))
        assert done.code in (1, 2, REFUSED) and name in done.err, done
        assert not server.has_heard_password()


# Servers that want the password in clear


def test_without_tls_no_password_is_sent(fake, tool):
    server, command = fake(honest(WITHOUT_TLS, offered=("PLAIN",)))
    text = tool.complaint(*command, code=REFUSED)
    assert "offers no encryption (STARTTLS), so the password is not sent" in text
    assert b"<auth" not in server.heard


def test_refused_tls(fake, tool):
    refusal = "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
    server, command = fake(honest(proceed=last_words(refusal)))
    assert "offers no encryption" in tool.complaint(*command, code=REFUSED)
    assert b"<auth" not in server.heard


def test_what_is_said_before_tls_does_not_count(fake, tool):
    """Features that somebody has put behind <proceed/> are not those of the server."""
    injected = features("<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>"
                        "<mechanism>PLAIN</mechanism></mechanisms>")
    server, command = fake(honest(proceed=proceed_with(injected), offer=silent))
    with tool.start(*command) as running:
        wait_until(lambda: b"<stream:stream" in b"".join(visit.in_tls for visit in server.visits),
                   20, "no stream in TLS")
        running.stop()
    assert not server.has_heard_password()


# What is said about logins


def test_server_without_a_usable_mechanism(fake, tool):
    _, command = fake(honest(offered=("GSSAPI", "X-OAUTH2")))
    assert "offers no way to log in that this tool knows" in tool.complaint(*command, code=REFUSED)


@pytest.mark.parametrize("condition, code, words", [
    ("not-authorized", REFUSED, "wrong password"),
    ("account-disabled", REFUSED, "the account is disabled"),
    ("credentials-expired", REFUSED, "the password has expired"),
    ("temporary-auth-failure", UNAVAILABLE, "cannot check passwords now"),
    ("nonsense", REFUSED, "does not say why"),
    (None, REFUSED, "does not say why"),
])
def test_reasons_of_refusals(fake, tool, condition, code, words):
    script = honest(offered=("SCRAM-SHA-256",), challenge=answer_auth(sasl_failure(condition)))
    _, command = fake(script)
    assert words in tool.complaint(*command, code=code)


@pytest.mark.parametrize("condition, words", [
    ("policy-violation", "against the rules of the server"),
    ("system-shutdown", "the server shuts down"),
    ("see-other-host", "--connect HOST:PORT"),
    ("nonsense", "ends the connection"),
])
def test_errors_of_streams(fake, tool, condition, words):
    error = f"<stream:error><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>" \
        "<text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>said\x0aso &#x9b;31m</text>" \
        "</stream:error></stream:stream>"
    _, command = fake(honest(offer=last_words(error)))
    text = tool.complaint(*command, code=UNAVAILABLE)
    assert words in text and "(the server says: said so" in text
    assert "\x9b" not in text and text.count("\n") == 1


@pytest.mark.parametrize("step", STEPS)
def test_server_that_hangs_up(fake, tool, step):
    _, command = fake(honest(**{step: hang_up}))
    text = tool.complaint(*command, code=UNAVAILABLE)
    assert "has ended the connection during the login" in text


# Servers that are silent: some of the time limits are libstrophe's own.

SILENT = {**{step: honest(**{step: silent}) for step in STEPS}, "drip": honest(greet=drip),
          "answer": honest(success=answer_response()), "after login": online(silent)}


def test_silent_servers_are_given_up(fake, tool):
    commands = {name: fake(script) for name, script in SILENT.items()}
    commands["direct"] = fake(honest(DIRECT_TLS, connect=silent), "--direct-tls")
    began = time.monotonic()
    running = {name: tool.start(*command) for name, (_, command) in commands.items()}
    for name, each in running.items():
        with each:
            done = each.finish()
        assert (done.code, done.stdout) == (UNAVAILABLE, b""), (name, done)
        assert re.search("within 30 seconds|does not answer as a Jabber server|has ended the conn",
                         done.err), (name, done)
    assert time.monotonic() - began < 2 * LOGIN_SECONDS
    assert "has not answered within 30 seconds" in running["after login"].err
    assert "has not finished the login" in running["handshake"].err


@pytest.mark.parametrize("step", ["connect", "handshake", "challenge"])
def test_an_interruption_ends_a_login_at_once(fake, tool, step):
    server, command = fake(honest(**{step: silent}))
    with tool.start(*command) as running:
        words = {"connect": b"<stream:stream", "handshake": b"<starttls", "challenge": b"<auth"}
        wait_until(lambda: words[step] in server.heard, 20, "the login does not begin")
        began = time.monotonic()
        assert running.stop().code == INTERRUPTED
    assert time.monotonic() - began < LOGIN_SECONDS / 2


# What others ask of us


def ask(iq):
    def scene(visit):
        visit.send(iq)

    return scene


def hear_answer(number, **parts):
    """Waits for the answer to an iq and keeps it."""
    def scene(visit):
        match = visit.hear(rb"<iq\b(?=[^>]*\bid=.%b[\"'])[^>]*(?:/>|>.*?</iq>)" % number.encode())
        visit.server.answers[number] = match.group().decode()

    return scene


def iq(number, content="", kind="get", sender="eve@example.com/there"):
    return f"<iq type='{kind}' id='{number}' from='{sender}' to='{JID}/tool'>{content}</iq>"


@pytest.mark.valgrind
def test_requests_of_others_are_answered(fake, tool):
    info = "<query xmlns='http://jabber.org/protocol/disco#info' node='n'/>"
    questions = {"ping": iq("ping", "<ping xmlns='urn:xmpp:ping'/>"),
                 "info": iq("info", info), "strange": iq("strange", "<query xmlns='nothing'/>"),
                 "set": iq("set", "<query xmlns='jabber:iq:roster'/>", "set"),
                 "empty": iq("empty")}
    scenes = [scene for number, text in questions.items()
              for scene in (ask(text), hear_answer(number))]
    server, command = fake(online(*scenes, hang_up))
    server.answers = {}
    tool.complaint(*command, code=UNAVAILABLE)
    answers = server.answers
    assert re.fullmatch(r"<iq\b[^>]*type=\"result\"[^>]*/>", answers["ping"])
    assert 'to="eve@example.com/there"' in answers["ping"]
    for part in ('type="result"', 'node="n"', 'category="client"', 'type="console"',
                 'var="jabber:x:oob"', 'var="urn:xmpp:ping"',
                 'var="http://jabber.org/protocol/disco#info"'):
        assert part in answers["info"]
    assert "jabber:iq:oob" not in answers["info"] and "jingle" not in answers["info"]
    for number in ("strange", "set", "empty"):
        assert 'type="error"' in answers[number] and "<service-unavailable" in answers[number]


def test_answers_are_never_answered(fake, tool):
    """Two that answer each other's errors would never end."""
    answers = [iq(f"n{kind}", "<error/>", kind) for kind in ("error", "result", "nonsense")]
    end = iq("end", "<ping xmlns='urn:xmpp:ping'/>")
    server, command = fake(online(*map(ask, answers), ask(end.replace("id='end'", "")), ask(end),
                                  hear_answer("end"), hang_up))
    server.answers = {}
    tool.complaint(*command, code=UNAVAILABLE)
    assert server.answers and not re.search(rb"id=.n(error|result|nonsense)", server.heard)
    assert server.heard.count(b'type="result"') == 1


def test_no_presence_is_sent(fake, tool):
    server, command = fake(online(answer_items(), hang_up))
    tool.complaint(*command, code=UNAVAILABLE)
    assert b"<presence" not in server.heard


def test_only_who_was_asked_can_answer(fake, tool):
    item = "<item jid='evil.example'/>"
    wrong = [answer_items(item, sender) for sender in ("evil.example", f"eve@{HOST}", "")]
    server, command = fake(online(*wrong[:2], answer_items(), answer_info()))
    text = tool.complaint(*command, code=2)
    assert f"the Jabber server of {JID} offers no upload service" in text
    assert b"evil.example" not in server.heard


def test_our_own_server_may_leave_out_its_name(fake, tool):
    def nameless(visit):
        number = hear_query(visit, b"disco#items")
        visit.send(f"<iq type='result' id='{number}'>"
                   "<query xmlns='http://jabber.org/protocol/disco#items'/></iq>")

    _, command = fake(online(nameless, answer_info()))
    assert "offers no upload service" in tool.complaint(*command, code=2)


def test_a_connection_that_is_lost(fake, tool):
    conflict = "<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>" \
        "</stream:error></stream:stream>"
    for scene, words in ((hang_up, "is lost"), (last_words(conflict), "another login")):
        _, command = fake(online(scene))
        text = tool.complaint(*command, code=UNAVAILABLE)
        assert "the connection to the Jabber server" in text and words in text
