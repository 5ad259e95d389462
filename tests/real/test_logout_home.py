"""Sign-out between us and npm oidc-provider as home: it tells us by a logout token, and guests sign out there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from b2b_idp.model.moment import tenant_id_of
from b2b_idp.signin.home_logout import backchannel_logout_uri, post_logout_redirect_uri
from tests.ports import free_port
from tests.real.conftest import ACCOUNTS, World, furnished, redirect_uri
from tests.real.instance import Instance
from tests.real.nodes import NodeError, RelyingParty, foreign_home

EMAIL = "mia@foreign.example"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    port = free_port()
    instance = Instance(tmp_path_factory.mktemp("logout") / "data", free_port())
    tenant_id = tenant_id_of(f"http://127.0.0.1:{port}")
    registered = {
        "post_logout_redirect_uris": [post_logout_redirect_uri(instance.issuer, tenant_id)],
        "backchannel_logout_uri": backchannel_logout_uri(instance.issuer, tenant_id),
        "backchannel_logout_session_required": True,
    }
    known = foreign_home(ACCOUNTS, lambda issuer: redirect_uri(instance, issuer), port=port, clientMetadata=registered)
    with known as home, RelyingParty() as rp:
        instance.start()
        try:
            made = furnished(instance, home, rp)
            made.driver(EMAIL).walk(made.invite(EMAIL))
            yield made
        finally:
            instance.stop()


def confirm_at_home(world: World, url: str) -> str:
    """The home asks whether the guest means it; where the browser is then."""
    walker = world.driver(EMAIL).walker
    page = walker.get(url)
    assert page.url.startswith(world.home.issuer) and page.forms, page.text
    done = walker.submit(page, logout="yes")
    assert done.status == 200, done.text
    return done.text


def test_a_sign_out_at_home_ends_the_session_here(world: World) -> None:
    world.sign_in(EMAIL)
    world.sign_in(EMAIL, prompt="none")
    confirm_at_home(world, f"{world.home.issuer}/session/end")
    with pytest.raises(NodeError, match="login_required"):
        world.sign_in(EMAIL, prompt="none")
    audits = world.instance.graph("GET", "/auditLogs/directoryAudits?$top=20")["value"]
    (entry,) = [e for e in audits if e["activityDisplayName"] == "Sign out by home tenant"]
    assert entry["initiatedBy"]["app"]["servicePrincipalName"] == world.home.issuer


def test_a_guest_who_signed_out_here_signs_out_at_home_and_comes_back(world: World) -> None:
    world.sign_in(EMAIL)
    walker = world.driver(EMAIL).walker
    page = walker.submit(walker.get(f"{world.instance.issuer}/logout"))
    (link,) = [link for link in page.links if link.startswith(world.home.issuer)]
    assert "has signed you out as well" in confirm_at_home(world, link)
