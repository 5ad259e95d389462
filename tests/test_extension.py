"""The extension in a host's own Flask app: below a prefix, several in one process, the host's things untouched."""

from __future__ import annotations

import pytest
from flask import Flask, session

from b2b_idp import B2BIdp
from b2b_idp.model.problem import Problem


@pytest.fixture
def host():
    app = Flask("host")
    app.secret_key = "x"

    @app.get("/")
    def home():
        session["n"] = session.get("n", 0) + 1
        return "host"

    return app


def test_it_mounts_below_a_prefix_and_leaves_the_host_alone(host):
    B2BIdp(host, url_prefix="/idp", issuer="https://host.example/idp")
    client = host.test_client()
    assert client.get("/").text == "host"
    assert client.get("/nowhere").status_code == 404
    assert "data-page" not in client.get("/nowhere").text
    metadata = client.get("/idp/.well-known/openid-configuration").get_json()
    assert metadata["issuer"] == "https://host.example/idp"
    assert metadata["token_endpoint"] == "https://host.example/idp/token"


def test_init_app_is_the_other_way(host):
    B2BIdp(issuer="https://host.example/idp").init_app(host)
    assert host.test_client().get("/idp/jwks").status_code == 200


def test_two_instances_in_one_process_are_independent(host):
    a = B2BIdp(host, issuer="https://host.example/a")
    b = B2BIdp(host, issuer="https://host.example/b")
    client = host.test_client()
    keys = [client.get(f"/{x}/jwks").get_json()["keys"][0]["kid"] for x in "ab"]
    assert keys[0] != keys[1]
    admin = a.create("A", "a.example")
    for path, status in (("/a", 200), ("/b", 401)):
        form = {"grant_type": "client_credentials", "scope": f"https://host.example{path}/.default"}
        answer = client.post(f"{path}/token", data=form, auth=(admin.client_id, admin.client_secret))
        assert answer.status_code == status
    with a.store.read() as ra, b.store.read() as rb:
        assert ra.configuration.tenant.id != rb.configuration.tenant.id


def test_the_cookies_of_two_instances_have_their_own_names(host):
    B2BIdp(host, issuer="https://host.example/a")
    B2BIdp(host, issuer="https://host.example/b")
    client = host.test_client()
    for x in "ab":
        client.get(f"/{x}/redeem?ticket=x", base_url="https://host.example")
    names = {c.key for c in client._cookies.values()}
    assert len(names) == 2
    assert all(n.startswith("__Host-") for n in names)


@pytest.mark.parametrize("settings", [{}, {"issuer": "http://host.example"}, {"issuer": "https://a.example", "zzz": 1}])
def test_n_169_wrong_settings_stop_it(settings):
    with pytest.raises(Problem):
        B2BIdp(**settings)


def test_n_134_pages_cannot_be_framed_and_cookies_are_closed(host):
    B2BIdp(host, issuer="https://host.example/a")
    answer = host.test_client().get("/a/redeem?ticket=x", base_url="https://host.example")
    assert answer.status_code == 400
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Strict-Transport-Security"]
    cookie = answer.headers["Set-Cookie"]
    assert all(flag in cookie for flag in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"))


def test_an_instance_that_is_not_set_up_says_so_honestly(host, tmp_path):
    idp = B2BIdp(
        host,
        issuer="https://host.example/a",
        database_url=f"sqlite:///{tmp_path / 'db.sqlite3'}",
        keys_dir=str(tmp_path / "keys"),
    )
    client = host.test_client()
    answer = client.get("/a/readyz")
    assert answer.status_code == 503
    assert "migrate" in answer.get_data(as_text=True)
    idp.create("Contoso", "contoso.example")
    assert client.get("/a/readyz").status_code == 200
    with pytest.raises(Problem):
        idp.create("Again", "again.example")


def test_metrics_count_sign_ins_by_home_and_outcome(b2b_idp):
    home = b2b_idp.home_tenant("northwind.example")
    app = b2b_idp.app("crm", requires="mfa")
    nora = b2b_idp.invite("nora@northwind.example")
    b2b_idp.sign_in(nora, app, amr=["pwd", "mfa"])
    b2b_idp.sign_in(nora, app, prompt="none", max_age="0")
    text = b2b_idp.flask.test_client().get("/idp/metrics").text
    assert f'b2b_idp_signins_total{{home="{home.tenant_id}",outcome="allowed"}} 1.0' in text
    assert f'b2b_idp_signins_total{{home="{home.tenant_id}",outcome="login_required"}} 1.0' in text
    assert f'b2b_idp_double_mfa_total{{home="{home.tenant_id}"}} 1.0' in text
