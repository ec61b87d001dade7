"""Settings that the server would refuse, or that would do harm, are refused by the chart, which says what to change."""

import pytest

from conftest import refusal, render

CASES = [
    # TLS and credentials, as the server has it (docs/security.md).
    ("tls off without insecure", {"tls": {"enabled": False, "existingSecret": ""}}, "set tls.insecure=true if something else encrypts"),
    ("no certificate", {"tls": {"existingSecret": ""}}, "TLS needs a certificate: name a Secret"),
    ("insecure with tls", {"tls": {"insecure": True}}, "tls.insecure=true says that nothing here encrypts"),
    ("certificate without tls", {"tls": {"enabled": False, "insecure": True}}, "tls.enabled=false, yet a certificate is given"),
    ("client ca without tls", {"tls": {"enabled": False, "insecure": True, "existingSecret": "", "clientCaSecret": {"name": "ca"}}},
     "tls.clientCaSecret needs TLS"),
    ("no issuer of certificates", {"tls": {"certManager": {"enabled": True}}}, "tls.certManager.issuerRef.name is required"),
    ("credentials optional", {"extraEnv": [{"name": "PIM_AUTHZ_CREDENTIALS", "value": "optional"}]}, "extraEnv sets PIM_AUTHZ_CREDENTIALS"),
    ("credentials optional as an option", {"extraArgs": ["--credentials=optional"]}, "extraArgs has --credentials=optional"),
    ("insecure as an option", {"extraArgs": ["--insecure"]}, "extraArgs has --insecure"),
    ("another address", {"extraArgs": ["--listen", "0.0.0.0:1"]}, "extraArgs has --listen"),
    # The database.
    ("no database", {"database": {"urlSecret": {"name": ""}}}, "database.urlSecret.name is required"),
    ("no owner", {"migration": {"urlSecret": {"name": ""}}}, "migration.urlSecret.name is required"),
    ("servers as owner", {"migration": {"urlSecret": {"name": "authz-database"}}}, "must not log in as the schema's owner"),
    ("verify-ca without a ca", {"database": {"sslmode": "verify-ca"}}, "database.sslmode=verify-ca needs database.caSecret.name"),
    ("disable with a ca", {"database": {"sslmode": "disable", "caSecret": {"name": "ca"}}}, "database.sslmode=disable encrypts nothing"),
    ("a url as a variable", {"extraEnv": [{"name": "PIM_AUTHZ_DATABASE_URL", "value": "x"}]}, "extraEnv sets PIM_AUTHZ_DATABASE_URL"),
    ("migrating servers", {"extraArgs": ["--migrate"]}, "extraArgs has --migrate"),
    ("a private database", {"extraArgs": ["--data-dir=/data"]}, "extraArgs has --data-dir"),
    # Callers.
    ("no audience", {"callers": {"oidc": {"issuer": "https://id.example.com"}}}, "callers.oidc.audience is required"),
    ("an audience alone", {"callers": {"oidc": {"audience": "pim-authz"}}}, "callers.oidc needs callers.oidc.issuer"),
    ("a burst alone", {"settings": {"callerBurst": 5}}, "settings.callerBurst needs settings.callerRate"),
    # Resources and numbers.
    ("too little memory", {"resources": {"limits": {"memory": "1Gi"}}},
     "resources.limits.memory=1Gi is too little: settings.cacheMib=256 and one and a half times settings.callMib=512, and 200 MiB for the rest, are 1224Mi"),
    ("too large a cache", {"settings": {"cacheMib": 4096}}, "settings.cacheMib=4096"),
    ("fewest more than most", {"autoscaling": {"enabled": True, "minReplicas": 9}}, "autoscaling.minReplicas (9) is more than"),
]

# The words of the schema depend on Helm's version; the place of the value does not.
OF_THE_SCHEMA = [
    ("a name that is no value", {"replicaCount": 3}, "replicaCount"),
    ("an unknown setting", {"settings": {"cacheMb": 1}}, "cacheMb"),
    ("a password", {"database": {"password": "secret"}}, "password"),
    ("a word as a number", {"settings": {"cacheMib": "much"}}, "cacheMib"),
    ("a mode that is none", {"database": {"sslmode": "always"}}, "sslmode"),
    ("loopback", {"listenHost": "127.0.0.1"}, "listenHost"),
    ("a short digest", {"image": {"digest": "sha256:12"}}, "digest"),
    ("jwks without tls", {"callers": {"oidc": {"jwks": "http://id.example.com/keys"}}}, "jwks"),
    ("a symmetric algorithm", {"callers": {"oidc": {"algorithms": ["HS256"]}}}, "algorithms"),
    ("a share above one", {"settings": {"traceShare": 2}}, "traceShare"),
    ("an empty peer", {"networkPolicy": {"callers": [{}]}}, "callers"),
    ("a secret with a space", {"tls": {"existingSecret": "a b"}}, "existingSecret"),
]


@pytest.mark.parametrize(("settings", "sentence"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_does_not_go_together_is_refused(settings, sentence):
    assert sentence in refusal(settings)


@pytest.mark.parametrize(("settings", "place"), [case[1:] for case in OF_THE_SCHEMA], ids=[case[0] for case in OF_THE_SCHEMA])
def test_what_the_schema_does_not_know_is_refused(settings, place):
    error = refusal(settings)
    assert "don't meet the specifications of the schema" in error or "values don't meet" in error
    assert place in error


@pytest.mark.parametrize(
    "memory", ["1224Mi", "1253376Ki", "1.2Gi", "1284M", "2G", 1283457024, None], ids=str
)
def test_enough_memory_in_any_unit_is_accepted(memory):
    render({"resources": {"limits": {"memory": memory}}})


@pytest.mark.parametrize("memory", ["1223Mi", "1283M", 1283457023], ids=str)
def test_a_little_less_memory_is_refused(memory):
    assert "is too little" in refusal({"resources": {"limits": {"memory": memory}}})


def test_servers_may_log_in_as_the_owner_if_that_is_said():
    render({"migration": {"urlSecret": {"name": "authz-database"}, "runtimeRole": "none"}})


def test_values_of_a_parent_chart_are_accepted():
    render({"global": {"anything": 1}})
