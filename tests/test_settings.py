"""Settings are declared once; everything wrong is named at once (N-169)."""

from __future__ import annotations

import tomllib

import pytest

from b2b_idp.model.problem import Problem
from b2b_idp.settings import Settings, template


def test_defaults_are_closed():
    s = Settings.load(issuer="https://idp.example.org")
    assert s.allow_private_upstreams is False
    assert s.trusted_proxies == 0


@pytest.mark.parametrize(
    "issuer",
    [
        "http://idp.example.org",
        "https://idp.example.org/",
        "https://idp.example.org?x=1",
        "https://idp.example.org#f",
        "https://user@idp.example.org",
        "ftp://idp.example.org",
        "idp.example.org",
        "https://",
        "https://idp.example.org:99999",
        " https://idp.example.org",
    ],
)
def test_n_169_an_issuer_that_no_client_could_compare_is_refused(issuer):
    with pytest.raises(Problem, match="ISSUER"):
        Settings.load(issuer=issuer)


@pytest.mark.parametrize("issuer", ["http://127.0.0.1:8000", "http://localhost/idp", "https://idp.example.org/tenant"])
def test_an_issuer_is_https_or_loopback(issuer):
    assert Settings.load(issuer=issuer).issuer == issuer


def test_n_169_unknown_names_in_file_environment_and_arguments_are_all_named(tmp_path):
    toml = tmp_path / "settings.toml"
    toml.write_text('issuer = "https://idp.example.org"\nissuuer = "x"\n')
    with pytest.raises(Problem) as e:
        Settings.load(toml, {"B2B_IDP_MAIL": "x", "PATH": "/bin"}, kez="1")
    assert all(name in e.value.say for name in ("issuuer", "B2B_IDP_MAIL", "kez"))


def test_the_environment_wins_over_the_file_and_lists_are_comma_separated(tmp_path):
    toml = tmp_path / "settings.toml"
    toml.write_text('issuer = "https://idp.example.org"\nlog_level = "INFO"\n')
    env = {"B2B_IDP_LOG_LEVEL": "debug", "B2B_IDP_ALLOW_PRIVATE_UPSTREAMS": "10.0.0.0/8, idp.lan"}
    s = Settings.load(toml, env)
    assert (s.log_level, s.allow_private_upstreams) == ("DEBUG", ("10.0.0.0/8", "idp.lan"))


def test_the_template_of_init_is_toml_that_loads(tmp_path):
    toml = tmp_path / "settings.toml"
    toml.write_text(template("https://idp.example.org"))
    assert tomllib.loads(toml.read_text()) == {"issuer": "https://idp.example.org"}
    assert Settings.load(toml) == Settings.load(issuer="https://idp.example.org")


def test_secrets_do_not_show_in_repr():
    assert "hunter2" not in repr(Settings.load(issuer="https://a.example", mail_url="smtp://u:hunter2@mail"))
