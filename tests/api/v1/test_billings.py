"""Bills over HTTP: written, paid, reported. The payment service is the stub, the database the real one."""

from __future__ import annotations

import asyncio
import csv
import io
import secrets
from decimal import Decimal
from typing import Any

import httpx
import msgspec
import pytest

from api.settings import Settings
from api.v1.billings import BILLS
from domain.access import Caller, parse_scopes
from domain.clinic import billings, payments
from domain.clinic.billing_cards import BillForm, Charged, Line, Payment
from domain.identity import ResourceKey
from domain.interactions.parts import Answer, Occasion
from domain.interactions.writing import Planned, changed, write_one
from storage.payment_gateways import StubGateway
from tests.api.v1.clinic import Clinic
from tests.api.v1.ward import Ward

Json = dict[str, Any]
PROGRAM = Caller("program", "tests", "t", parse_scopes("system/*.cruds"))


@pytest.fixture(scope="module")
def installation(installation: Settings) -> Settings:
    return msgspec.structs.replace(installation, payment_gateway="stub")


def money(value: str, currency: str = "EUR") -> Json:
    return {"value": value, "currency": currency}


async def billed(ward: Ward, amount: str | None, **more: Any) -> Json:
    reception = await ward.web("RECEPTIONIST")
    body = {"patientId": ward.patient, **({"amount": money(amount)} if amount else {}), **more}
    answer = await reception.post("/billings", json=body)
    assert answer.status_code == 201, answer.text
    found: Json = answer.json()
    assert answer.headers["location"] == f"/api/v1/billings/{found['id']}"
    return found


async def pay(web: httpx.AsyncClient, bill: Json, value: str, **more: Any) -> httpx.Response:
    return await web.post(f"/billings/{bill['id']}/payments", json={"amount": money(value), **more})


async def test_a_bill_is_read_back_as_an_invoice_that_fhir_accepts_and_finds(ward: Ward) -> None:
    lines = [{"text": "Visit", "amount": money("80.1")}, {"text": "ECG", "amount": money("20")}]
    bill = await billed(ward, None, lines=lines, insuranceCoverage=money("30.10"), appointmentId="a1", doctorId="d1")
    assert [bill[name]["value"] for name in ("amount", "insuranceCoverage", "outstandingAmount")] == [
        "100.10",
        "30.10",
        "70.00",
    ]
    assert (bill["status"], bill["appointmentId"]) == ("PENDING", "a1")
    answer = await ward.fhir.get(f"/Invoice/{bill['id']}")
    assert '"totalGross":{"value":100.10,' in answer.text
    await ward.valid(answer.json())
    found = (await ward.fhir.get("/Invoice", params={"identifier": "urn:chartvault:appointment|a1"})).json()
    assert bill["id"] in [entry["resource"]["id"] for entry in found["entry"]]


async def test_a_bill_is_paid_in_parts_and_then_balanced(ward: Ward) -> None:
    bill, patient = await billed(ward, "50.00"), await ward.web("PATIENT")
    part = await pay(patient, bill, "20.00", token="ok")
    assert part.status_code == 201, part.text
    assert part.json()["status"] == "PAID"
    assert (part.json()["billing"]["status"], part.json()["billing"]["outstandingAmount"]["value"]) == (
        "PARTIAL",
        "30.00",
    )
    over = await pay(patient, bill, "30.01")
    assert (over.status_code, over.json()["code"], over.json()["errors"][0]["path"]) == (422, "overpayment", "amount")
    rest = await pay(patient, bill, "30")
    assert (rest.status_code, rest.json()["billing"]["status"]) == (201, "PAID")
    again = await pay(patient, bill, "0.01")
    assert (again.status_code, again.json()["code"]) == (409, "already_paid")
    invoice = (await ward.fhir.get(f"/Invoice/{bill['id']}")).json()
    assert invoice["status"] == "balanced"
    for kind in ("PaymentNotice", "PaymentReconciliation"):
        found = (await ward.fhir.get(f"/{kind}", params={"request": f"Invoice/{bill['id']}"})).json()
        if kind == "PaymentNotice":
            assert len(found["entry"]) == 2
        for entry in found.get("entry", []):
            if entry["resource"]["resourceType"] == kind:
                await ward.valid(entry["resource"])


async def test_ten_who_pay_a_bill_at_once_pay_it_once(ward: Ward) -> None:
    bill, patient = await billed(ward, "10.00"), await ward.web("PATIENT")
    answers = await asyncio.gather(*(pay(patient, bill, "10.00") for _ in range(10)))
    assert {answer.status_code for answer in answers} <= {201, 409, 422}
    assert [answer.status_code for answer in answers].count(201) == 1
    assert (await patient.get(f"/billings/{bill['id']}")).json()["paidAmount"]["value"] == "10.00"


