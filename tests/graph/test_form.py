"""The form of requests and answers: Graph's, whatever goes wrong."""

from __future__ import annotations

import json

import pytest
from graph_world import BASE

GUID = "8f14e45f-ceea-467f-9d0b-1e1f5c1a2b3c"


def post(api, raw, content_type="application/json"):
    headers = {"Authorization": f"Bearer {api.token('Group.ReadWrite.All')}"}
    return api.http.post("/idp/v1.0/groups", data=raw, content_type=content_type, headers=headers)


@pytest.mark.parametrize("path", ["/nonsense", "/users/x/y/z", "/", "/groups/../users", "/%00", "/users/%ff"])
def test_n_168_an_unknown_path_is_a_404_in_json(api, path):
    answer = api.call("GET", path)
    assert answer.status_code == 404 and answer.json["error"]["code"] == "Request_ResourceNotFound"


@pytest.mark.parametrize("path", ["/users", "/", "/groups/x/members"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_there_is_no_beta(api, method, path):
    answer = api.http.open("/idp/beta" + path, method=method)
    assert (answer.status_code, answer.json["error"]["code"]) == (404, "UnknownVersion")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_a_wrong_method_is_a_405_in_json_that_names_the_right_ones(api, method):
    answer = api.call(method, "/users", {})
    assert answer.status_code == 405 and "error" in answer.json
    assert "GET" in answer.headers["Allow"]


def test_an_error_names_the_request_and_its_time(api):
    answer = api.call("GET", f"/users/{GUID}", headers={"client-request-id": GUID})
    inner = answer.json["error"]["innerError"]
    assert inner["date"] == "2026-06-01T10:00:00" and inner["client-request-id"] == GUID
    assert answer.headers["client-request-id"] == GUID and answer.headers["request-id"] == inner["request-id"]


def test_a_client_request_id_that_is_none_is_not_echoed(api):
    answer = api.call("GET", "/users", headers={"client-request-id": "<script>"})
    assert "<" not in answer.headers["client-request-id"]


def test_answers_are_not_kept_by_caches(api):
    assert api.call("GET", "/users").headers["Cache-Control"] == "no-store"


BAD_JSON = {
    "not JSON": b"{",
    "empty": b"",
    "array": b"[]",
    "text": b'"x"',
    "invalid UTF-8": b'{"displayName":"\xff"}',
    "duplicate member": b'{"displayName":"a","displayName":"b"}',
    "nested duplicate": b'{"displayName":"a","x":{"y":1,"y":2}}',
    "NaN": b'{"displayName":"a","x":NaN}',
    "Infinity": b'{"displayName":"a","x":-Infinity}',
    "infinite": b'{"displayName":"a","x":1e999}',
    "deep": b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deeper than 64": b'{"x":' + b"[" * 65 + b"]" * 65 + b"}",
    "endless number": b'{"x":' + b"9" * 10_000 + b"}",
    "NUL": b'{"displayName":"a\\u0000b"}',
    "half a character": b'{"displayName":"a\\ud800b"}',
    "half a character in a name": b'{"displayName":"a","\\ud800":1}',
    "BOM": b'\xef\xbb\xbf{"displayName":"a"}',
}


@pytest.mark.parametrize("raw", BAD_JSON.values(), ids=[f"N-145 {name}" for name in BAD_JSON])
def test_what_is_no_json_object_is_a_400(api, raw):
    assert post(api, raw).status_code == 400


@pytest.mark.parametrize(
    "type",
    ["text/plain", "application/x-www-form-urlencoded", "", "multipart/form-data", "application/jsonx"],
)
def test_n_145_another_media_type_is_a_415(api, type):
    assert post(api, b'{"displayName":"a"}', type).status_code == 415


@pytest.mark.parametrize(
    "type",
    ["application/json; charset=utf-8", "application/json;odata.metadata=minimal;IEEE754Compatible=false"],
)
def test_parameters_of_the_media_type_are_no_obstacle(api, type):
    assert post(api, b'{"displayName":"a"}', type).status_code == 201


def test_n_145_a_body_over_one_megabyte_is_a_413(api):
    answer = post(api, b'{"displayName":"' + b"a" * 1024 * 1024 + b'"}')
    assert answer.status_code == 413 and "error" in answer.json


def test_control_information_is_no_unknown_property(api):
    body = {
        "@odata.type": "#microsoft.graph.group",
        "displayName": "Sales",
        "displayName@odata.type": "#String",
    }
    assert post(api, json.dumps(body)).status_code == 201


def test_a_binding_is_not_dropped_in_silence(api):
    body = {"displayName": "Sales", "members@odata.bind": [f"{BASE}/users/{GUID}"]}
    assert post(api, json.dumps(body)).status_code == 400


def test_an_unknown_property_is_a_400_that_names_it(api):
    answer = post(api, json.dumps({"displayName": "Sales", "colour": "red"}))
    assert answer.status_code == 400 and "colour" in answer.json["error"]["message"]


def test_an_entity_names_its_context(api):
    guest = api.guest()
    assert api.get(f"/users/{guest}")["@odata.context"] == f"{BASE}/$metadata#users/$entity"
    selected = api.get(f"/users/{guest}?$select=id,mail")
    assert selected["@odata.context"] == f"{BASE}/$metadata#users(id,mail)/$entity"
    assert api.get("/users")["@odata.context"] == f"{BASE}/$metadata#users"
