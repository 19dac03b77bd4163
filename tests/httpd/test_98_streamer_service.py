"""socketstreamer: what it says as a component: discovery, addresses, activation, refusals."""

import secrets

import pytest

from socks5 import connect, hear, is_quiet, join, stream_hash
from stream_client import DISCO_INFO, DISCO_ITEMS, NS, StreamClient, namespaced
from streamer import COMPONENT, OWN_COMPONENT, TARGET, streamer_starter

pytest_plugins = "streamer_site"

FORBIDDEN = ("auth", "forbidden")
BAD_REQUEST = ("modify", "bad-request")
UNAVAILABLE = ("cancel", "service-unavailable")
ANY_REFUSAL = (BAD_REQUEST, UNAVAILABLE, ("modify", "jid-malformed"), ("cancel", "item-not-found"),
               ("cancel", "feature-not-implemented"))
VERSION_NS, PING_NS = "jabber:iq:version", "urn:xmpp:ping"
ADDRESS_QUERY = f"<query xmlns='{NS}'/>"


# Discovery


@pytest.mark.parametrize("name", ["prosody", "ejabberd"])
def test_server_lists_it(request, env, streamer_program, work_dir, name):
    xmpp = request.getfixturevalue(f"streamer_{name}")
    with streamer_starter(env, streamer_program, work_dir) as start:
        start(xmpp, OWN_COMPONENT)
        with StreamClient(xmpp, xmpp.new_user()) as client:
            items = namespaced(client.ask("example.org", "get", f"<query xmlns='{DISCO_ITEMS}'/>"))
            assert OWN_COMPONENT in [attributes["jid"] for _, attributes in items]
            info = namespaced(client.ask(OWN_COMPONENT, "get", f"<query xmlns='{DISCO_INFO}'/>"))
            assert info[0][0] == "identity"


def test_info(streamer, requester):
    query = requester.ask(COMPONENT, "get", f"<query xmlns='{DISCO_INFO}'/>")
    found = namespaced(query)
    identities = [attributes for name, attributes in found if name == "identity"]
    assert [(one["category"], one["type"]) for one in identities] == [("proxy", "bytestreams")]
    assert identities[0].get("name")
    features = {attributes["var"] for name, attributes in found if name == "feature"}
    assert {NS, DISCO_INFO, VERSION_NS, PING_NS} <= features
    # Datagrams are not offered.
    assert not any(feature.endswith("#udp") for feature in features)


def test_no_items(streamer, requester):
    query = requester.ask(COMPONENT, "get", f"<query xmlns='{DISCO_ITEMS}'/>")
    assert namespaced(query) == []


@pytest.mark.parametrize("namespace", [DISCO_INFO, DISCO_ITEMS])
def test_unknown_node(streamer, requester, namespace):
    question = COMPONENT, "get", f"<query xmlns='{namespace}' node='elsewhere'/>"
    assert requester.refusal(*question) == ("cancel", "item-not-found")


def test_version_and_ping(streamer, requester):
    query = requester.ask(COMPONENT, "get", f"<query xmlns='{VERSION_NS}'/>")
    told = {child.tag: child.text for child in query}
    assert told[f"{{{VERSION_NS}}}name"] == "socketstreamer"
    assert told[f"{{{VERSION_NS}}}version"] == streamer.env.version
    # Who looks for a machine to attack learns nothing of it.
    assert f"{{{VERSION_NS}}}os" not in told
    assert requester.ask(COMPONENT, "get", f"<ping xmlns='{PING_NS}'/>") is None


