"""DELETE: the file, its link, its bytes and its share of the quota go at once."""

import pytest

from client import area_path
from records import wait_until

# Bytes are promised to an upload of this size.
LARGE = bytes(range(250)) * 400
GONE_SECONDS = 5


@pytest.mark.valgrind
def test_delete_takes_file_link_bytes_and_usage(owner, records):
    link = owner.put("a.txt", b"12345").link
    stored = records.object_of(owner.jid, "a.txt")
    answer = owner.delete("a.txt")
    assert (answer.status, answer.body) == (204, b"")
    assert owner.open_link(link).status == 404
    assert owner.get("a.txt").status == 404
    assert owner.delete("a.txt").status == 404
    assert (owner.listing()["files"], owner.used_bytes()) == ([], 0)
    wait_until(lambda: not stored.exists(), GONE_SECONDS, "the object is still there")


def test_new_file_of_the_same_name_has_a_new_link(owner):
    first = owner.put("a.txt", b"first").link
    owner.delete("a.txt")
    second = owner.put("a.txt", b"second")
    assert second.status == 201
    assert second.link != first
    assert owner.open_link(first).status == 404
    assert owner.open_link(second.link).body == b"second"


def test_delete_leaves_the_neighbours(owner):
    for path in ("a", "a/b", "a/c", "ab", "A"):
        owner.put(path, path.encode())
    assert owner.delete("a").status == 204
    assert [entry["path"] for entry in owner.listing()["files"]] == ["A", "a/b", "a/c", "ab"]


@pytest.mark.parametrize("folder", ["", "docs/"])
def test_folders_cannot_be_deleted(owner, folder):
    owner.put("docs/a", b"x")
    answer = owner.delete(folder)
    assert answer.status == 405
    assert "DELETE" not in answer.header("Allow")
    assert len(owner.listing()["files"]) == 1


def test_folder_name_without_slash_is_no_file(owner):
    owner.put("docs/a", b"x")
    assert owner.delete("docs").status == 404
    assert len(owner.listing()["files"]) == 1


def test_another_users_file_stays(owner, new_owner):
    other = new_owner()
    other.put("a", b"x")
    assert owner.request("DELETE", area_path(other.jid, "a")).status == 403
    assert other.get("a").body == b"x"


def test_link_holder_cannot_delete(owner, nobody):
    link = owner.put("a", b"x").link
    assert nobody.request("DELETE", link).status == 405
    assert owner.request("DELETE", link).status == 405
    assert owner.get("a").body == b"x"


def test_delete_with_a_body_keeps_the_connection_in_step(server, owner):
    owner.put("a", b"x")
    connection = server.connect()
    fields = {"Authorization": owner.authorization}
    connection.request("DELETE", area_path(owner.jid, "a"), b"DELETE / HTTP/1.1\r\n\r\n", fields)
    response = connection.getresponse()
    response.read()
    assert response.status in (204, 400)
    connection.request("GET", area_path(owner.jid, "a"), headers=fields)
    assert connection.getresponse().status == (404 if response.status == 204 else 200)


def test_download_in_progress_is_finished_after_delete(server, owner):
    content = b"d" * (8 << 20)
    owner.put("big", content)
    connection = server.connect()
    connection.request("GET", area_path(owner.jid, "big"),
                       headers={"Authorization": owner.authorization})
    response = connection.getresponse()
    begin = response.read(1000)
    assert owner.delete("big").status == 204
    assert begin + response.read() == content


def test_delete_during_an_upload_of_the_same_name(server, owner, records):
    link = owner.put("a", b"old").link
    connection = server.connect()
    connection.putrequest("PUT", area_path(owner.jid, "a"))
    connection.putheader("Authorization", owner.authorization)
    connection.putheader("Content-Length", str(len(LARGE)))
    connection.endheaders(LARGE[:-3])
    wait_until(lambda: owner.listing()["reserved_bytes"] > 0, GONE_SECONDS, "no reservation")
    assert owner.delete("a").status == 204
    connection.send(LARGE[-3:])
    response = connection.getresponse()
    assert response.status == 201
    assert owner.get("a").body == LARGE
    assert owner.open_link(link).status == 404
    records.assert_consistent()
