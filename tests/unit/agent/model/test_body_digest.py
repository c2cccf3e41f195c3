"""Digests of request bodies: they tell whether two are the same, and those of secrets give nothing away."""

from __future__ import annotations

import hashlib

from poolfleet_agent.model.body_digest import BodyDigests, are_comparable


def test_equal_bodies_have_equal_digests_and_others_have_others() -> None:
    digests = BodyDigests()
    for digest in (digests.of_open, digests.of_secret):
        assert digest(b"body") == digest(b"body")
        assert digest(b"body") != digest(b"bodY")
        assert are_comparable(digest(b"body"), digest(b"bodY"))


def test_an_open_digest_is_the_same_for_every_agent_so_that_it_outlives_one() -> None:
    assert BodyDigests().of_open(b"body") == BodyDigests().of_open(b"body")


def test_a_secrets_digest_cannot_be_made_by_who_has_not_the_key() -> None:
    one, other = BodyDigests().of_secret(b"hunter2"), BodyDigests().of_secret(b"hunter2")
    assert one.rpartition(":")[2] != other.rpartition(":")[2]
    guessed = {
        hashlib.blake2b(b"hunter2", digest_size=16).hexdigest(),
        hashlib.blake2b(b"hunter2", digest_size=16, key=one.split(":")[1].encode()).hexdigest(),
    }
    assert not guessed & set(one.split(":"))


def test_a_secrets_digest_of_an_earlier_agent_is_not_comparable() -> None:
    one, other = BodyDigests(), BodyDigests()
    assert not are_comparable(one.of_secret(b"x"), other.of_secret(b"x"))
    assert not are_comparable(one.of_secret(b"x"), one.of_open(b"x"))


def test_the_key_does_not_show() -> None:
    digests = BodyDigests()
    assert repr(digests._key) not in repr(digests)
    assert digests._key.hex() not in repr(digests)
