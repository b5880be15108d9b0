"""People who logged in at a proxy: whose headers count, what groups may do, and what forged headers do."""

import logging

import httpx
import pytest

from acclimate.errors import SettingsError
from acclimate.serving.keys import keys_of
from acclimate.serving.server import Server
from acclimate.testing.serving import asked
from acclimate.testing.states import STATE_S, wait_until

LOGIN = {
    "engine": "header",
    "trusted_proxies": ["127.0.0.7", "::1"],
    "scopes": ["staff = ask", "it = ask, manage", "CN=Heads,DC=firm = ask"],
    "labels": ["hr = hr", "it = *"],
}
HR_PAY = "What does the director earn?"


def said(user, groups="staff", **more):
    return {"X-Forwarded-User": user, "X-Forwarded-Groups": groups, **more}


@pytest.fixture
def call(serve):
    """Gives clients that call from an address of this machine: 127.0.0.7 is the proxy."""
    clients = []

    def start(**settings):
        url = str(serve(**{"login": LOGIN, **settings}).base_url)

        def at(address="127.0.0.7"):
            transport = httpx.HTTPTransport(local_address=address)
            clients.append(httpx.Client(base_url=url, transport=transport, timeout=STATE_S))
            return clients[-1]

        return at

    yield start
    for client in clients:
        client.close()


def paths(client, headers):
    return {row["path"] for row in client.get("/v1/documents", headers=headers).json()["data"]}


def test_groups_decide_what_a_person_may_do_and_see(call):
    proxy = call()()
    me = proxy.get("/v1/me", headers=said("Zoë".encode())).json()
    assert (me["name"], me["scopes"], me["login"]) == ("Zoë", ["ask"], "header")
    open_to_all = {"pump.md", "prices.md"}
    assert paths(proxy, said("ann")) == open_to_all
    assert paths(proxy, said("ann", "staff, hr")) == open_to_all | {"hr/pay.md"}
    assert paths(proxy, said("root", "it")) == open_to_all | {"hr/pay.md"}
    assert proxy.get("/v1/jobs", headers=said("ann")).status_code == 403
    assert proxy.get("/v1/jobs", headers=said("root", "it")).status_code == 200
    for group in ("guests", "", "*", "STAFF", "staff;it"):  # "*" is a word of our table, no group
        refused = proxy.get("/v1/me", headers=said("eve", group))
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "no_group"), group


def test_a_separator_of_ones_own_for_names_that_hold_commas(call):
    proxy = call(login=LOGIN | {"groups_separator": "|"})()
    heads = said("ann", "CN=Heads,DC=firm|hr")
    assert "hr/pay.md" in paths(proxy, heads)


class TestForgedHeaders:
    def test_from_anywhere_but_the_proxy_they_say_nothing(self, call):
        at = call()
        for address in ("127.0.0.1", "127.0.0.70", "127.0.0.8"):
            for more in ({}, {"X-Forwarded-For": "127.0.0.7", "Forwarded": "for=127.0.0.7"}):
                refused = at(address).get("/v1/me", headers=said("root", "it", **more))
                assert refused.status_code == 401
                assert refused.json()["error"]["code"] == "login_header"
        assert at().get("/v1/me", headers=said("root", "it")).status_code == 200

    def test_a_header_beside_the_proxys_own_is_refused(self, call):
        proxy = call()()
        for forged in (
            [("X-Forwarded-User", "root"), ("X-Forwarded-User", "ann")],
            [("X-Forwarded-User", "root, ann")],
            [("X-Forwarded-User", "ann"), ("X-Forwarded-Groups", "it")],
        ):
            refused = proxy.get("/v1/me", headers=[*forged, ("X-Forwarded-Groups", "staff")])
            assert refused.status_code == 401, forged
        for other in ("X_Forwarded_User", "X-Forwarded-User2"):
            assert proxy.get("/v1/me", headers={other: "root"}).status_code == 401

    @pytest.mark.parametrize("name", ["", "a" * 201, b"a\xc2\x85b", "a\tb"])
    def test_names_that_nobody_can_read_are_refused(self, call, name):
        assert call()().get("/v1/me", headers=said(name)).status_code == 401

    def test_no_name_writes_a_line_of_the_log(self, call, caplog):
        with caplog.at_level(logging.INFO, logger="acclimate.audit"):
            call()().get("/v1/me", headers=said("ann key=root GET /v1/me status=200"))
            name = " key=ann%20key%3Droot%20GET%20%2Fv1%2Fme%20status%3D200 GET /v1/me status="
            wait_until(lambda: name in caplog.text, "the line")  # it follows the answer

    def test_a_key_counts_beside_them_and_for_what_it_is(self, call, tmp_path):
        at = call()
        token = keys_of(tmp_path).add("app", ["ask"], [])
        key = {"Authorization": f"Bearer {token}"}
        for client in (at(), at("127.0.0.1")):
            me = client.get("/v1/me", headers=said("root", "it") | key).json()
            assert (me["name"], me["scopes"]) == ("app", ["ask"])
        wrong = {"Authorization": f"Bearer {token}x"}
        assert at().get("/v1/me", headers=said("root", "it") | wrong).status_code == 401
        # what the proxy took for itself and passed on is no key of ours
        for passed in ("Basic cm9vdDpyb290", "Bearer eyJhbGciOiJub25lIn0.e30."):
            headers = said("ann", Authorization=passed)
            assert at().get("/v1/me", headers=headers).json()["name"] == "ann"
            refused = at("127.0.0.1").get("/v1/me", headers=headers)
            assert refused.status_code == 401


