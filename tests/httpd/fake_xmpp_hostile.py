"""What a hostile or broken Jabber server may do to jabberfilesd, and what must come of it."""

import dataclasses
import itertools
import ssl
import time

import fake_xmpp
from fake_xmpp import (DIRECT_TLS, HEADER, PROCEED, SASL_NS, STARTTLS, STEPS,
                       WITHOUT_TLS, Over, Script, b64, features, honest, mechanisms, sasl,
                       sasl_failure, server_context)

FLOOD_BYTES_MAX = 64 << 20


@dataclasses.dataclass(frozen=True)
class Case:
    """A script, the words that jabberfilesd may say about a right password, and how it is told
    to reach the server. `certificate` names one of the test's, `tune` makes another TLS context."""

    script: Script
    verdicts: tuple = ("unavailable",)
    tls: str = "starttls"
    certificate: str = "good"
    tune: object = None


# Things to do instead of a step


def silent(visit):
    visit.listen_to_the_end()
    raise Over


def hang_up(visit):
    visit.close()
    raise Over


def say(*texts):
    """Says something and goes on with the next step."""
    def step(visit):
        for text in texts:
            visit.send(text)

    return step


def last_words(*texts):
    """Says something and nothing more."""
    def step(visit):
        say(*texts)(visit)
        silent(visit)

    return step


def proceed_with(injected):
    """Lets TLS begin, with something behind <proceed/> that an attacker could have put there."""
    def step(visit):
        visit.hear(rb"<starttls\b[^>]*>")
        visit.send(PROCEED + injected)

    return step


def drip(visit):
    """One byte a second: something always moves."""
    for byte in itertools.cycle(HEADER.format(domain=visit.server.domain).encode()):
        visit.send(bytes([byte]))
        time.sleep(1)