async def test_a_refused_card_pays_nothing_and_another_may_be_tried(ward: Ward) -> None:
    bill, patient = await billed(ward, "10.00"), await ward.web("PATIENT")
    refused = await pay(patient, bill, "10.00", token="declined")
    assert (refused.status_code, refused.json()["code"]) == (409, "payment_refused")
    assert (await patient.get(f"/billings/{bill['id']}")).json()["status"] == "PENDING"
    assert (await pay(patient, bill, "10.00")).status_code == 201


class Silent(StubGateway):
    """Takes the money and dies before it says so."""

    async def charge(self, payment: Payment, token: str | None) -> Charged:
        await super().charge(payment, token)
        raise ConnectionError


async def test_money_that_was_taken_when_the_process_died_is_found_again(ward: Ward, clinic: Clinic) -> None:
    bill, gateway = await billed(ward, "10.00"), Silent()
    parts = clinic.service.parts
    occasion = Occasion(PROGRAM, secrets.token_hex(8), "payment-create")
    with pytest.raises(ConnectionError):
        await payments.pay(parts, BILLS, gateway, occasion, bill["id"], Decimal("10.00"), "CARD", "ok")
    patient = await ward.web("PATIENT")
    assert (await pay(patient, bill, "10.00")).json()["code"] == "overpayment"  # it is under way
    assert await payments.settled(parts, BILLS, gateway, occasion) == 0  # and may still be
    late = parts._replace(clock=lambda: clinic.service.people.clock() + 2 * payments.OVERDUE)
    assert await payments.settled(late, BILLS, gateway, occasion) == 1
    assert (await patient.get(f"/billings/{bill['id']}")).json()["status"] == "PAID"
    assert await payments.settled(late, BILLS, gateway, occasion) == 0


async def test_cash_is_for_the_reception_and_doctors_pay_nothing(ward: Ward) -> None:
    bill = await billed(ward, "10.00")
    patient, reception = await ward.web("PATIENT"), await ward.web("RECEPTIONIST")
    assert (await pay(patient, bill, "10.00", method="CASH")).json()["code"] == "not_cashier"
    stranger = await ward.web("PATIENT", stranger=True)
    assert (await pay(stranger, bill, "10.00")).status_code == 404
    done = await pay(reception, bill, "10.00", method="CASH")
    assert (done.status_code, done.json()["gateway"]) == (201, None)


async def test_who_may_do_what_with_bills(ward: Ward) -> None:
    bill = await billed(ward, "10.00", doctorId=ward.names["DOCTOR"])
    body = {"patientId": ward.patient, "amount": money("1.00")}
    for role, reads, writes in (
        ("ADMIN", 200, 201),
        ("RECEPTIONIST", 200, 201),
        ("PATIENT", 200, 403),
        ("DOCTOR", 200, 403),
        ("NURSE", 403, 403),
        ("LAB_TECHNICIAN", 403, 403),
    ):
        web = await ward.web(role)  # type: ignore[arg-type]
        assert (await web.get(f"/billings/{bill['id']}")).status_code in (reads, 404), role
        assert (await web.post("/billings", json=body)).status_code == writes, role
    stranger = await ward.web("PATIENT", stranger=True)
    assert (await stranger.get(f"/billings/{bill['id']}")).status_code == 404
    assert (await stranger.get("/billings")).json()["items"] == []
    patient = await ward.web("PATIENT")
    assert bill["id"] in [each["id"] for each in (await patient.get("/billings")).json()["items"]]


async def test_a_bill_is_changed_and_cancelled_while_nothing_was_paid(ward: Ward) -> None:
    admin, reception = await ward.web("ADMIN"), await ward.web("RECEPTIONIST")
    bill = await billed(ward, "10.00")
    changed = await admin.put(f"/billings/{bill['id']}", json={"amount": money("12.00")}, headers={"if-match": 'W/"1"'})
    assert (changed.status_code, changed.json()["amount"]["value"], changed.json()["version"]) == (200, "12.00", 2)
    stale = await admin.put(f"/billings/{bill['id']}", json={"amount": money("1")}, headers={"if-match": 'W/"1"'})
    assert stale.status_code == 412
    assert (await admin.delete(f"/billings/{bill['id']}")).status_code == 204
    assert (await admin.get(f"/billings/{bill['id']}")).json()["status"] == "CANCELLED"
    assert (await pay(reception, bill, "1.00", method="CASH")).json()["code"] == "cancelled"
    paid = await billed(ward, "10.00")
    assert (await pay(reception, paid, "1.00", method="CASH")).status_code == 201
    assert (await admin.delete(f"/billings/{paid['id']}")).json()["code"] == "already_paid"
    assert (await admin.put(f"/billings/{paid['id']}", json={"amount": money("9")})).json()["code"] == "already_paid"


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"amount": {"value": "1.005", "currency": "EUR"}}, "amount.value"),
        ({"amount": {"value": 1.5, "currency": "EUR"}}, "amount.value"),
        ({"amount": {"value": "-1", "currency": "EUR"}}, "amount.value"),
        ({"amount": {"value": "1", "currency": "euro"}}, "amount.currency"),
        ({}, "lines"),
        ({"amount": {"value": "1", "currency": "EUR"}, "insuranceCoverage": {"value": "2", "currency": "EUR"}}, "insuranceCoverage"),
        ({"amount": {"value": "1", "currency": "EUR"}, "insuranceCoverage": {"value": "1", "currency": "USD"}}, "lines"),
    ],
)  # fmt: skip
async def test_an_impossible_bill_is_refused_and_named(ward: Ward, body: Json, path: str) -> None:
    reception = await ward.web("RECEPTIONIST")
    answer = await reception.post("/billings", json={"patientId": ward.patient, **body})
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["path"] == path