@pytest.mark.parametrize("kind,content,expected", [
    ("get", "<query xmlns='jabber:iq:last'/>", UNAVAILABLE),
    ("set", "<query xmlns='jabber:iq:register'/>", UNAVAILABLE),
    ("get", "<vCard xmlns='vcard-temp'/>", UNAVAILABLE),
    ("set", f"<ping xmlns='{PING_NS}'/>", None),
    ("set", f"<query xmlns='{DISCO_INFO}'/>", None),
    ("set", f"<query xmlns='{VERSION_NS}'/>", None),
    ("set", f"<query xmlns='{NS}'/>", BAD_REQUEST),
    ("set", f"<query xmlns='{NS}' sid='a'/>", BAD_REQUEST),
    ("set", f"<query xmlns='{NS}' sid='a'><activate/></query>", None),
    ("set", f"<query xmlns='{NS}'><activate>{TARGET}</activate></query>", BAD_REQUEST),
    ("set", f"<query xmlns='{NS}' sid=''><activate>{TARGET}</activate></query>", BAD_REQUEST),
    ("set", f"<query xmlns='{NS}' sid='a'><activate>@@//</activate></query>", None),
    ("set", f"<query xmlns='{NS}' sid='{'a' * 5000}'><activate>{TARGET}</activate></query>", None),
    ("set", f"<query xmlns='{NS}' sid='a'><activate>{TARGET}{'x' * 5000}</activate></query>", None),
    ("set", f"<query xmlns='{NS}' sid='a'><streamhost jid='a' host='127.0.0.1' port='1'/></query>",
     BAD_REQUEST),
    ("set", f"<query xmlns='{NS}' sid='a'><activate xmlns='other'>{TARGET}</activate></query>",
     BAD_REQUEST),
])
def test_other_questions(streamer, requester, kind, content, expected):
    """Where several errors are right, the test does not choose."""
    answer = requester.refusal(COMPONENT, kind, content)
    assert answer in ([expected] if expected else ANY_REFUSAL)


def test_answers_and_errors_are_not_answered(streamer, requester):
    """Nor are messages and presence: nothing to start a loop with."""
    before = len(requester.arrived)
    for kind in ("result", "error"):
        requester.say(f"<iq type='{kind}' id='loop-{kind}' to='{COMPONENT}'>"
                      f"<query xmlns='{NS}'/></iq>")
    requester.say(f"<message to='{COMPONENT}'><body>hello</body></message>")
    requester.say(f"<presence type='subscribe' to='{COMPONENT}'/>")
    assert requester.ask(COMPONENT, "get", f"<ping xmlns='{PING_NS}'/>") is None
    news = [text for text in requester.arrived[before:] if f"from=\"{COMPONENT}\"" in text]
    assert len(news) == 1, news


# Addresses


def test_address_is_where_it_listens(streamer, requester):
    assert requester.addresses(COMPONENT) == [(COMPONENT, *streamer.address())]


def test_every_listener_is_told(start_streamer, new_client, ends):
    streamer = start_streamer(listen=("127.0.0.1", "::1"))
    client = new_client()
    told = client.addresses(OWN_COMPONENT)
    assert told == [(OWN_COMPONENT, *streamer.address(number)) for number in (0, 1)]
    # One client has IPv4, the other one IPv6.
    sid = secrets.token_hex(8)
    name = stream_hash(sid, client.full_jid, TARGET)
    near, far = ends(join(streamer.address(0), name), join(streamer.address(1), name))
    client.activate(OWN_COMPONENT, sid, TARGET)
    near.sendall(b"content")
    assert hear(far, 7) == b"content"


def test_public_addresses_replace_those(start_streamer, new_client):
    streamer = start_streamer("public relay.example.org", "public 192.0.2.7:8000",
                              "public [2001:db8::7]:9000")
    assert new_client().addresses(OWN_COMPONENT) == [
        (OWN_COMPONENT, "relay.example.org", streamer.address()[1]),
        (OWN_COMPONENT, "192.0.2.7", 8000), (OWN_COMPONENT, "2001:db8::7", 9000)]


# Who may


def refused_everywhere(client, streamer, ends):
    """Both at the query and at the activation; a stream that waits stays silent."""
    assert client.refusal(OWN_COMPONENT, "get", ADDRESS_QUERY) == FORBIDDEN
    sid, near, far = client.offer(streamer.address(), TARGET)
    ends(near, far)
    assert client.refusal(*client.activation(OWN_COMPONENT, sid, TARGET)) == FORBIDDEN
    near.sendall(b"content")
    return is_quiet(far, 0.2)


