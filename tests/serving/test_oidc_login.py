"""People who log in at an OpenID Connect provider: a real one of this machine, and every way to cheat."""

import hmac
import json
import logging
import shutil
import time
from base64 import urlsafe_b64encode
from contextlib import nullcontext
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey
from starlette.responses import Response

from acclimate.errors import SettingsError
from acclimate.project import Project
from acclimate.serving.id_token import Expected, LoginError, check_id_token, usable_keys
from acclimate.serving.keys import Caller, keys_of
from acclimate.serving.oidc_login import OidcLogin, local_path
from acclimate.serving.provider import groups_of
from acclimate.serving.server import Server
from acclimate.serving.sessions import Sessions
from acclimate.settings_sections import LoginSettings
from acclimate.testing.login import CLIENT, SECRET, new_key, serve_provider
from acclimate.testing.models import ScriptedEngine
from acclimate.testing.serving import asked, serve_project
from acclimate.testing.states import STATE_S

TABLE = {"scopes": ["staff = ask", "it = ask, manage"], "labels": ["hr = hr", "it = *"]}
KEY, OTHER = new_key("one"), new_key("one")  # of one name; making one takes a while


@pytest.fixture(scope="module")
def site(tmp_path_factory, ingested, open_project, free_port):
    """A server, its address, and the provider at which people log in."""
    folder = tmp_path_factory.mktemp("site") / "project"
    shutil.copytree(ingested, folder)
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    engine = ScriptedEngine(lambda messages: "12 euros [1]", context_tokens=4096)
    with pytest.MonkeyPatch.context() as patch, serve_provider() as provider:
        patch.setattr(Project, "_load_engine", lambda *_: engine)
        patch.setenv("OIDC_CLIENT_SECRET", SECRET)
        login = {"engine": "oidc", "address": address, "client_id": CLIENT, **TABLE}
        project = open_project(
            folder, serve={"port": port}, login=login | {"issuer": provider.issuer}
        )
        with serve_project(project) as url:
            yield SimpleNamespace(url=url, folder=folder, provider=provider)


@pytest.fixture
def provider(site):
    """The provider as it is when it means well."""
    site.provider.__dict__ |= {
        "who": {"sub": "ann", "preferred_username": "Ann", "groups": ["staff"]},
        "key": KEY,
        "published": [],
        "sign": None,
        "metadata": {},
        "answer": {},
    }
    return site.provider


@pytest.fixture
def browser(site):
    """Gives browsers, each with cookies of its own."""
    opened = []

    def start():
        opened.append(httpx.Client(base_url=site.url, timeout=STATE_S))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


def begin(client, then="/"):
    """Press "log in", and log in at the provider: the address that it sends back to."""
    begun = client.get("/login", params={"then": then})
    assert begun.status_code == 303, begun.text
    return httpx.get(begun.headers["location"]).headers["location"]


def log_in(client, then="/"):
    return client.get(begin(client, then))


def problem(response):
    """Why the page says that nobody was logged in."""
    assert response.status_code == 303
    assert "acclimate=" not in response.headers.get("set-cookie", "").replace("-login=", "")
    return response.headers["location"].partition("/#/login/")[2]


def token_of(client):
    return client.cookies.get("acclimate")


def test_people_log_in_are_known_and_leave(site, provider, browser):
    ann = browser()
    assert ann.get("/v1/me").json()["error"]["code"] == "login_oidc"
    done = log_in(ann, "/#/documents")
    assert done.headers["location"] == f"{site.url}/#/documents"
    me = ann.get("/v1/me").json()
    assert (me["name"], me["scopes"], me["login"]) == ("Ann", ["ask"], "oidc")
    assert ann.get("/v1/jobs").status_code == 403
    own = {"Origin": site.url}
    answer = ann.post("/v1/chat/completions", json=asked("What does a filter cost?"), headers=own)
    assert answer.json()["choices"][0]["message"]["content"].startswith("12 euros")
    token = token_of(ann)
    assert ann.post("/v1/logout", headers=own).status_code == 200
    assert token_of(ann) is None
    stolen = browser()
    stolen.cookies.set("acclimate", token)
    assert stolen.get("/v1/me").status_code == 401


