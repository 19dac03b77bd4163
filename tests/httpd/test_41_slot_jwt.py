"""JSON Web Tokens of Prosody's mod_http_file_share: which claims are right, and what is none."""

import base64
import time

import pytest

from slots import (JWT_HEADER, OCTETS, assert_refused_before_its_body, base64url, claims_of, grant,
                   jwt_part, new_slot, nothing_changes, sign_jwt, signed, site_with_slots)

CONTENT = b"0123456789"
SIZE_BYTES = len(CONTENT)


@pytest.fixture(scope="module")
def site(work_dir):
    return site_with_slots(work_dir, domains=("example.org", "münchen.example"))


# Claims


def wrong_claims():
    now = int(time.time())
    return {
        "exp": (now - 1, now, 0, -1, now - 10**6, "soon", str(now + 300), now + 300.5, None, ...,
                True, [now + 300], 2**63, 10**30),
        "sub": ("mallory@evil.example", "juliet@sub.example.org", "example.org", "juliet", "",
                "juliet@example.org/phone", "@example.org", "juliet@", "juliet@example.org@", 5,
                None, ..., ["juliet@example.org"], "juliet@example.org\0", "a b@example.org"),
        "slot": ("other", "", 5, None, ..., "Photo.jpg"),
        "filename": ("other.jpg", "photo%2Ejpg", "Photo.jpg", "", "photo.jpg\0", 5, None, ...),
        "filesize": ("10", 10.0, 10.5, -10, None, ..., True, 2**64 + 10),
        "filetype": (5, None, ["image/jpeg"], "image/png"),
        "expires": ("never", now - 1, 0, -1, now + 0.5, None, True),
    }


@pytest.mark.parametrize("claim", wrong_claims())
def test_wrong_claim_is_refused(server, nobody, claim):
    slot = grant("jwt", SIZE_BYTES)
    with nothing_changes(server):
        for value in wrong_claims()[claim]:
            answer = signed(slot, "jwt", **{claim: value}).put(nobody, CONTENT)
            assert answer.status == 403, value
    assert slot.put(nobody, CONTENT).status == 201


@pytest.mark.parametrize("filesize", [0, 1, SIZE_BYTES - 1, SIZE_BYTES + 1, 2**62])
def test_jwt_for_another_size_is_400(server, nobody, filesize):
    slot = grant("jwt", SIZE_BYTES)
    with nothing_changes(server):
        wrong = signed(slot, "jwt", filesize=filesize)
        assert wrong.put(nobody, CONTENT).status == 400
        assert_refused_before_its_body(server, wrong, 400)
    assert slot.put(nobody, CONTENT).status == 201


@pytest.mark.parametrize("claims", [
    {"sub": "Juliet@EXAMPLE.org"}, {"sub": "juliet@xn--mnchen-3ya.example"}, {"iat": ...},
    {"iat": "whenever"}, {"nick": "jules", "more": {"a": [1, 2]}}, {"exp": 2**40},
    {"filetype": ...}], ids=repr)
def test_claims_that_are_right(nobody, claims):
    slot = signed(new_slot(SIZE_BYTES, content_type=OCTETS), "jwt", **claims)
    assert slot.put(nobody, CONTENT).status == 201


def test_user_of_a_jwt_is_prepared(nobody, owner):
    slot = grant("jwt", SIZE_BYTES, jid=owner.jid.upper())
    assert slot.put(nobody, CONTENT).status == 201
    assert owner.used_bytes() == SIZE_BYTES


def test_bytes_of_the_claims_order_and_spaces_are_free(nobody):
    slot = new_slot(SIZE_BYTES)
    for number, text in enumerate((
            '{ "exp" : %(exp)d ,\n"filename":"\\u0070hoto.jpg","slot":"%(slot)s","filesize":10,'
            '"sub":"juliet@example.org","filetype":"image/jpeg"}',
            '{"filetype":"image/jpeg","sub":"juliet@example.org","filesize":10,"exp":%(exp)d,'
            '"slot":"%(slot)s","filename":"photo.jpg"}')):
        slot = slot.but(random=f"{slot.random}{number}")
        claims = text % {"exp": time.time() + 300, "slot": slot.random}
        slot = slot.but(authorization="Bearer " + sign_jwt(claims))
        assert slot.put(nobody, CONTENT).status == 201


# Other algorithms, and what is no JWT at all