def works(client, streamer, ends):
    assert client.addresses(OWN_COMPONENT)
    near, far = ends(*client.open(OWN_COMPONENT, streamer.address(), TARGET))
    near.sendall(b"content")
    return hear(far, 7) == b"content"


def test_domain_above_is_the_default(start_streamer, new_client, ends):
    streamer = start_streamer()
    assert works(new_client(), streamer, ends)
    assert refused_everywhere(new_client("second.example"), streamer, ends)
    assert streamer.count("refused_total", reason="forbidden") == 2


def test_allow_and_deny(start_streamer, new_client, streamer_prosody, ends):
    own, stranger, banned = new_client(), new_client("second.example"), new_client("second.example")
    streamer = start_streamer(f"allow nobody.example {stranger.boundjid.bare}",
                              f"allow {banned.boundjid.bare}", f"deny {banned.boundjid.bare}")
    assert works(stranger, streamer, ends)
    assert refused_everywhere(own, streamer, ends)
    assert refused_everywhere(banned, streamer, ends)


def test_all_but_one_domain(start_streamer, new_client, ends):
    streamer = start_streamer("allow *", "deny SECOND.example")
    assert works(new_client(), streamer, ends)
    assert refused_everywhere(new_client("second.example"), streamer, ends)


def test_whoever_loses_access_meanwhile_activates_nothing(start_streamer, new_client, ends):
    streamer, client = start_streamer(), new_client()
    assert client.addresses(OWN_COMPONENT)
    sid, near, far = client.offer(streamer.address(), TARGET)
    ends(near, far)
    streamer.reload(f"deny {client.boundjid.bare}")
    assert client.refusal(*client.activation(OWN_COMPONENT, sid, TARGET)) == FORBIDDEN
    near.sendall(b"content")
    assert is_quiet(far, 0.2)


def test_discovery_is_for_everybody(streamer, new_client):
    stranger = new_client("second.example")
    assert stranger.ask(COMPONENT, "get", f"<query xmlns='{DISCO_INFO}'/>") is not None
    assert stranger.refusal(COMPONENT, "get", ADDRESS_QUERY) == FORBIDDEN


# Activation


def test_unknown_stream(streamer, requester):
    question = requester.activation(COMPONENT, "nobody has this", TARGET)
    assert requester.refusal(*question) in (("cancel", "item-not-found"),
                                            ("modify", "item-not-found"))


def test_wrong_activators_and_hashes(streamer, requester, new_client, ends):
    """Another user, another resource, another sid, another target: nobody but the requester."""
    thief = new_client()
    sid, near, far = requester.offer(streamer.address(), TARGET)
    ends(near, far)
    questions = [(thief, sid, TARGET), (thief, sid, requester.full_jid),
                 (requester, sid + "0", TARGET), (requester, sid, "bob@example.org"),
                 (requester, sid, "bob@example.org/other"), (requester, sid, requester.full_jid),
                 (requester, sid, COMPONENT)]
    for client, *question in questions:
        _, condition = client.refusal(*client.activation(COMPONENT, *question))
        assert condition in ("item-not-found", "not-authorized")
    near.sendall(b"content")
    assert is_quiet(far, 0.2)
    requester.activate(COMPONENT, sid, TARGET)
    near.sendall(b"content")
    assert hear(far, 7) == b"content"


def test_target_cannot_activate(streamer, requester, new_client, ends):
    target = new_client()
    sid, near, far = requester.offer(streamer.address(), target.full_jid)
    ends(near, far)
    _, condition = target.refusal(*target.activation(COMPONENT, sid, requester.full_jid))
    assert condition in ("item-not-found", "not-authorized")


def test_peer_that_left_again_does_not_count(streamer, requester, ends):
    sid, near, far = requester.offer(streamer.address(), TARGET)
    far.close()
    ends(near)
    assert requester.refusal(*requester.activation(COMPONENT, sid, TARGET))[1] \
        in ("not-allowed", "item-not-found")


def test_no_listener_at_other_addresses(start_streamer):
    streamer = start_streamer(listen=("127.0.0.2",))
    with connect(streamer.address()):
        with pytest.raises(ConnectionRefusedError):
            connect(("127.0.0.1", streamer.address()[1]))
