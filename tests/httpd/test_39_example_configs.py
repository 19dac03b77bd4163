"""The configurations in conf/ work as they stand there, but for paths, ports and the test's CA."""

import re
from pathlib import Path

import pytest

from config import Site
from jabber_site import login


def lines_of(env, name, xmpp):
    text = (Path(env.srcdir) / "conf" / name).read_text("utf-8")
    text = text.replace("/var/lib/jabberfiles", "${ROOT}/store")
    text, count = re.subn(r"^JabberFilesDomain example.org.*$",
                          f"JabberFilesDomain {xmpp.domain_line()}", text, flags=re.MULTILINE)
    assert count == 1
    return f'JabberFilesDaemon "{env.daemon}"\n{text}'


@pytest.mark.parametrize("name,kind", [
    ("jabberfiles.conf", "prosody"),
    ("jabberfiles-prosody.conf", "prosody"),
    ("jabberfiles-ejabberd.conf", "ejabberd"),
])
def test_users_log_in_with_the_example(start_server, env, request, name, kind):
    xmpp = request.getfixturevalue(kind)
    server = start_server(Site(own_lines=lines_of(env, name, xmpp),
                               modules=("authn_socache", "socache_shmcb")))
    user = xmpp.new_user()
    owner = login(server, user)
    assert owner.put("a.txt", b"content").status == 201
    assert login(server, user, "wrong").put("a.txt", b"other").status == 401
    mark = xmpp.mark()
    assert owner.get("a.txt").body == b"content"
    assert xmpp.events(mark) == []  # the cache of the example works