def test_groups_decide_and_keys_stay(site, provider, browser):
    paths = {"pump.md", "prices.md"}
    for groups, seen, scopes in (
        (["staff"], paths, ["ask"]),
        (["staff", "hr"], paths | {"hr/pay.md"}, ["ask"]),
        ("it", paths | {"hr/pay.md"}, ["ask", "manage"]),
    ):
        provider.who = {"sub": "ann", "groups": groups}
        one = browser()
        log_in(one)
        assert one.get("/v1/me").json()["scopes"] == scopes
        assert {row["path"] for row in one.get("/v1/documents").json()["data"]} == seen
    for groups in ([], ["guests"], None, {"staff": 1}, [["staff"]], "staff,it", "*", ["*"]):
        provider.who = {"sub": "eve", "groups": groups}
        one = browser()
        assert problem(log_in(one)) == "no_group", groups
        assert one.get("/v1/me").status_code == 401
    key = {"Authorization": f"Bearer {keys_of(site.folder).add('app', ['ask'], [])}"}
    assert browser().get("/v1/me", headers=key).json()["login"] == "none"
    assert one.post("/v1/search", json={"query": "filter"}, headers=key).status_code == 200


def test_groups_inside_other_claims():
    claims = {"realm": {"roles": ["a", 1]}, "https://x.org/groups": ["b"], "realm.roles": "c"}
    assert groups_of(claims, "realm.roles") == ["c"]
    assert groups_of({"realm": {"roles": ["a", 1]}}, "realm.roles") == ["a"]
    assert groups_of(claims, "https://x.org/groups") == ["b"]
    assert groups_of(claims, "realm.roles.more") == groups_of(claims, "nothing") == []


def by_hand(head, claims, secret):
    """A token that no library would make: HS256 by a public key as the secret, or RS256 by a key pair
    with whatever head."""
    parts = [json.dumps({"typ": "JWT", **head}), json.dumps(claims)]
    told = ".".join(urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts)
    if isinstance(secret, bytes):
        proof = hmac.digest(secret, told.encode(), "sha256")
    else:
        proof = secret.private_key.sign(told.encode(), PKCS1v15(), SHA256())
    return f"{told}.{urlsafe_b64encode(proof).decode().rstrip('=')}"


