"""Interactions on one resource through HTTP: https://hl7.org/fhir/R4/http.html."""

import asyncio
import json

import httpx
import pytest

FAMILY = {"resourceType": "Patient", "active": True, "name": [{"family": "Okafor"}]}


async def created(fhir: httpx.AsyncClient, **more: object) -> httpx.Response:
    answer = await fhir.post("/Patient", json={**FAMILY, **more})
    assert answer.status_code == 201, answer.text
    return answer


def issue(answer: httpx.Response) -> dict[str, str]:
    body = answer.json()
    assert body["resourceType"] == "OperationOutcome"
    assert answer.headers["content-type"].startswith("application/fhir+json")
    found: dict[str, str] = body["issue"][0]
    return found


async def test_what_was_created_is_read_back_as_sent(fhir: httpx.AsyncClient) -> None:
    sent = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "valueQuantity": {"value": 1}}
    body = json.dumps(sent).replace('"value": 1}', '"value": 1.00}')
    answer = await fhir.post("/Observation", content=body)
    read = await fhir.get(f"/Observation/{answer.json()['id']}")
    assert read.status_code == 200
    assert '"value":1.00' in read.text
    stored = read.json()
    assert stored.pop("meta")["versionId"] == "1"
    assert stored.pop("id")
    assert stored == sent


async def test_a_create_says_where_and_when(fhir: httpx.AsyncClient) -> None:
    answer = await created(fhir, id="mine")
    logical_id = answer.json()["id"]
    assert logical_id != "mine"
    assert answer.headers["location"] == f"http://127.0.0.1:8000/fhir/Patient/{logical_id}/_history/1"
    assert answer.headers["etag"] == 'W/"1"'
    assert answer.headers["last-modified"].endswith("GMT")
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_prefer_decides_what_a_write_returns(fhir: httpx.AsyncClient) -> None:
    minimal = await fhir.post("/Patient", json=FAMILY, headers={"prefer": "return=minimal"})
    outcome = await fhir.post("/Patient", json=FAMILY, headers={"prefer": "return=OperationOutcome"})
    assert minimal.content == b""
    assert outcome.json()["resourceType"] == "OperationOutcome"


async def test_an_update_makes_the_next_version_and_keeps_the_old(fhir: httpx.AsyncClient) -> None:
    logical_id = (await created(fhir)).json()["id"]
    updated = await fhir.put(f"/Patient/{logical_id}", json={**FAMILY, "id": logical_id, "active": False})
    assert (updated.status_code, updated.headers["etag"]) == (200, 'W/"2"')
    first = await fhir.get(f"/Patient/{logical_id}/_history/1")
    assert first.json()["active"] is True


async def test_identical_content_makes_no_new_version(fhir: httpx.AsyncClient) -> None:
    answer = await created(fhir)
    again = await fhir.put(f"/Patient/{answer.json()['id']}", content=answer.content)
    assert (again.status_code, again.headers["etag"]) == (200, 'W/"1"')
    assert again.content == answer.content


async def test_a_client_may_choose_the_id(fhir: httpx.AsyncClient) -> None:
    answer = await fhir.put("/Patient/chosen-1", json={**FAMILY, "id": "chosen-1"})
    assert answer.status_code == 201
    assert (await fhir.get("/Patient/chosen-1")).status_code == 200


@pytest.mark.parametrize("body", [{"resourceType": "Patient"}, {"resourceType": "Patient", "id": "other"}])
async def test_an_update_must_carry_the_id_of_the_url(fhir: httpx.AsyncClient, body: dict[str, object]) -> None:
    answer = await fhir.put("/Patient/x1", json=body)
    assert answer.status_code == 400
    assert issue(answer)["expression"] == ["Patient.id"]
    assert (await fhir.get("/Patient/x1")).status_code == 404


async def test_a_stale_if_match_changes_nothing(fhir: httpx.AsyncClient) -> None:
    logical_id = (await created(fhir)).json()["id"]
    url = f"/Patient/{logical_id}"
    await fhir.put(url, json={**FAMILY, "id": logical_id, "active": False})
    stale = await fhir.put(url, json={**FAMILY, "id": logical_id, "gender": "male"}, headers={"if-match": 'W/"1"'})
    assert stale.status_code == 412
    assert (await fhir.get(url)).headers["etag"] == 'W/"2"'
    missing = await fhir.put("/Patient/none", json={**FAMILY, "id": "none"}, headers={"if-match": 'W/"1"'})
    assert missing.status_code == 412


async def test_of_fifty_writers_with_one_if_match_one_wins(fhir: httpx.AsyncClient) -> None:
    logical_id = (await created(fhir)).json()["id"]
    writes = (
        fhir.put(
            f"/Patient/{logical_id}",
            json={**FAMILY, "id": logical_id, "name": [{"family": f"W{n}"}]},
            headers={"if-match": 'W/"1"'},
        )
        for n in range(50)
    )
    statuses = sorted([answer.status_code for answer in await asyncio.gather(*writes)])
    assert statuses == [200] + [412] * 49


async def test_fifty_writers_without_if_match_make_fifty_versions(fhir: httpx.AsyncClient) -> None:
    logical_id = (await created(fhir)).json()["id"]
    writes = (
        fhir.put(f"/Patient/{logical_id}", json={**FAMILY, "id": logical_id, "name": [{"family": f"W{n}"}]})
        for n in range(50)
    )
    answers = await asyncio.gather(*writes)
    assert {answer.status_code for answer in answers} == {200}
    assert sorted(int(answer.json()["meta"]["versionId"]) for answer in answers) == list(range(2, 52))
    history = (await fhir.get(f"/Patient/{logical_id}/_history?_count=100")).json()
    families = [entry["resource"]["name"][0]["family"] for entry in history["entry"]]
    assert len(set(families)) == 51