class TestPagesOfOthers:
    """The proxy's own cookie comes along with whatever a page elsewhere makes a browser send."""

    def test_a_change_needs_our_own_page(self, call):
        proxy = call(serve={"origins": ["https://chat.example.org"]})()
        before = proxy.get("/v1/documents", headers=said("root", "it")).json()["total"]
        for proof in (
            {},
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Origin": "https://chat.example.org"},  # may call with a key
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Sec-Fetch-Site": "none"},
        ):
            headers = said("root", "it", **proof)
            refused = proxy.post("/v1/documents", files={"file": ("x.md", b"# x")}, headers=headers)
            assert refused.status_code == 403, proof
            assert refused.json()["error"]["code"] in ("csrf", "origin")
            if "Origin" in proof:
                assert proxy.get("/v1/me", headers=headers).status_code == 403
        after = proxy.get("/v1/documents", headers=said("root", "it")).json()["total"]
        assert after == before

    def test_our_own_page_may(self, call):
        proxy = call()()
        own = str(proxy.base_url).rstrip("/")
        for proof in ({"Origin": own}, {"Sec-Fetch-Site": "same-origin"}):
            headers = said("ann", **proof)
            done = proxy.post("/v1/chat/completions", json=asked("What is it?"), headers=headers)
            assert done.status_code == 200

    def test_behind_https_the_address_is_our_own(self, call):
        proxy = call(login=LOGIN | {"address": "https://docs.example.org/"})()
        host = {"Host": "docs.example.org"}
        search = {"query": "filter"}
        for origin, status in (("https://docs.example.org", 200), ("http://docs.example.org", 403)):
            headers = said("ann", Origin=origin) | host
            assert proxy.post("/v1/search", json=search, headers=headers).status_code == status


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"trusted_proxies": []}, "trusts no proxy"),
        ({"trusted_proxies": ["0.0.0.0/0"]}, "is everyone"),
        ({"trusted_proxies": ["::/0"]}, "is everyone"),
        ({"trusted_proxies": ["proxy.local"]}, "no address or network"),
        ({"trusted_proxies": ["10.0.0.7/24"]}, "host bits"),
        ({"scopes": []}, "lets nobody in"),
        ({"scopes": ["staff = asks"]}, "no scope 'asks'"),
        ({"scopes": ["staff"]}, "GROUP = NAME"),
        ({"labels": ["hr ="]}, "GROUP = NAME"),
        ({"user_header": "Cookie"}, "cannot be a header"),
        ({"groups_header": "X Groups"}, "cannot be a header"),
        ({"address": "docs.example.org"}, "not of the form"),
        ({"address": "https://docs.example.org/sub"}, "not of the form"),
        ({"address": "https://docs.example.org:99999"}, "not of the form"),
        ({"address": "http://docs.example.org"}, "not encrypted"),
    ],
)
def test_settings_that_would_let_in_the_wrong_people_are_refused(make_project, changed, says):
    with (
        make_project(login=LOGIN | changed) as project,
        pytest.raises(SettingsError, match=says),
    ):
        Server(project, print)


def test_what_one_person_was_answered_is_no_others(call):
    """A key and two people of one name: each gives feedback on their own answers only."""
    proxy = call()()
    own = {"Origin": str(proxy.base_url).rstrip("/")}
    ann = said("ann", **own)
    given = proxy.post("/v1/chat/completions", json=asked(HR_PAY), headers=ann).json()
    thumb = {"id": given["id"], "right": True}
    assert proxy.post("/v1/feedback", json=thumb, headers=said("bob", **own)).status_code == 404
    assert proxy.post("/v1/feedback", json=thumb, headers=ann).status_code == 201