def alien_jwts(slot):
    """Tokens that a careless verifier might take, by name."""
    claims = claims_of(slot)
    right = sign_jwt(claims)
    header, payload, signature = right.split(".")
    unsigned = jwt_part({"alg": "none", "typ": "JWT"})
    padded = base64.urlsafe_b64encode(base64.urlsafe_b64decode(signature + "=")).decode()
    headers = ({"alg": "none"}, {"alg": "None", "typ": "JWT"}, {"alg": "HS512", "typ": "JWT"},
               {"alg": "RS256", "typ": "JWT"}, {"alg": "hs256", "typ": "JWT"}, {"typ": "JWT"},
               {"alg": ["HS256"], "typ": "JWT"}, {"alg": None}, {"alg": "HS256 "}, {},
               '{"alg":"HS256\\u0000"}', '{"alg":"none","alg":"HS256"}', '["HS256"]', '"HS256"',
               {"alg": "HS256", "typ": "JWT", "crit": ["b64"], "b64": False})
    return {
        **{f"header {value}": sign_jwt(claims, header=value) for value in headers},
        "HS512": sign_jwt(claims, header={"alg": "HS512", "typ": "JWT"}, digest="sha512"),
        "HS256 signed with SHA-512": sign_jwt(claims, digest="sha512"),
        "HS256 signed with SHA-1": sign_jwt(claims, digest="sha1"),
        "none, no signature": f"{unsigned}.{payload}.",
        "none, two parts": f"{unsigned}.{payload}",
        "no signature": f"{header}.{payload}.",
        "two parts": f"{header}.{payload}",
        "four parts": f"{right}.{signature}",
        "empty": "",
        "dots": "..",
        "truncated": right[:-1],
        "longer": right + "A",
        "padded": f"{header}.{payload}.{padded}",
        "other last digit": right[:-1] + ("A" if right[-1] != "A" else "B"),
        "other first digit": f"{header}.{payload}.A{signature[1:]}" if signature[0] != "A"
                             else f"{header}.{payload}.B{signature[1:]}",
        "signature of another": f"{header}.{payload}.{sign_jwt({'a': 1}).split('.')[2]}",
        "other payload": f"{header}.{jwt_part({**claims, 'iat': 5})}.{signature}",
        "signature in hex": f"{header}.{payload}."
                            + base64.urlsafe_b64decode(signature + "=").hex(),
        "payload is a list": sign_jwt("[1]"),
        "payload is a string": sign_jwt('"claims"'),
        "payload is empty": sign_jwt(""),
        "payload is no JSON": sign_jwt("{"),
        "payload is no UTF-8": sign_jwt('{"sub":"\udcff"}'),
        "payload is deep": sign_jwt("[" * 5000),
        "twice": f"{right} {right}",
        "comma": f"{right}, {right}",
        "other secret": sign_jwt(claims, b"another secret"),
        "empty secret": sign_jwt(claims, b""),
        "header as JSON": f"{JWT_HEADER}.{payload}.{signature}".replace(" ", ""),
        "standard base64": sign_jwt('{"??>>~~":"' + "?>~" * 3 + '"}').replace("_", "/"),
        "garbage": base64url(bytes(range(200))),
    }


@pytest.mark.parametrize("name", alien_jwts(new_slot(SIZE_BYTES)))
def test_alien_jwt_is_refused(server, nobody, name):
    slot = new_slot(SIZE_BYTES)
    with nothing_changes(server):
        answer = slot.but(authorization=f"Bearer {alien_jwts(slot)[name]}").put(nobody, CONTENT)
        assert answer.status == 403
    assert signed(slot, "jwt").put(nobody, CONTENT).status == 201


def test_scheme_of_the_login_has_any_case(nobody):
    slot = grant("jwt", SIZE_BYTES)
    for scheme in ("bearer", "BEARER", "Bearer "):
        fresh = grant("jwt", SIZE_BYTES)
        answer = fresh.put(nobody, CONTENT,
                           Authorization=fresh.authorization.replace("Bearer", scheme))
        assert answer.status == 201
    assert slot.put(nobody, CONTENT, Authorization="Bearer").status == 403


def test_jwt_is_not_looked_for_in_the_query(nobody):
    slot = grant("jwt", SIZE_BYTES)
    token = slot.authorization.partition(" ")[2]
    for parameter in ("token", "access_token", "v2", "v"):
        answer = slot.but(authorization="", query=f"{parameter}={token}").put(nobody, CONTENT)
        assert answer.status in (401, 403)
    assert slot.put(nobody, CONTENT).status == 201