def flood(begin, block):
    """Says `begin` and then `block` again and again, until the client has enough."""
    block *= max(1, 65536 // len(block))

    def step(visit):
        visit.send(begin)
        while visit.sent_bytes < FLOOD_BYTES_MAX:
            visit.send(block)
        silent(visit)

    return step


def flood_of_names(visit):
    """A stream header that declares namespaces until the client has enough."""
    visit.send("<?xml version='1.0'?><stream:stream")
    for number in itertools.count():
        visit.send("".join(f" xmlns:n{number}x{more}='u'" for more in range(2000)))
        if visit.sent_bytes > FLOOD_BYTES_MAX:
            silent(visit)


def challenge_with(text):
    """Answers <auth/> with a challenge made by `text(scram)`."""
    def step(visit):
        fake_xmpp.hear_auth(visit)
        visit.send(sasl("challenge", text(visit.scram)))

    return step


def first_message(template):
    """A server-first message; {nonce} is the client's, {salt} a good salt."""
    return challenge_with(lambda scram: b64(template.format(nonce=scram.client_nonce,
                                                            salt=b64(fake_xmpp.SALT))))


def answer_auth(*texts):
    """Answers <auth/> with something that is no challenge."""
    def step(visit):
        visit.hear(rb"</auth>")
        for text in texts:
            visit.send(text)
        silent(visit)

    return step


def answer_response(*texts):
    def step(visit):
        visit.hear(rb"</response>")
        for text in texts:
            visit.send(text)
        silent(visit)

    return step


def endless_challenges(visit):
    while True:
        visit.hear(rb"</response>|<response\b[^>]*/>")
        visit.send(sasl("challenge", b64(visit.scram.first())))


# Names of cases are labels of the host names the servers are known by.

SILENT = {f"silent-at-{step.replace('_', '-')}": Case(honest(**{step: silent})) for step in STEPS}
SILENT["drip"] = Case(honest(greet=drip))
SILENT["silent-direct"] = Case(honest(DIRECT_TLS, connect=silent), tls="direct")
SILENT["endless-challenges"] = Case(honest(success=endless_challenges))

CLOSING = {f"closes-at-{step.replace('_', '-')}": Case(honest(**{step: hang_up}))
           for step in STEPS}

_FEATURES = "<stream:features><mechanisms xmlns='" + SASL_NS + "'>"
FLOODS = {
    "endless-features": Case(honest(offer=flood(_FEATURES, b"<mechanism>X</mechanism>"))),
    "endless-features-in-clear": Case(honest(offer_tls=flood(_FEATURES,
                                                             b"<mechanism>X</mechanism>"))),
    "huge-text": Case(honest(offer=flood(_FEATURES + "<mechanism>", b"A"))),
    "huge-attribute": Case(honest(offer=flood("<stream:features a='", b"A"))),
    "huge-name": Case(honest(offer=flood("<", b"a"))),
    "huge-header": Case(honest(greet=flood("<?xml version='1.0'?><stream:stream a='", b"a"))),
    "many-attributes": Case(honest(offer=flood("<stream:features ", b"a='b' "))),
    "many-namespaces": Case(honest(greet=flood_of_names)),
    "deep-nesting": Case(honest(offer=flood("<stream:features>", b"<a>"))),
    "endless-stanzas": Case(honest(offer=flood("", b"<message><body>hi</body></message>"))),
    "endless-spaces": Case(honest(offer=flood("", b" "))),
    "huge-challenge": Case(honest(challenge=flood(f"<challenge xmlns='{SASL_NS}'>", b"QUFB"))),
}


def _billion_laughs():
    entities = "<!ENTITY a0 'ha'>" + "".join(
        f"<!ENTITY a{level} '{f'&a{level - 1};' * 10}'>" for level in range(1, 11))
    return f"<?xml version='1.0'?><!DOCTYPE x [{entities}]>"


_HEADER = HEADER.format(domain="example.org")
_BARE_HEADER = _HEADER.partition("?>")[2]
FORBIDDEN_XML = {
    "entity-bomb": Case(honest(greet=say(_billion_laughs() + _BARE_HEADER),
                               offer_tls=say("<stream:features>&a10;</stream:features>"))),
    "doctype": Case(honest(greet=say("<?xml version='1.0'?><!DOCTYPE x>" + _BARE_HEADER))),
    "external-entity": Case(honest(greet=say(
        "<?xml version='1.0'?><!DOCTYPE x [<!ENTITY f SYSTEM 'file:///etc/passwd'>]>"
        + _BARE_HEADER), offer_tls=say(features(STARTTLS, "&f;")))),
    "undeclared-entity": Case(honest(offer=say(features("&nbsp;",
                                                        mechanisms("SCRAM-SHA-256"))))),
    "processing-instruction": Case(honest(offer=say("<?php evil ?>" + features(
        mechanisms("SCRAM-SHA-256"))))),
    "comment": Case(honest(offer=say("<!-- hidden -->" + features(mechanisms("SCRAM-SHA-256"))))),
    "not-well-formed": Case(honest(offer=say("<stream:features><a></b></stream:features>"))),
    "not-utf-8": Case(honest(offer=say(b"<stream:features>\xff\xfe</stream:features>"))),
    "nul-byte": Case(honest(offer=say(b"<stream:features>\0</stream:features>"))),
    "utf-16": Case(honest(greet=last_words(_HEADER.encode("utf-16")))),
    "no-xml-at-all": Case(honest(connect=last_words("SSH-2.0-OpenSSH_9.2p1 Debian\r\n"))),
    "http-server": Case(honest(greet=last_words("HTTP/1.1 400 Bad Request\r\n\r\n"))),
    "wrong-root": Case(honest(greet=say("<?xml version='1.0'?><html>"))),
    "wrong-root-namespace": Case(honest(greet=say(_HEADER.replace("etherx", "other")))),
    "stream-closed": Case(honest(offer=last_words("</stream:stream>"))),
}


def stream_error(condition, text=""):
    namespace = "urn:ietf:params:xml:ns:xmpp-streams"
    return f"<stream:error><{condition} xmlns='{namespace}'>{text}</{condition}></stream:error>"


STREAM_TROUBLE = {
    "host-unknown": Case(honest(offer_tls=last_words(stream_error("host-unknown")))),
    "stream-error-for-auth": Case(honest(challenge=answer_auth(
        stream_error("policy-violation")))),
    "success-before-auth": Case(honest(offer=last_words(sasl("success")))),
    "features-without-tls": Case(honest(offer_tls=last_words(features()))),
    "proceed-not-asked-for": Case(honest(offer_tls=last_words(PROCEED))),
}

# Only in the clear; the password must never be seen, whatever is offered.
IN_CLEAR = {
    "tls-not-offered": Case(honest(offer_tls=last_words(features(
        mechanisms("SCRAM-SHA-256", "PLAIN"))))),
    "plain-in-clear-only": Case(honest(offer_tls=last_words(features(mechanisms("PLAIN"))))),
    "starttls-refused": Case(honest(proceed=last_words(f"<failure xmlns='{fake_xmpp.TLS_NS}'/>"
                                                       "</stream:stream>"))),
    "success-instead-of-tls": Case(honest(proceed=last_words(sasl("success")))),
    "plain-without-tls": Case(honest(WITHOUT_TLS, ("PLAIN",)), tls="off"),
    "plain-before-tls": Case(honest(offer_tls=say(features(STARTTLS, mechanisms("PLAIN")))),
                             ("accepted",)),
    "injected-after-proceed": Case(honest(
        proceed=proceed_with(sasl("success")), greet_again=silent)),
    "injected-stream-after-proceed": Case(honest(
        proceed=proceed_with(_HEADER + features(mechanisms("PLAIN")) + sasl("success")),
        offer=silent)),
}


def _only(version, ciphers="DEFAULT@SECLEVEL=0"):
    return lambda pair: server_context(pair, version, ciphers)


TLS = {
    "tls-1-1": Case(honest(), tune=_only(ssl.TLSVersion.TLSv1_1)),
    "tls-1-0": Case(honest(), tune=_only(ssl.TLSVersion.TLSv1)),
    "tls-1-2": Case(honest(), ("accepted",), tune=_only(ssl.TLSVersion.TLSv1_2, "DEFAULT")),
    "tls-1-3": Case(honest(), ("accepted",), tune=_only(ssl.TLSVersion.TLSv1_3, None)),
    "anonymous-cipher": Case(honest(), tune=_only(ssl.TLSVersion.TLSv1_2, "aNULL@SECLEVEL=0")),
    "null-cipher": Case(honest(), tune=_only(ssl.TLSVersion.TLSv1_2, "eNULL@SECLEVEL=0")),
    "garbage-for-handshake": Case(honest(handshake=last_words(b"\x16\x03\x01garbage" * 50))),
    "expired": Case(honest(), certificate="expired"),
    "self-signed": Case(honest(), certificate="self-signed"),
    "stranger": Case(honest(), certificate="stranger"),
    "wrong-name": Case(honest(), certificate="wrong-name"),
    "name-one-level-up": Case(honest(), certificate="one-level-up"),
    "wildcard": Case(honest(), ("accepted",), certificate="wildcard"),
    "wildcard-too-wide": Case(honest(), certificate="too-wide"),
    "direct": Case(honest(DIRECT_TLS), ("accepted",), tls="direct"),
    "direct-expired": Case(honest(DIRECT_TLS), tls="direct", certificate="expired"),
    "direct-wrong-name": Case(honest(DIRECT_TLS), tls="direct", certificate="wrong-name"),
    "direct-to-starttls": Case(honest(), tls="direct"),
    "starttls-to-direct": Case(honest(DIRECT_TLS)),
    "scram-without-tls": Case(honest(WITHOUT_TLS), ("accepted",), tls="off"),
}

SASL_ANSWERS = {
    "scram": Case(honest(), ("accepted",)),
    "plain-in-tls": Case(honest(offered=("PLAIN",)), ("accepted",)),
    "scram-with-unknown": Case(honest(offered=("X-NEW", "DIGEST-MD5", "SCRAM-SHA-256")),
                               ("accepted",)),
    "unknown-mechanisms": Case(honest(offered=("X-NEW", "DIGEST-MD5", "ANONYMOUS", "EXTERNAL"))),
    "no-mechanism": Case(honest(offered=())),
    "no-mechanisms": Case(honest(offer=last_words(features()))),
    "scram-refused-plain-offered": Case(honest(challenge=answer_auth(
        sasl_failure("not-authorized"))), ("refused",)),
    "sasl-2-continue": Case(honest(success=answer_response(
        "<continue xmlns='urn:xmpp:sasl:2'><tasks><task>TOTP</task></tasks></continue>"))),
    "success-of-sasl-2": Case(honest(success=answer_response(
        "<success xmlns='urn:xmpp:sasl:2'/>"))),
    "failure-with-odd-text": Case(honest(success=answer_response(sasl(
        "failure", "<temporary-auth-failure/><text>a&#10;accepted&#13;&#x202e;&#x85;</text>")))),
    "iq-result": Case(honest(success=answer_response("<iq type='result' id='1'/>"))),
}
for _condition, _verdict in (
        ("not-authorized", "refused"), ("account-disabled", "refused"),
        ("credentials-expired", "refused"), ("temporary-auth-failure", "unavailable"),
        ("encryption-required", "unavailable"), ("mechanism-too-weak", "unavailable"),
        # Prosody's word for a name that it would not give to anybody.
        ("malformed-request", "refused"), ("invalid-mechanism", "unavailable"),
        ("incorrect-encoding", "unavailable"), ("aborted", "unavailable"),
        ("made-up", "unavailable"), ("", "unavailable")):
    SASL_ANSWERS[f"failure-{_condition or 'empty'}"] = Case(
        honest(success=answer_response(sasl_failure(_condition))), (_verdict,))

_GOOD_FIRST = "r={nonce}server,s={salt},i=4096"
SCRAM_TROUBLE = {
    "success-at-once": Case(honest(challenge=answer_auth(sasl("success")))),
    "success-at-once-with-text": Case(honest(challenge=answer_auth(
        sasl("success", b64("v=AAAA"))))),
    "no-proof": Case(honest(success=answer_response(sasl("success")))),
    "no-proof-but-equals-sign": Case(honest(success=answer_response(sasl("success", "=")))),
    "wrong-proof": Case(honest(success=answer_response(sasl("success", b64(
        "v=" + b64(bytes(32))))))),
    "short-proof": Case(honest(success=answer_response(sasl("success", b64("v=AAAA"))))),
    "error-for-proof": Case(honest(success=answer_response(
        sasl("success", b64("e=invalid-proof"))))),
    "error-in-challenge": Case(honest(success=answer_response(
        sasl("challenge", b64("e=other-error"))))),
    "nonce-not-ours": Case(honest(challenge=first_message("r=abcdefghij{salt},s={salt},i=4096"))),
    "nonce-missing": Case(honest(challenge=first_message("s={salt},i=4096"))),
    "extension": Case(honest(challenge=first_message("m=important," + _GOOD_FIRST))),
    "one-iteration": Case(honest(challenge=first_message("r={nonce}server,s={salt},i=1"))),
    "billion-iterations": Case(honest(challenge=first_message(
        "r={nonce}server,s={salt},i=1000000000"))),
    "iterations-overflow": Case(honest(challenge=first_message(
        "r={nonce}server,s={salt},i=4294971392"))),
    "iterations-negative": Case(honest(challenge=first_message(
        "r={nonce}server,s={salt},i=-4096"))),
    "iterations-no-number": Case(honest(challenge=first_message(
        "r={nonce}server,s={salt},i=4096x"))),
    "iterations-missing": Case(honest(challenge=first_message("r={nonce}server,s={salt}"))),
    "salt-missing": Case(honest(challenge=first_message("r={nonce}server,i=4096"))),
    "salt-empty": Case(honest(challenge=first_message("r={nonce}server,s=,i=4096"))),
    "salt-no-base64": Case(honest(challenge=first_message("r={nonce}server,s=%%%,i=4096"))),
    "salt-huge": Case(honest(challenge=first_message(
        "r={nonce}server,s=" + "QUJD" * 4000 + ",i=4096"))),
    "challenge-no-base64": Case(honest(challenge=challenge_with(lambda _: "!!! no base64 !!!"))),
    "challenge-broken-base64": Case(honest(challenge=challenge_with(lambda _: "QUJDR"))),
    "challenge-empty": Case(honest(challenge=challenge_with(lambda _: ""))),
    "challenge-binary": Case(honest(challenge=challenge_with(lambda _: b64(bytes(range(256)))))),
    "challenge-with-element": Case(honest(challenge=challenge_with(
        lambda scram: "<a>" + b64(scram.first()) + "</a>"))),
}

QUICK = {**CLOSING, **FORBIDDEN_XML, **STREAM_TROUBLE, **IN_CLEAR, **TLS, **SASL_ANSWERS,
         **SCRAM_TROUBLE}
ALL = {**SILENT, **FLOODS, **QUICK}
