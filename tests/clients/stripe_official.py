"""The official Stripe library drives the Stripe emulator: URL, secret key, publishable key as arguments.

`CONTRACT` holds of Stripe itself too. With STRIPE_TEST_KEY in the environment it runs against Stripe's test mode as well, with
prices and customers of its own, whose time a test clock moves. `EMULATOR` needs the controls below `/_control/`.
Prints a line for each check, and `contract with Stripe` behind those that ran there.
"""
import base64
import json
import os
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import stripe

DAY, HOUR = 86_400, 3_600
CONTRACT, EMULATOR = [], []


def contract(check):
    CONTRACT.append(check)
    return check


def emulator(check):
    EMULATOR.append(check)
    return check


def plain(thing):
    """An answer as JSON has it."""
    return json.loads(str(thing))


def refused(call, kind, status, code=None):
    """Makes a call that must fail; answers the error."""
    try:
        answer = call()
    except stripe.StripeError as error:
        assert isinstance(error, kind), (kind, repr(error), error.code)
        assert error.http_status == status, (status, error.http_status, error.http_body)
        found = error.code or (error.error.code if error.error else None)
        assert code is None or found == code, (code, found, error.http_body)
        return error
    raise AssertionError(f"it was not refused: {answer}")


def until(what, condition):
    """Waits until a condition gives something."""
    began = time.monotonic()
    while not (found := condition()):
        assert time.monotonic() - began < 300, f"waited for five minutes until {what}"
        time.sleep(0.2)
    return found