class TestTokens:
    """Nobody is let in by a token that is not right in every respect."""

    @pytest.fixture
    def refused(self, provider, browser):
        """Checks that nobody is let in."""

        def check(why="token", **changed):
            provider.who = {"sub": "ann", "groups": ["it"], **changed}
            client = browser()
            assert problem(log_in(client)) == why, changed
            assert client.get("/v1/me").status_code == 401

        return check

    def test_claims(self, refused, provider):
        now = int(time.time())
        for changed in (
            {"iss": "https://other.example"},
            {"iss": f"{provider.issuer}/"},
            {"iss": None},
            {"iss": [provider.issuer]},
            {"aud": "other"},
            {"aud": ["other"]},
            {"aud": []},
            {"aud": None},
            {"aud": [CLIENT, "other"]},  # without the party that asked for it
            {"aud": [CLIENT, "other"], "azp": "other"},
            {"azp": "other"},
            {"nonce": "another login's"},
            {"nonce": None},
            {"nonce": ""},
            {"exp": now - 61},
            {"exp": None},
            {"exp": "tomorrow"},
            {"iat": now + 120},
            {"iat": None},
            {"nbf": now + 120},
            {"sub": None},
            {"sub": ""},
        ):
            refused(**changed)

    def test_a_clock_may_be_a_little_off_and_the_party_may_be_named(self, provider, browser):
        now = int(time.time())
        for changed in (
            {"exp": now - 20, "iat": now - 300},
            {"iat": now + 30, "nbf": now + 30},
            {"aud": [CLIENT]},
            {"aud": [CLIENT, "other"], "azp": CLIENT},
        ):
            provider.who = {"sub": "ann", "groups": ["staff"], **changed}
            client = browser()
            log_in(client)
            assert client.get("/v1/me").status_code == 200, changed
        provider.sign = lambda claims: provider.signed(claims, x5c=["x" * 3000], typ=None)
        assert log_in(browser()).headers["location"].endswith("/")

    def test_signatures(self, refused, provider):
        def unsigned(claims):
            token = by_hand({"alg": "none", "kid": provider.key.kid}, claims, b"")
            return token.rpartition(".")[0] + "."

        def by_the_public_key(claims):
            secret = provider.key.as_pem(private=False)
            return by_hand({"alg": "HS256", "kid": provider.key.kid}, claims, secret)

        def by_the_client_secret(claims):
            return by_hand({"alg": "HS256"}, claims, SECRET.encode())

        def by_another_key(claims):
            head = {"alg": "RS256", "kid": provider.key.kid}
            return jwt.encode(head, claims, OTHER)

        def with_a_key_of_its_own(claims):
            other = new_key("mine")
            head = {"alg": "RS256", "kid": "mine", "jwk": other.as_dict(private=False)}
            return jwt.encode(head, claims, other)

        def changed_afterwards(claims):
            head, _, signature = provider.signed(claims).split(".")
            body = json.dumps(claims | {"sub": "root"}).encode()
            return f"{head}.{urlsafe_b64encode(body).decode().rstrip('=')}.{signature}"

        def without_its_signature(claims):
            return provider.signed(claims).rpartition(".")[0] + "."

        attacks = [
            unsigned, by_the_public_key, by_the_client_secret, by_another_key,
            with_a_key_of_its_own, changed_afterwards, without_its_signature,
            lambda claims: provider.signed(claims, kid="unknown"),
            lambda claims: provider.signed(claims, typ="at+jwt"),
            lambda claims: by_hand({"alg": "RS256", "crit": ["x"], "x": 1}, claims, provider.key),
            lambda claims: "x.y.z", lambda claims: "", lambda claims: "a.b.c.d.e",
        ]  # fmt: skip
        for provider.sign in attacks:
            refused("token")
        provider.sign = lambda claims: None
        refused("unreachable")

    def test_a_set_of_secrets_signs_nothing(self, refused, provider):
        """A provider's key set that holds a secret, or keys to encrypt: none of them is for signatures."""
        secret = OctKey.generate_key(256, {"kid": "one"})
        provider.published = [secret]
        provider.sign = lambda claims: jwt.encode({"alg": "HS256", "kid": "one"}, claims, secret)
        refused("unreachable")
        provider.sign = None
        provider.published = [new_key("one")]
        provider.published[0].dict_value["use"] = "enc"
        refused("unreachable")

    def test_keys_are_replaced(self, provider, browser):
        log_in(browser())
        old = provider.key
        provider.rotate("two")
        client = browser()
        log_in(client)
        assert client.get("/v1/me").status_code == 200
        provider.key, provider.published = old, [provider.key]  # the old one is withdrawn
        assert problem(log_in(browser())) == "token"
        provider.published = [*provider.published, old]  # both, while it is replaced
        assert log_in(browser()).headers["location"].endswith("/")
        elliptic = ECKey.generate_key("P-256", {"kid": "three", "alg": "ES256"})
        provider.key, provider.published = elliptic, []
        assert log_in(browser()).headers["location"].endswith("/")

    def test_names(self, refused, browser, provider):
        for name in ("a" * 201, "ann\nroot", " ann"):
            refused("bad_login", preferred_username=name)