async def test_a_deleted_resource_is_gone_but_not_its_history(fhir: httpx.AsyncClient) -> None:
    url = f"/Patient/{(await created(fhir)).json()['id']}"
    assert (await fhir.delete(url)).status_code == 204
    gone = await fhir.get(url)
    assert (gone.status_code, issue(gone)["code"]) == (410, "deleted")
    assert (await fhir.get(f"{url}/_history/1")).status_code == 200
    assert (await fhir.get(f"{url}/_history/2")).status_code == 410
    assert (await fhir.delete(url)).status_code == 204
    history = (await fhir.get(f"{url}/_history")).json()
    assert [entry["request"]["method"] for entry in history["entry"]] == ["DELETE", "POST"]


async def test_an_update_brings_a_deleted_resource_back(fhir: httpx.AsyncClient) -> None:
    logical_id = (await created(fhir)).json()["id"]
    await fhir.delete(f"/Patient/{logical_id}")
    back = await fhir.put(f"/Patient/{logical_id}", json={**FAMILY, "id": logical_id})
    assert (back.status_code, back.headers["etag"]) == (201, 'W/"3"')


async def test_a_copy_that_is_current_is_not_sent_again(fhir: httpx.AsyncClient) -> None:
    answer = await created(fhir)
    url = f"/Patient/{answer.json()['id']}"
    for headers in ({"if-none-match": 'W/"1"'}, {"if-modified-since": answer.headers["last-modified"]}):
        unchanged = await fhir.get(url, headers=headers)
        assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert (await fhir.get(url, headers={"if-none-match": 'W/"9"'})).status_code == 200


async def test_head_answers_like_get_without_a_body(fhir: httpx.AsyncClient) -> None:
    answer = await created(fhir)
    url = f"/Patient/{answer.json()['id']}"
    head, get = await fhir.head(url), await fhir.get(url)
    assert head.content == b""
    assert head.headers["content-length"] == get.headers["content-length"]
    assert head.headers["etag"] == get.headers["etag"]


async def test_parts_of_a_resource(fhir: httpx.AsyncClient) -> None:
    url = f"/Patient/{(await created(fhir, birthDate='1970-01-01')).json()['id']}"
    elements = (await fhir.get(f"{url}?_elements=birthDate")).json()
    assert "name" not in elements
    assert elements["birthDate"] == "1970-01-01"
    assert elements["meta"]["tag"][0]["code"] == "SUBSETTED"
    assert "\n" in (await fhir.get(f"{url}?_pretty=true")).text
    assert (await fhir.get(f"{url}?_summary=everything")).status_code == 400


@pytest.mark.parametrize(
    "path", ["/Patient/none", "/Patient/none/_history", "/Patient/none/_history/1", "/Nonsense/1", "/Patient/a/b/c/d"]
)
async def test_what_is_not_there_is_not_found(fhir: httpx.AsyncClient, path: str) -> None:
    answer = await fhir.get(path)
    assert (answer.status_code, issue(answer)["severity"]) == (404, "error")


@pytest.mark.parametrize("path", ["/Patient/bad_id!", "/Patient/" + "a" * 65, "/Patient/..%2f..%2fmetadata"])
async def test_a_bad_id_is_refused(fhir: httpx.AsyncClient, path: str) -> None:
    assert (await fhir.get(path)).status_code in (400, 404)


async def test_a_json_patch_changes_what_it_names(fhir: httpx.AsyncClient) -> None:
    url = f"/Patient/{(await created(fhir)).json()['id']}"
    kind = {"content-type": "application/json-patch+json"}
    patched = await fhir.patch(url, content=b'[{"op":"replace","path":"/active","value":false}]', headers=kind)
    assert (patched.status_code, patched.json()["active"]) == (200, False)
    failed = b'[{"op":"test","path":"/active","value":true},{"op":"remove","path":"/active"}]'
    assert (await fhir.patch(url, content=failed, headers=kind)).status_code in (409, 412, 422, 400)
    assert (await fhir.get(url)).json()["active"] is False
    stale = {**kind, "if-match": 'W/"1"'}
    assert (await fhir.patch(url, content=b'[{"op":"remove","path":"/active"}]', headers=stale)).status_code == 412


async def test_a_patch_that_breaks_the_resource_is_refused(fhir: httpx.AsyncClient) -> None:
    url = f"/Patient/{(await created(fhir)).json()['id']}"
    kind = {"content-type": "application/json-patch+json"}
    answer = await fhir.patch(url, content=b'[{"op":"add","path":"/gender","value":"x"}]', headers=kind)
    assert answer.status_code in (400, 422)
    assert (await fhir.get(url)).headers["etag"] == 'W/"1"'


async def test_a_patch_in_another_format_is_not_read(fhir: httpx.AsyncClient) -> None:
    url = f"/Patient/{(await created(fhir)).json()['id']}"
    assert (await fhir.patch(url, content=b"x", headers={"content-type": "text/plain"})).status_code == 415


async def test_a_method_that_does_not_exist_names_those_that_do(fhir: httpx.AsyncClient) -> None:
    answer = await fhir.post("/Patient/1", json=FAMILY)
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, PUT, PATCH, DELETE"