class Account:
    """Stripe, or the emulator."""

    def __init__(self, key, url=None):
        bases = {"api": url} if url else None
        self.url = url
        self.key = key
        self.client = stripe.StripeClient(key, base_addresses=bases, max_network_retries=0)
        self.api = self.client.v1
        self.monthly, self.dearer, self.yearly = (
            self.price(amount, interval) for amount, interval in [(1_000, "month"), (3_000, "month"), (9_000, "year")]
        )

    def price(self, amount, interval):
        params = {"currency": "usd", "unit_amount": amount, "recurring": {"interval": interval}}
        return self.api.prices.create({**params, "product_data": {"name": f"contract {interval}"}}).id

    def customer(self, card=None, clock=None):
        """A customer, whose default payment method is a fixture's."""
        params = {"metadata": {"contract": uuid.uuid4().hex}}
        if clock:
            params["test_clock"] = clock
        if card:
            method = f"pm_card_{card}"
            params.update(payment_method=method, invoice_settings={"default_payment_method": method})
        return self.api.customers.create(params).id

    def subscribe(self, customer, price=None, **params):
        item = {"price": price or self.monthly, **({"quantity": params.pop("quantity")} if "quantity" in params else {})}
        return self.api.subscriptions.create({"customer": customer, "items": [item], **params})

    def subscription(self, id):
        return plain(self.api.subscriptions.retrieve(id))

    def invoices(self, customer):
        return plain(self.api.invoices.list({"customer": customer, "limit": 100}))["data"]

    def charged(self, customer):
        """The sum of what a customer's card was charged."""
        charges = plain(self.api.charges.list({"customer": customer, "limit": 100}))["data"]
        return sum(it["amount"] for it in charges if it["status"] == "succeeded")

    def clock(self):
        return self.api.test_helpers.test_clocks.create({"frozen_time": int(time.time())}).id

    def advance(self, clock, seconds):
        clocks = self.api.test_helpers.test_clocks
        to = clocks.retrieve(clock).frozen_time + seconds
        clocks.advance(clock, {"frozen_time": to})
        until("the clock has advanced", lambda: clocks.retrieve(clock).status == "ready")

    def control(self, method, path, body=None):
        """A request to a control of the emulator."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/_control/{path}", data=data, method=method)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)


def items(subscription):
    return plain(subscription)["items"]["data"]


# What holds of Stripe as well


@contract
def a_token_becomes_a_card_that_is_charged(it):
    method = it.api.payment_methods.create({"type": "card", "card": {"token": "tok_visa"}})
    assert (method.card.last4, method.card.brand, method.customer) == ("4242", "visa", None), method
    customer = it.customer()
    assert it.api.payment_methods.attach(method.id, {"customer": customer}).customer == customer
    settings = {"invoice_settings": {"default_payment_method": method.id}}
    assert it.api.customers.update(customer, settings).invoice_settings.default_payment_method == method.id
    listed = it.api.payment_methods.list({"customer": customer, "type": "card"}).data
    assert [one.id for one in listed] == [method.id], listed
    made = it.subscribe(customer, quantity=3, metadata={"tenant": "t"}, expand=["latest_invoice"])
    assert (made.status, made.latest_invoice.status, made.latest_invoice.amount_paid) == ("active", "paid", 3_000), made
    [item] = items(made)
    assert 28 * DAY <= item["current_period_end"] - item["current_period_start"] <= 31 * DAY, item
    assert (item["quantity"], item["price"]["id"], made.metadata["tenant"]) == (3, it.monthly, "t"), item
    assert it.charged(customer) == 3_000


@contract
def a_card_that_is_declined_cannot_be_attached(it):
    method = it.api.payment_methods.create({"type": "card", "card": {"token": "tok_chargeDeclined"}})
    attach = lambda: it.api.payment_methods.attach(method.id, {"customer": it.customer()})
    error = refused(attach, stripe.CardError, 402, "card_declined")
    assert (error.error.type, error.error.decline_code) == ("card_error", "generic_decline"), error.http_body


@contract
def a_subscription_needs_a_card_unless_it_is_a_trial(it):
    customer = it.customer()
    for behavior in ["allow_incomplete", "error_if_incomplete"]:
        subscribe = lambda: it.subscribe(customer, payment_behavior=behavior)
        refused(subscribe, stripe.InvalidRequestError, 400, "resource_missing")
    assert plain(it.api.subscriptions.list({"customer": customer, "status": "all"}))["data"] == []
    trial = it.subscribe(customer, trial_period_days=14)
    assert trial.status == "trialing" and 13 * DAY < trial.trial_end - time.time() <= 14 * DAY, trial
    [item] = items(trial)
    assert item["current_period_end"] == trial.trial_end == trial.billing_cycle_anchor, trial
    assert it.charged(customer) == 0


@contract
def a_first_charge_that_fails_is_an_error_or_an_incomplete_subscription(it):
    customer = it.customer("chargeCustomerFail")
    subscribe = lambda: it.subscribe(customer, payment_behavior="error_if_incomplete", off_session=True)
    refused(subscribe, stripe.CardError, 402, "card_declined")
    assert plain(it.api.subscriptions.list({"customer": customer, "status": "all"}))["data"] == []
    incomplete = it.subscribe(customer, expand=["latest_invoice"])
    assert (incomplete.status, incomplete.latest_invoice.status) == ("incomplete", "open"), incomplete
    change = lambda: it.api.subscriptions.update(incomplete.id, {"items": [{"id": items(incomplete)[0]["id"], "quantity": 2}]})
    refused(change, stripe.InvalidRequestError, 400)
    ended = it.api.subscriptions.cancel(incomplete.id)
    assert ended.status == "incomplete_expired", ended
    assert it.charged(customer) == 0


@contract
def default_incomplete_answers_with_a_secret_for_the_browser(it):
    customer = it.customer()
    made = it.subscribe(customer, payment_behavior="default_incomplete", expand=["latest_invoice.confirmation_secret"])
    secret = made.latest_invoice.confirmation_secret
    assert made.status == "incomplete" and "_secret_" in secret.client_secret, made
    intent = secret.client_secret.split("_secret_")[0]
    confirmed = it.api.payment_intents.confirm(intent, {"payment_method": "pm_card_visa", "return_url": "https://example.com"})
    assert confirmed.status == "succeeded", confirmed
    until("it is active", lambda: it.subscription(made.id)["status"] == "active")
    assert it.charged(customer) == 1_000


@contract
def a_card_that_needs_its_owner_does_not_pay_by_itself(it):
    customer = it.customer("authenticationRequired")
    subscribe = lambda: it.subscribe(customer, payment_behavior="error_if_incomplete")
    refused(subscribe, stripe.CardError, 402, "subscription_payment_intent_requires_action")
    made = it.subscribe(customer, expand=["latest_invoice.payments"])
    payment = made.latest_invoice.payments.data[0].payment
    assert made.status == "incomplete" and payment.type == "payment_intent", made
    assert it.api.payment_intents.retrieve(payment.payment_intent).status == "requires_action"
    it.api.subscriptions.cancel(made.id)


@contract
def a_key_replays_its_answer(it):
    key, params = uuid.uuid4().hex, {"metadata": {"contract": "key"}}
    create = lambda params: it.api.customers.create(params, {"idempotency_key": key})
    first, second = create(params), create(params)
    assert first.id == second.id
    headers = second.last_response.headers
    assert headers["Idempotent-Replayed"] == "true" and headers["Original-Request"] == first.last_response.request_id, headers
    error = refused(lambda: create({"metadata": {"contract": "other"}}), stripe.IdempotencyError, 400)
    assert error.error.type == "idempotency_error", error.http_body
    price = lambda: it.api.products.create({"name": "x"}, {"idempotency_key": key})
    refused(price, stripe.IdempotencyError, 400)
    # an error that came after the request had begun is kept, one of validation is not
    key, customer = uuid.uuid4().hex, it.customer("chargeCustomerFail")
    subscribe = lambda: it.api.subscriptions.create(
        {"customer": customer, "items": [{"price": it.monthly}], "payment_behavior": "error_if_incomplete"},
        {"idempotency_key": key},
    )
    refused(subscribe, stripe.CardError, 402)
    replayed = refused(subscribe, stripe.CardError, 402)
    assert replayed.headers["Idempotent-Replayed"] == "true", replayed.headers
    key = uuid.uuid4().hex
    refused(lambda: create({"nonsense": "x"}), stripe.InvalidRequestError, 400, "parameter_unknown")
    assert create(params).id


@contract
def an_item_is_changed_by_its_id_and_added_without(it):
    customer = it.customer("visa")
    made = it.subscribe(customer)
    [item] = items(made)
    added = it.api.subscriptions.update(made.id, {"items": [{"price": it.dearer}], "proration_behavior": "none"})
    assert {one["price"]["id"] for one in items(added)} == {it.monthly, it.dearer}, added
    other = next(one for one in items(added) if one["id"] != item["id"])
    removed = it.api.subscriptions.update(
        made.id, {"items": [{"id": other["id"], "deleted": True}], "proration_behavior": "none"}
    )
    assert [one["id"] for one in items(removed)] == [item["id"]], removed
    changed = it.api.subscriptions.update(
        made.id, {"items": [{"id": item["id"], "price": it.dearer, "quantity": 2}], "proration_behavior": "none"}
    )
    [one] = items(changed)
    assert (one["id"], one["price"]["id"], one["quantity"]) == (item["id"], it.dearer, 2), changed
    assert it.charged(customer) == 1_000, "nothing is prorated"
    for wrong in [[{"id": "si_none", "quantity": 1}], [{"id": item["id"], "price": "price_none"}]]:
        change = lambda: it.api.subscriptions.update(made.id, {"items": wrong})
        refused(change, stripe.InvalidRequestError, 400, "resource_missing")


@contract
def proration_charges_at_once_or_with_the_next_invoice(it):
    customer = it.customer("visa")
    made = it.subscribe(customer)
    change = lambda **params: it.api.subscriptions.update(made.id, {"expand": ["latest_invoice"], **params})
    item = items(made)[0]["id"]
    dearer = change(items=[{"id": item, "price": it.dearer}], proration_behavior="always_invoice")
    assert (dearer.latest_invoice.billing_reason, dearer.latest_invoice.status) == ("subscription_update", "paid"), dearer
    assert 1_990 <= dearer.latest_invoice.amount_paid <= 2_000, "the difference of a period that has just begun"
    assert items(dearer)[0]["current_period_end"] == items(made)[0]["current_period_end"]
    cheaper = change(items=[{"id": item, "price": it.monthly}], proration_behavior="create_prorations")
    assert cheaper.latest_invoice.id == dearer.latest_invoice.id, "its credit waits for the next invoice"
    yearly = change(items=[{"id": item, "price": it.yearly}], proration_behavior="create_prorations")
    assert yearly.latest_invoice.id != dearer.latest_invoice.id, "another interval is charged at once"
    [item] = items(yearly)
    assert 365 * DAY <= item["current_period_end"] - item["current_period_start"] <= 366 * DAY, item
    # 90 for the year, less what is left of 10 and of the credit of 20
    assert 5_980 <= yearly.latest_invoice.amount_paid <= 6_020, yearly.latest_invoice


@contract
def a_subscription_is_cancelled_at_its_end_or_at_once(it):
    customer = it.customer("visa")
    made = it.subscribe(customer)
    ending = it.api.subscriptions.update(made.id, {"cancel_at_period_end": True})
    assert ending.status == "active" and ending.cancel_at_period_end and ending.canceled_at, ending
    assert ending.cancel_at == items(made)[0]["current_period_end"], ending
    going_on = it.api.subscriptions.update(made.id, {"cancel_at_period_end": False})
    assert (going_on.cancel_at_period_end, going_on.cancel_at, going_on.canceled_at) == (False, None, None), going_on
    ended = it.api.subscriptions.cancel(made.id, {"prorate": False, "invoice_now": False})
    assert ended.status == "canceled" and ended.ended_at, ended
    error = refused(lambda: it.api.subscriptions.cancel(made.id), stripe.InvalidRequestError, 404, "resource_missing")
    assert error.param == "id", error.http_body
    change = lambda: it.api.subscriptions.update(made.id, {"cancel_at_period_end": True})
    refused(change, stripe.InvalidRequestError, 400)
    assert len(it.invoices(customer)) == 1


@contract
def a_trial_that_is_ended_with_a_card_is_charged(it):
    customer = it.customer()
    trial = it.subscribe(customer, trial_period_days=7)
    method = it.api.payment_methods.attach("pm_card_visa", {"customer": customer}).id
    it.api.customers.update(customer, {"invoice_settings": {"default_payment_method": method}})
    active = it.api.subscriptions.update(trial.id, {"trial_end": "now", "expand": ["latest_invoice"]})
    assert (active.status, active.latest_invoice.amount_paid) == ("active", 1_000), active
    [item] = items(active)
    assert abs(item["current_period_start"] - time.time()) < 300 and active.trial_end <= time.time() + 60, active


@contract
def lists_are_filtered_and_come_in_pages(it):
    customer = it.customer("visa")
    made = [it.subscribe(customer, price).id for price in [it.monthly, it.dearer, it.yearly]]
    it.api.subscriptions.cancel(made[0])
    ids = lambda **params: {one["id"] for one in plain(it.api.subscriptions.list({"customer": customer, **params}))["data"]}
    assert ids() == set(made[1:]) and ids(status="all") == set(made) and ids(status="canceled") == {made[0]}
    assert ids(price=it.yearly) == {made[2]} and ids(status="all", price=it.monthly) == {made[0]}
    page = it.api.subscriptions.list({"customer": customer, "status": "all", "limit": 1})
    assert page.has_more and [one.id for one in page.auto_paging_iter()] == made[::-1], page
    nowhere = lambda: it.api.subscriptions.list({"customer": "cus_none"})
    refused(nowhere, stripe.InvalidRequestError, 400, "resource_missing")


@contract
def mistakes_are_answered_with_their_kind(it):
    refused(lambda: it.api.customers.create({"emial": "x"}), stripe.InvalidRequestError, 400, "parameter_unknown")
    error = refused(lambda: it.api.subscriptions.create({}), stripe.InvalidRequestError, 400, "parameter_missing")
    assert error.param in ("customer", "items"), error.http_body
    refused(lambda: it.api.customers.retrieve("cus_none"), stripe.InvalidRequestError, 404, "resource_missing")
    refused(lambda: it.client.raw_request("get", "/v1/nonsense"), stripe.InvalidRequestError, 404)
    refused(lambda: it.api.customers.list({"limit": 1}, {"api_key": "sk_test_wrong"}), stripe.AuthenticationError, 401)
    customer = it.customer()
    wrong = lambda: it.subscribe(customer, payment_behavior="nonsense")
    refused(wrong, stripe.InvalidRequestError, 400)
    expand = lambda: it.api.customers.retrieve(customer, {"expand": ["nonsense"]})
    refused(expand, stripe.InvalidRequestError, 400)
    default = lambda: it.api.customers.update(customer, {"invoice_settings": {"default_payment_method": "pm_none"}})
    refused(default, stripe.InvalidRequestError, 400, "resource_missing")


@contract
def metadata_is_merged_and_a_deleted_customer_is_gone(it):
    customer = it.api.customers.create({"metadata": {"a": "1", "b": "2"}}).id
    merged = it.api.customers.update(customer, {"metadata": {"b": "", "c": "3"}})
    assert plain(merged)["metadata"] == {"a": "1", "c": "3"}, merged
    assert plain(it.api.customers.delete(customer))["deleted"] is True
    assert plain(it.api.customers.retrieve(customer))["deleted"] is True
    refused(lambda: it.subscribe(customer), stripe.InvalidRequestError, 400, "resource_missing")


@contract
def an_older_version_has_periods_on_the_subscription(it):
    customer = it.customer("visa")
    made = it.subscribe(customer, expand=["latest_invoice.payments"])
    old = plain(it.api.subscriptions.retrieve(made.id, {"expand": ["latest_invoice"]}, {"stripe_version": "2024-06-20"}))
    assert old["current_period_end"] == items(made)[0]["current_period_end"], old
    assert "current_period_end" not in old["items"]["data"][0], old
    assert old["latest_invoice"]["payment_intent"].startswith("pi_"), old
    assert "current_period_end" not in plain(made), made


@contract
def periods_roll_over_and_the_renewal_is_charged(it):
    clock = it.clock()
    customer = it.customer("visa", clock)
    made = it.subscribe(customer)
    before = items(made)[0]
    it.advance(clock, before["current_period_end"] - before["current_period_start"] + 2 * HOUR)
    after = it.subscription(made.id)
    item = after["items"]["data"][0]
    assert (after["status"], item["current_period_start"]) == ("active", before["current_period_end"]), after
    assert [one["status"] for one in it.invoices(customer)] == ["paid", "paid"]
    assert it.charged(customer) == 2_000
    it.api.subscriptions.update(made.id, {"cancel_at_period_end": True})
    it.advance(clock, item["current_period_end"] - item["current_period_start"] + HOUR)
    ended = it.subscription(made.id)
    assert ended["status"] == "canceled" and ended["ended_at"] == item["current_period_end"], ended
    assert it.charged(customer) == 2_000
    it.api.test_helpers.test_clocks.delete(clock)


@contract
def a_renewal_that_fails_is_past_due_until_it_is_paid(it):
    clock = it.clock()
    customer = it.customer("visa", clock)
    made = it.subscribe(customer)
    failing = it.api.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": customer}).id
    it.api.customers.update(customer, {"invoice_settings": {"default_payment_method": failing}})
    item = items(made)[0]
    it.advance(clock, item["current_period_end"] - item["current_period_start"] + 2 * HOUR)
    late = it.subscription(made.id)
    assert late["status"] == "past_due", late
    invoice = next(one for one in it.invoices(customer) if one["id"] == late["latest_invoice"])
    assert invoice["status"] == "open" and invoice["attempt_count"] == 1 and invoice["next_payment_attempt"], invoice
    refused(lambda: it.api.invoices.pay(invoice["id"]), stripe.CardError, 402, "card_declined")
    visa = it.api.payment_methods.attach("pm_card_visa", {"customer": customer}).id
    assert it.api.invoices.pay(invoice["id"], {"payment_method": visa}).status == "paid"
    assert it.subscription(made.id)["status"] == "active"
    it.api.test_helpers.test_clocks.delete(clock)


@contract
def a_trial_without_a_card_pauses_and_is_resumed(it):
    clock = it.clock()
    customer = it.customer(clock=clock)
    settings = lambda behavior: {"end_behavior": {"missing_payment_method": behavior}}
    paused = it.subscribe(customer, trial_period_days=5, trial_settings=settings("pause"))
    ended = it.subscribe(customer, it.dearer, trial_period_days=5, trial_settings=settings("cancel"))
    it.advance(clock, 5 * DAY + HOUR)
    statuses = [it.subscription(one.id)["status"] for one in [paused, ended]]
    assert statuses == ["paused", "canceled"], statuses
    method = it.api.payment_methods.attach("pm_card_visa", {"customer": customer}).id
    it.api.customers.update(customer, {"invoice_settings": {"default_payment_method": method}})
    it.api.subscriptions.resume(paused.id, {"payment_behavior": "resume_on_payment_success"})
    assert it.subscription(paused.id)["status"] == "active" and it.charged(customer) == 1_000
    refused(lambda: it.api.subscriptions.resume(paused.id), stripe.InvalidRequestError, 400)
    it.api.test_helpers.test_clocks.delete(clock)


@contract
def webhook_endpoints_show_their_secret_once(it):
    params = {"url": "https://example.com/stripe", "enabled_events": ["invoice.paid"], "api_version": "2024-06-20"}
    made = it.api.webhook_endpoints.create(params)
    assert made.secret.startswith("whsec_") and made.status == "enabled", made
    shown = plain(it.api.webhook_endpoints.retrieve(made.id))
    assert "secret" not in shown and shown["enabled_events"] == ["invoice.paid"], shown
    assert made.id in [one.id for one in it.api.webhook_endpoints.list({"limit": 100}).data]
    assert plain(it.api.webhook_endpoints.delete(made.id))["deleted"] is True
    refused(lambda: it.api.webhook_endpoints.retrieve(made.id), stripe.InvalidRequestError, 404, "resource_missing")


@contract
def changes_are_events(it):
    customer = it.customer("visa")
    made = it.subscribe(customer)
    it.api.subscriptions.update(made.id, {"metadata": {"a": "1"}})
    updated = until(
        "the event is there",
        lambda: [
            one
            for one in plain(it.api.events.list({"type": "customer.subscription.updated", "limit": 20}))["data"]
            if one["data"]["object"]["id"] == made.id
        ],
    )
    assert updated[0]["data"]["previous_attributes"]["metadata"] is not None, updated
    assert plain(it.api.events.retrieve(updated[0]["id"]))["data"]["object"]["metadata"] == {"a": "1"}


# What is the emulator's own


class Receiver:
    """Takes webhooks, and verifies each with the official library."""

    def __init__(self, account, events):
        self.account, self.events, self.statuses = account, [], []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                status = receiver.statuses.pop(0) if receiver.statuses else 200
                try:
                    event = stripe.Webhook.construct_event(body, self.headers["stripe-signature"], receiver.secret)
                    signatures = self.headers["stripe-signature"].count("v1=")
                    receiver.events.append((status, signatures, plain(event)))
                except Exception as error:
                    receiver.events.append((status, 0, {"id": repr(error), "type": "unverified"}))
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{self.server.server_port}/"
        endpoint = account.api.webhook_endpoints.create({"url": url, "enabled_events": events})
        self.id, self.secret = endpoint.id, endpoint.secret

    def of(self, id):
        """The events of an object that were answered with 2xx, as they came."""
        came = [event for status, _, event in list(self.events) if status < 300]
        assert all(event["type"] != "unverified" for event in came), came
        return [event for event in came if event["data"]["object"]["id"] == id]

    def close(self):
        self.account.api.webhook_endpoints.delete(self.id)
        self.server.shutdown()


@emulator
def webhooks_are_signed_repeated_and_come_when_they_are_let(it):
    receiver = Receiver(it, ["*"])
    customer = it.customer("visa")
    receiver.statuses = [500, 503]  # the first two attempts of whatever comes
    made = it.subscribe(customer)
    [created] = until("it came after its retries", lambda: receiver.of(made.id))
    assert created["type"] == "customer.subscription.created" and created["data"]["object"]["status"] == "active", created
    assert created["request"]["idempotency_key"], "the library sends one with each POST"
    until("each came", lambda: it.control("GET", "webhooks")["pending"] == [])
    assert {status for status, _, _ in receiver.events} == {200, 500, 503}

    # held back, then delivered by hand in another order, twice, or never
    it.control("POST", "webhooks", {"hold": True, "customer": customer})
    for number in "123":
        it.api.subscriptions.update(made.id, {"metadata": {"number": number}})
    pending = [one for one in it.control("GET", "webhooks")["pending"] if one["customer"] == customer]
    updates = [one["event"] for one in pending if one["type"] == "customer.subscription.updated"]
    assert len(updates) == 3 and len(receiver.of(made.id)) == 1, pending
    for event in [updates[2], updates[0], updates[0]]:
        assert it.control("POST", f"events/{event}/resend", {})["statuses"] == [200]
    numbers = [event["data"]["object"]["metadata"]["number"] for event in receiver.of(made.id)[1:]]
    assert numbers == ["3", "1", "1"], numbers
    it.control("POST", "webhooks", {"discard": True, "hold": False, "customer": customer})
    it.control("POST", "webhooks", {"copies": 3, "shuffle": True, "customer": customer})
    it.api.subscriptions.update(made.id, {"metadata": {"number": "4"}})
    fourth = lambda: [one for one in receiver.of(made.id) if one["data"]["object"]["metadata"].get("number") == "4"]
    until("three copies came", lambda: len(fourth()) == 3)
    assert len({one["id"] for one in fourth()}) == 1

    # a new secret, and for a day the old one beside it
    old = receiver.secret
    new = it.control("POST", f"webhook_endpoints/{receiver.id}/roll", {})["secret"]
    assert new != old
    for number, secret in [("5", old), ("6", new)]:
        receiver.secret = secret
        it.api.subscriptions.update(made.id, {"metadata": {"number": number}})
        last = lambda: receiver.of(made.id)[-1]["data"]["object"]["metadata"]["number"]
        until("it came", lambda: last() == number)
        assert receiver.events[-1][1] == 2, receiver.events[-1]
        until("each came", lambda: it.control("GET", "webhooks")["pending"] == [])
    receiver.close()


@emulator
def the_library_retries_through_dropped_connections_without_a_second_subscription(it):
    patient = stripe.StripeClient(it.key, base_addresses={"api": it.url}, max_network_retries=3)
    for fault in [{"drop": "before"}, {"drop": "after"}, {"status": 503, "when": "before"}, {"drop": "after", "times": 2}]:
        customer = it.customer("visa")
        it.control("POST", "faults", {"method": "POST", "path_prefix": "/v1/subscriptions", "contains": customer, **fault})
        params = {"customer": customer, "items": [{"price": it.monthly}]}
        if "status" in fault:
            # what was answered with 500 and more is replayed, until another key is used
            error = refused(lambda: patient.v1.subscriptions.create(params), stripe.APIError, 503)
            assert error.headers["Idempotent-Replayed"] == "true", error.headers
            patient.v1.subscriptions.create(params)
        else:
            assert patient.v1.subscriptions.create(params).status == "active"
        assert it.control("GET", "faults")["faults"] == []
        listed = plain(it.api.subscriptions.list({"customer": customer, "status": "all"}))["data"]
        assert len(listed) == 1 and it.charged(customer) == 1_000, (fault, listed)
        log = it.control("GET", f"requests?contains={customer}")["requests"]
        tries = [one for one in log if one["method"] == "POST" and one["path"] == "/v1/subscriptions"]
        assert len(tries) >= 2 and all(one["stripe_version"] and one["idempotency_key"] for one in tries), tries
    # an error that came after the work was done
    customer = it.customer("visa")
    it.control("POST", "faults", {"path_prefix": "/v1/subscriptions", "contains": customer, "status": 500, "when": "after"})
    refused(lambda: it.subscribe(customer), stripe.APIError, 500)
    assert it.charged(customer) == 1_000


@emulator
def a_key_is_refused_while_its_request_is_under_way(it):
    customer, key = it.customer("visa"), uuid.uuid4().hex
    it.control("POST", "faults", {"path_prefix": "/v1/subscriptions", "contains": key, "delay_ms": 3_000})
    subscribe = lambda: it.api.subscriptions.create(
        {"customer": customer, "items": [{"price": it.monthly}]}, {"idempotency_key": key}
    )
    answers = []
    first = threading.Thread(target=lambda: answers.append(subscribe()))
    first.start()
    until("it is under way", lambda: it.control("GET", f"requests?contains={key}")["requests"])
    error = refused(subscribe, stripe.StripeError, 409, "idempotency_key_in_use")
    assert "in-progress" in error.user_message, error.http_body
    first.join()
    assert subscribe().id == answers[0].id
    # a key is forgotten after 24 hours of the emulator's clock
    it.control("POST", "clock", {"advance_seconds": DAY + HOUR})
    assert subscribe().id != answers[0].id


@emulator
def a_token_is_used_once_and_the_publishable_key_makes_cards_alone(it):
    browser = {"api_key": sys.argv[3]}
    card = {"card": {"number": "4242 4242 4242 4242", "exp_month": 8, "exp_year": 2030, "cvc": "123"}}
    token = it.api.tokens.create(card, browser).id
    use = lambda: it.api.payment_methods.create({"type": "card", "card": {"token": token}})
    assert use().card.exp_year == 2030
    refused(use, stripe.InvalidRequestError, 400, "token_already_used")
    assert it.api.payment_methods.create({"type": "card", **card}, browser).id
    refused(lambda: it.api.customers.create({}, browser), stripe.AuthenticationError, 401)
    wrong = {"card": {**card["card"], "number": "4111"}}
    refused(lambda: it.api.tokens.create(wrong, browser), stripe.CardError, 402, "incorrect_number")
    basic = urllib.request.Request(f"{it.url}/v1/customers?limit=1")
    basic.add_header("authorization", "Basic " + base64.b64encode(f"{it.key}:".encode()).decode())
    with urllib.request.urlopen(basic) as answer:
        assert json.load(answer)["object"] == "list"
    try:
        urllib.request.urlopen(f"{it.url}/v1/customers")
        raise AssertionError("a request without a key was answered")
    except urllib.error.HTTPError as error:
        assert error.code == 401, error


@emulator
def an_incomplete_subscription_expires_and_a_customer_has_a_clock_of_its_own(it):
    customer, other = it.customer("authenticationRequired"), it.customer("authenticationRequired")
    made, theirs = it.subscribe(customer), it.subscribe(other)
    now = it.control("GET", "clock")["now"]
    it.control("POST", "clock", {"advance_seconds": 22 * HOUR, "customer": customer})
    assert it.subscription(made.id)["status"] == "incomplete"
    moved = it.control("POST", "clock", {"advance_seconds": 2 * HOUR, "customer": customer})["now"]
    assert it.subscription(made.id)["status"] == "incomplete_expired" and it.subscription(theirs.id)["status"] == "incomplete"
    assert [one["status"] for one in it.invoices(customer)] == ["void"]
    assert moved - now >= 24 * HOUR and it.control("GET", "clock")["now"] - now < HOUR
    # what the customer does in the browser
    for succeeds, status in [(False, "incomplete"), (True, "active")]:
        if succeeds:
            invoice = it.subscription(theirs.id)["latest_invoice"]
            pay = lambda: it.api.invoices.pay(invoice)
            refused(pay, stripe.CardError, 402, "invoice_payment_intent_requires_action")
        intent = plain(it.api.payment_intents.list({"customer": other}))["data"][0]["id"]
        it.control("POST", f"payment_intents/{intent}/authenticate", {"succeeds": succeeds})
        assert it.subscription(theirs.id)["status"] == status
    assert it.charged(other) == 1_000


@emulator
def a_renewal_that_is_never_paid_ends_as_the_settings_say(it):
    price = it.control("POST", "prices", {
        "id": "price_chosen_month", "product": "prod_chosen", "currency": "usd", "unit_amount": 700, "interval": "month",
    })
    assert price["id"] == it.api.prices.retrieve("price_chosen_month").id
    for setting, status in [("unpaid", "unpaid"), ("past_due", "past_due"), ("cancel", "canceled")]:
        it.control("POST", "settings", {"after_retries": setting})
        customer = it.customer("visa")
        made = it.subscribe(customer, "price_chosen_month")
        failing = it.api.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": customer}).id
        it.api.customers.update(customer, {"invoice_settings": {"default_payment_method": failing}})
        end = items(made)[0]["current_period_end"]
        # the charge is tried when the draft is an hour old, and after 3, 5 and 7 days
        for days, seen in [(0, "past_due"), (3, "past_due"), (8, "past_due"), (15, status)]:
            it.control("POST", "clock", {"now": end + days * DAY + 2 * HOUR, "customer": customer})
            subscription = it.subscription(made.id)
            assert subscription["status"] == seen, (setting, days, subscription)
        assert it.charged(customer) == 700
        if setting == "cancel":
            assert subscription["cancellation_details"]["reason"] == "payment_failed", subscription


@emulator
def a_paused_subscription_that_is_resumed_by_default_waits_for_its_payment(it):
    customer = it.customer()
    pause = {"end_behavior": {"missing_payment_method": "pause"}}
    trials = [it.subscribe(customer, price, trial_period_days=3, trial_settings=pause) for price in [it.monthly, it.dearer]]
    it.control("POST", "clock", {"advance_seconds": 3 * DAY, "customer": customer})
    refused(lambda: it.api.subscriptions.resume(trials[0].id), stripe.InvalidRequestError, 400, "resource_missing")
    method = it.api.payment_methods.attach("pm_card_visa", {"customer": customer}).id
    it.api.customers.update(customer, {"invoice_settings": {"default_payment_method": method}})
    for trial in trials:
        assert it.api.subscriptions.resume(trial.id).status == "paused"
    assert it.charged(customer) == 0
    # paid by hand, or after an hour
    it.api.invoices.pay(it.subscription(trials[0].id)["latest_invoice"])
    assert [it.subscription(trial.id)["status"] for trial in trials] == ["active", "paused"]
    it.control("POST", "clock", {"advance_seconds": HOUR, "customer": customer})
    assert it.subscription(trials[1].id)["status"] == "active" and it.charged(customer) == 4_000
    kinds = [one["type"] for one in plain(it.api.events.list({"type": "customer.subscription.*", "limit": 100}))["data"]
             if one["data"]["object"]["id"] == trials[1].id]
    want = {"created", "trial_will_end", "paused", "resumed", "updated"}
    assert want == {kind.rsplit(".", 1)[1] for kind in kinds}, kinds


def run(name, account, checks):
    for check in checks:
        check(account)
        print(f"{name}: {check.__name__}", flush=True)


if __name__ == "__main__":
    emulated = Account(sys.argv[2], sys.argv[1])
    run("contract with the emulator", emulated, CONTRACT)
    run("emulator", emulated, EMULATOR)
    real = os.environ.get("STRIPE_TEST_KEY", "")
    if real:
        assert real.startswith(("sk_test_", "rk_test_")), "STRIPE_TEST_KEY is no key of the test mode"
        run("contract with Stripe", Account(real), CONTRACT)
