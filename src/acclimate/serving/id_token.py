"""The check of an ID token, by section 3.1.3.7 of OpenID Connect Core 1.0: signature by a key of
the provider, issuer, audience, authorised party, times and nonce. Everything that is not right is
refused; nothing is taken from a token before it is checked but the name of its key."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey

Key = RSAKey | ECKey | OKPKey

# By public keys only: with "none" and with secrets anybody could sign who can read the keys.
_KINDS = {
    "RS256": "RSA", "RS384": "RSA", "RS512": "RSA", "PS256": "RSA", "PS384": "RSA", "PS512": "RSA",
    "ES256": "EC", "ES384": "EC", "ES512": "EC", "EdDSA": "OKP", "Ed25519": "OKP",
}  # fmt: skip
_MOST_KEYS = 100


class LoginError(Exception):
    """A login that failed. `code` is for the page: "state" (not begun in this browser), "refused"
    (by the provider), "unreachable" (the provider does not answer as one), or "token" (it does not
    prove who it is); the message is for the log, and holds nothing that a client wrote."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token must say. `algorithms` are those that the provider names; None: it names none.
    `skew_s` is how far its clock may be off, in seconds."""

    issuer: str
    client_id: str
    nonce: str
    algorithms: frozenset[str] | None = None
    skew_s: float = 60.0


def usable_keys(rows: object) -> list[Key]:
    """The public keys for signatures among a provider's (RFC 7517); others are left out. Raises
    LoginError where there are none."""
    found = []
    for row in rows[:_MOST_KEYS] if isinstance(rows, list) else []:
        if not isinstance(row, dict) or row.get("use", "sig") != "sig":
            continue
        if row.get("kty") not in _KINDS.values():
            continue
        try:
            key = JWKRegistry.import_key(row)
        except (JoseError, ValueError, TypeError):
            continue
        if isinstance(key, RSAKey | ECKey | OKPKey):
            found.append(key)
    if not found:
        raise LoginError("unreachable", "the provider has no key that could sign")
    return found


def check_id_token(
    token: str, keys: Sequence[Key], expected: Expected, now: Callable[[], float] = time.time
) -> Mapping[str, Any]:
    """The claims of a token that is right in every respect. Raises LoginError for any other."""
    algorithms = [name for name in _KINDS if name in (expected.algorithms or _KINDS)]
    registry = jws.JWSRegistry(algorithms=algorithms, strict_check_header=False)
    # Some send their certificates along.
    registry.max_header_length, registry.max_signature_length = 16_000, 4_000
    try:
        header = jws.extract_compact(token.encode(), registry=registry).headers()
        key = _signer(header, keys, algorithms)
        claims = jwt.decode(token, key, algorithms=algorithms, registry=registry).claims
        _claims(expected, now).validate(claims)
    except (JoseError, ValueError, TypeError, OverflowError) as error:
        raise LoginError("token", f"the ID token is not right: {type(error).__name__}") from error
    _check_audience(claims, expected)
    return claims


def _signer(header: Mapping[str, Any], keys: Sequence[Key], algorithms: Sequence[str]) -> Key:
    """The key that a token says it was signed with; without a name, the only one of its kind."""
    algorithm, name = str(header.get("alg")), header.get("kid")
    if algorithm not in algorithms:
        raise LoginError("token", "the ID token is signed by an algorithm that does not count")
    if str(header.get("typ", "JWT")).casefold() != "jwt":
        raise LoginError("token", "the token is no ID token")
    fit = [
        key
        for key in keys
        if key.key_type == _KINDS[algorithm]
        and key.get("alg", algorithm) == algorithm
        and (name is None or key.get("kid") == name)
    ]
    if len(fit) != 1:
        raise LoginError("token", "the ID token is signed by no key that the provider names")
    return fit[0]


def _claims(expected: Expected, now: Callable[[], float]) -> jwt.JWTClaimsRegistry:
    return jwt.JWTClaimsRegistry(
        now=lambda: int(now()),
        leeway=int(expected.skew_s),
        iss={"essential": True, "value": expected.issuer},
        aud={"essential": True, "value": expected.client_id},
        sub={"essential": True},
        exp={"essential": True},
        iat={"essential": True},
        nonce={"essential": True, "value": expected.nonce},
    )


def _check_audience(claims: Mapping[str, Any], expected: Expected) -> None:
    """A token for several audiences says which of them asked for it."""
    party = claims.get("azp")
    several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if (several or party is not None) and party != expected.client_id:
        raise LoginError("token", "the ID token was made for another client")
    if not isinstance(claims["nonce"], str):  # a list that holds the right one would do else
        raise LoginError("token", "the ID token's nonce is no text")