async def test_a_claim_is_drafted_once_and_needs_an_insurance(ward: Ward) -> None:
    bill, reception = await billed(ward, "10.00"), await ward.web("RECEPTIONIST")
    answer = await reception.post(f"/billings/{bill['id']}/claim")
    assert (answer.status_code, answer.json()["code"]) == (409, "no_coverage")
    coverage = {"resourceType": "Coverage", "id": f"c{ward.patient}", "status": "active"}
    payor = {"payor": [{"display": "Acme"}], "beneficiary": {"reference": f"Patient/{ward.patient}"}}
    await ward.store({**coverage, **payor})
    answers = [await reception.post(f"/billings/{bill['id']}/claim") for _ in range(2)]
    assert [(each.status_code, each.json()["status"]) for each in answers] == [(202, "DRAFT")] * 2
    claim = (await ward.fhir.get(f"/Claim/{bill['id']}")).json()
    assert (claim["status"], claim["meta"]["versionId"]) == ("draft", "1")
    await ward.valid(claim)


async def test_the_report_of_a_month_sums_to_its_bills(ward: Ward) -> None:
    admin, reception = await ward.web("ADMIN"), await ward.web("RECEPTIONIST")
    amounts = ("10.10", "20.20", "0.05")
    bills = [await billed(ward, amount, date="2031-02-28T23:59:59Z") for amount in amounts]
    await billed(ward, "999.00", date="2031-03-01T00:00:00Z")
    await pay(reception, bills[0], "10.10", method="TRANSFER")
    gone = await billed(ward, "5.00", date="2031-02-01T00:00:00Z")
    await admin.delete(f"/billings/{gone['id']}")
    answer = await admin.get("/reports/billing/monthly", params={"month": "2031-02"})
    assert answer.status_code == 200, answer.text
    report = answer.json()
    assert {each["id"] for each in report["items"]} == {each["id"] for each in (*bills, gone)}
    (total,) = report["totals"]
    assert (total["bills"], total["cancelled"]) == (4, 1)
    assert Decimal(total["amount"]["value"]) == sum(map(Decimal, amounts)) == Decimal("30.35")
    assert (total["paidAmount"]["value"], total["outstandingAmount"]["value"]) == ("10.10", "20.25")
    text = await admin.get("/reports/billing/monthly", params={"month": "2031-02", "format": "csv"})
    assert text.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(text.text)))
    assert sum(Decimal(row["amount"]) for row in rows[:-1] if row["status"] != "CANCELLED") == Decimal("30.35")
    assert (rows[-1]["date"], rows[-1]["amount"]) == ("total", "30.35")
    assert (await reception.get("/reports/billing/monthly", params={"month": "2031-02"})).status_code == 403
    for month in ("2031-13", "2031-2x", "20310-1", "0000-01"):
        assert (await admin.get("/reports/billing/monthly", params={"month": month})).status_code == 422, month


async def test_two_completions_of_a_visit_make_one_bill(ward: Ward, clinic: Clinic) -> None:
    parts, name = clinic.service.parts, f"v{secrets.token_hex(4)}"
    occasion = Occasion(PROGRAM, "r", "appointment-complete")
    form = BillForm(ward.patient, "EUR", (Line("Visit", Decimal("80.00")),), appointment=name)

    async def complete(number: int) -> Answer:
        key = ResourceKey("Basic", f"{name}-{number}")

        async def plan() -> Planned:
            bill = await billings.of_visit(parts, BILLS, occasion, form, encounter=f"Encounter/{name}")
            content = {"resourceType": "Basic", "code": {"text": "completion"}}
            change, answer = changed(parts, occasion, key, content, method="PUT", base=None)
            return Planned(answer, change, others=bill)

        named = msgspec.structs.replace(occasion, request_id=secrets.token_hex(8))
        return await write_one(parts, named, plan)

    await asyncio.gather(*(complete(number) for number in range(8)))
    admin = await ward.web("ADMIN")
    found = (await admin.get("/billings", params={"appointmentId": name})).json()["items"]
    assert [(each["version"], each["amount"]["value"], each["lines"][0]["text"]) for each in found] == [
        (1, "80.00", "Visit")
    ]
    await ward.valid((await ward.fhir.get(f"/ChargeItem/{name}")).json())