class TestFlow:
    def test_a_session_that_was_there_before_is_not_taken_over(self, site, provider, browser):
        """An attacker who can set a cookie in the victim's browser knows its session afterwards."""
        attacker = browser()
        log_in(attacker)
        known = token_of(attacker)
        victim = browser()
        victim.cookies.set("acclimate", known)
        provider.who = {"sub": "boss", "preferred_username": "boss", "groups": ["it"]}
        done = log_in(victim)
        fresh = done.headers.get_list("set-cookie")[0].partition("=")[2].partition(";")[0]
        assert fresh != known
        for token, status in ((known, 401), (fresh, 200), ("made-up", 401), ("", 401)):
            client = browser()
            client.cookies.set("acclimate", token)
            assert client.get("/v1/me").status_code == status
        two = browser().get("/v1/me", headers={"Cookie": f"acclimate={known}; acclimate={fresh}"})
        assert two.status_code == 401  # which of them is ours nobody can say

    def test_a_login_that_somebody_else_began_counts_for_nobody(self, provider, browser):
        """Login CSRF: the attacker's answer of the provider, opened by the victim."""
        back = begin(browser())
        victim = browser()
        assert problem(victim.get(back)) == "state"
        begin(victim)  # the victim has a login of their own under way
        assert problem(victim.get(back)) == "state"
        assert victim.get("/v1/me").status_code == 401

    def test_an_answer_counts_once(self, provider, browser):
        client = browser()
        back = begin(client)
        cookie = client.cookies.get("acclimate-login")
        assert client.get(back).headers["location"].endswith("/")
        assert problem(browser().get(back)) == "state"
        assert problem(client.get(back)) == "state"
        client.cookies.set("acclimate-login", cookie)
        assert problem(client.get(back)) == "unreachable"  # the provider takes a code once

    @pytest.mark.parametrize(
        "query", ["", "?code=x", "?state=x&code=x", "?state=é&code=x", "?code=a&code=b&state=x"]
    )
    def test_answers_that_are_none(self, browser, query):
        assert problem(browser().get(f"/login/callback{query}")) == "state"

    def test_another_providers_answer(self, provider, browser):
        provider.answer = {"iss": "https://other.example"}
        assert problem(log_in(browser())) == "token"
        provider.answer = {"iss": provider.issuer}
        assert log_in(browser()).headers["location"].endswith("/")

    def test_somebody_whom_the_provider_refuses(self, provider, browser):
        provider.answer = {"code": "", "error": "access_denied", "error_description": "<script>"}
        done = log_in(browser())
        assert problem(done) == "refused"
        assert "<" not in done.text + str(done.headers.raw)

    def test_what_is_sent_to_the_provider(self, site, provider, browser):
        begun = browser().get("/login", headers={"Sec-Fetch-Site": "cross-site"})
        query = {k: v[0] for k, v in parse_qs(urlsplit(begun.headers["location"]).query).items()}
        assert query["redirect_uri"] == f"{site.url}/login/callback"
        assert (query["response_type"], query["code_challenge_method"]) == ("code", "S256")
        assert query["scope"].split() == ["openid", "profile", "email"]
        secrets = {query["state"], query["nonce"], query["code_challenge"]}
        assert len(secrets) == 3
        cookie = begun.headers["set-cookie"]
        assert not any(one in cookie for one in secrets)
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie

    def test_a_login_leads_to_this_server_only(self, site, provider, browser):
        elsewhere = [
            "https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil.example",
            "/\t/evil.example", "/\n//evil.example", " //evil.example", "javascript:alert(1)",
            "/ok\r\nSet-Cookie: a=b", "@evil.example", ".evil.example", "", "///evil.example",
        ]  # fmt: skip
        for then in elsewhere:
            assert local_path(then) == "/"
        assert log_in(browser(), elsewhere[1]).headers["location"] == f"{site.url}/"
        client = browser()
        back = begin(client)
        seed = client.cookies.get("acclimate-login").partition(".")[0]
        forged = urlsafe_b64encode(b"//evil.example").decode().rstrip("=")
        client.cookies.clear()
        client.cookies.set("acclimate-login", f"{seed}.{forged}")
        assert client.get(back).headers["location"] == f"{site.url}/"
        for then in ("/", "/#/shared/x_y-1", "/#/documents", "/a?b=c&d=%2f%2f"):
            assert local_path(then) == then

    def test_pages_of_others_can_do_nothing_with_a_session(self, site, provider, browser):
        provider.who = {"sub": "root", "groups": ["it"]}
        client = browser()
        log_in(client)
        for proof in (
            {},
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
        ):
            for method, path in (
                ("POST", "/v1/logout"),
                ("POST", "/v1/documents"),
                ("DELETE", "/v1/documents/1"),
                ("POST", "/mcp"),
            ):
                refused = client.request(method, path, headers=proof)
                assert refused.status_code == 403, (proof, method, path)
        assert client.get("/v1/me").status_code == 200

    def test_nothing_of_a_login_is_logged(self, provider, browser, caplog):
        client = browser()
        with caplog.at_level(logging.DEBUG, logger="acclimate"):
            back = begin(client, "/#/shared/secret-link")
            client.get(back)
            client.get("/v1/me")
            problem(browser().get(back))
        told = "\n".join(caplog.messages)
        query = parse_qs(urlsplit(back).query)
        hidden = [query["code"][0], query["state"][0], token_of(client), SECRET, "secret-link"]
        assert not any(one in told for one in hidden)
        assert "key=Ann logged in" in told
        assert "login failed: state" in told


class TestProvider:
    """What a provider says of itself."""

    @pytest.fixture
    def login(self, provider, monkeypatch):
        """Gives logins at the provider, which learn anew what it says."""
        monkeypatch.setenv("OIDC_CLIENT_SECRET", SECRET)
        opened = []

        def start(**changed):
            chosen = {
                "engine": "oidc", "issuer": provider.issuer, "client_id": CLIENT, **TABLE,
                "address": "https://docs.example.org",
            }  # fmt: skip
            opened.append(
                OidcLogin(LoginSettings(**(chosen | changed)), "https://docs.example.org")
            )
            return opened[-1]

        yield start
        for one in opened:
            one.close()

    def test_addresses_that_could_lead_anywhere_are_not_followed(self, login, provider):
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            for place in (
                "http://evil.example/x",
                "javascript:alert(1)",
                "file:///etc",
                "",
                None,
                7,
            ):
                provider.metadata = {name: place}
                with pytest.raises(LoginError) as refused:
                    login().provider._place(name)
                assert refused.value.code == "unreachable"
        provider.metadata = {"issuer": "https://other.example"}
        with pytest.raises(LoginError, match="another issuer"):
            login().provider.address("s", "n", "c")
        provider.metadata = {"filler": "x" * 1_100_000}
        with pytest.raises(LoginError, match="too much"):
            login().provider.address("s", "n", "c")
        provider.metadata = {"jwks_uri": f"{provider.issuer}/authorize?redirect_uri=x&state=x"}
        with pytest.raises(LoginError, match="status 303"):
            login().provider._get("jwks_uri")

    def test_what_a_provider_promises_it_is_held_to(self, login, provider):
        provider.metadata = {"authorization_response_iss_parameter_supported": True}
        with pytest.raises(LoginError, match="another issuer"):
            login().provider.check_sender(None)
        login().provider.check_sender(provider.issuer)
        now = int(time.time())
        claims = {"iss": "i", "aud": "c", "sub": "s", "nonce": "n", "iat": now, "exp": now + 9}
        keys = usable_keys(provider.keys()["keys"])
        for names, right in ((None, True), ({"RS256"}, True), ({"ES256", "none", "HS256"}, False)):
            held = Expected("i", "c", "n", None if names is None else frozenset(names))
            with nullcontext() if right else pytest.raises(LoginError, match="algorithm"):
                assert check_id_token(provider.signed(claims), keys, held) == claims

    def test_cookies_are_for_this_server_alone(self, login):
        here = login()
        response = Response()
        here.keep(response, here.session, "x")
        here.keep(response, here.attempt, "y", 600)
        first, second = response.headers.getlist("set-cookie")
        assert first == "__Host-acclimate=x; HttpOnly; Path=/; SameSite=lax; Secure"
        assert second.startswith("__Host-acclimate-login=y; HttpOnly; Max-Age=600; Path=/; ")

    def test_a_provider_that_is_away_is_said_to_be(self, login, browser):
        with pytest.raises(LoginError) as refused:
            login(issuer="http://127.0.0.1:9").provider.address("s", "n", "c")
        assert refused.value.code == "unreachable"


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"issuer": ""}, "needs issuer"),
        ({"client_id": ""}, "needs client_id"),
        ({"address": ""}, "needs address"),
        ({"issuer": "http://login.example.org"}, "no https address"),
        ({"scopes": []}, "lets nobody in"),
    ],
)
def test_settings_that_are_not_enough_are_refused(make_project, changed, says):
    login = {
        "engine": "oidc", "issuer": "https://login.example.org", "client_id": "acclimate",
        "address": "https://docs.example.org", **TABLE,
    }  # fmt: skip
    with make_project(login=login | changed) as project, pytest.raises(SettingsError, match=says):
        Server(project, print)


def test_sessions_end():
    now = [0.0]
    sessions = Sessions(idle_s=10, whole_s=25, now=lambda: now[0])
    ann, bob = (Caller(name, frozenset(("ask",)), None, id=f"person:{name}") for name in ("a", "b"))
    token = sessions.begin(ann)
    for now[0] in (9.0, 18.0, 25.0):
        assert sessions.find(token) == ann
    now[0] = 25.1
    assert sessions.find(token) is None
    idle = sessions.begin(ann)
    now[0] += 10.1
    assert sessions.find(idle) is None
    first = sessions.begin(bob)
    many = [sessions.begin(ann) for _ in range(21)]
    assert [sessions.find(one) is None for one in many] == [True] + [False] * 20
    assert sessions.find(first) == bob
    assert len(set(many)) == 21
