"""The seed's overview from start to end, with requests and websockets: a channel, a subscription, messages, a drop, a
reconnect, and a replay to other channels. Arguments: base URL, API key, API secret, JSON or XML. Prints what it saw."""
import asyncio
import json
import sys
import xml.etree.ElementTree as ET

import requests
import websockets

BASE, KEY, SECRET, FORMAT = sys.argv[1:]
USER = {"JSON": "tel%3A%2B19585550110", "XML": "tel%3A%2B19585550111"}[FORMAT]
PROTOCOL = "notificationchannel-netapi-rest.openmobilealliance.org"
NC, NMS = ("urn:oma:xml:rest:netapi:notificationchannel:1", "urn:oma:xml:rest:netapi:nms:1")
XSI = "{http://www.w3.org/2001/XMLSchema-instance}type"
MEDIA_TYPE = {"JSON": "application/json", "XML": "application/xml"}[FORMAT]
KEYS = {"x-api-key": KEY, "x-api-secret": SECRET}


def write(root, members):
    """A document: members are texts, numbers, dictionaries, or lists of these."""
    if FORMAT == "JSON":
        return json.dumps({root: members})
    namespace = NC if root.startswith(("notification", "longPolling", "conn")) else NMS
    ET.register_namespace("nc", NC)
    top = ET.Element(f"{{{namespace}}}{root}")

    def fill(element, members):
        for name, value in members.items():
            for one in value if isinstance(value, list) else [value]:
                child = ET.SubElement(element, name)
                if name == "channelData":
                    child.set(XSI, f"nc:{members['channelType']}Data")
                if isinstance(one, dict):
                    fill(child, one)
                else:
                    child.text = str(one)

    fill(top, members or {})
    return ET.tostring(top, encoding="unicode")


def read(text, root):
    """A document's members; in XML all are texts, and all that can be repeated are lists."""
    if FORMAT == "JSON":
        document = json.loads(text)
        assert list(document) == [root], f"the root is not {root}: {text}"
        return document[root]
    top = ET.fromstring(text)
    namespace = NC if root.startswith(("notification", "conn")) else NMS
    assert top.tag == f"{{{namespace}}}{root}", f"the root is not {root}: {text}"
    return members_of(top)


def members_of(element):
    repeated = {"nmsEvent", "link", "flag"}
    members = dict(element.attrib)
    members.pop(XSI, None)
    for child in element:
        value = members_of(child) if len(child) or child.attrib else child.text
        if child.tag in repeated:
            members.setdefault(child.tag, []).append(value)
        else:
            members[child.tag] = value
    return members


def lists_of(text):
    """The event lists of a notificationList, which may be empty."""
    if FORMAT == "JSON":
        document = json.loads(text)
        if "notificationList" in document:
            return [it["nmsEventList"] for it in document["notificationList"] or []]
        return [document["nmsEventList"]] if "nmsEventList" in document else []
    top = ET.fromstring(text)
    found = [top] if top.tag == f"{{{NMS}}}nmsEventList" else top.findall(f"{{{NMS}}}nmsEventList")
    return [members_of(it) for it in found]


def ask(method, url, want, body=None, keys=KEYS, kind=MEDIA_TYPE):
    url = url if url.startswith("http") else BASE + url
    headers = {"accept": MEDIA_TYPE, **({"content-type": kind} if body is not None else {}), **keys}
    answer = requests.request(method, url, data=None if body is None else body.encode(), headers=headers, timeout=60)
    assert answer.status_code == want, f"{method} {url}: {answer.status_code}, not {want}: {answer.text}"
    if answer.content:
        assert answer.headers["content-type"].startswith(MEDIA_TYPE), f"{url}: {answer.headers}"
    return answer


def channel(kind):
    members = {"channelType": kind, "channelLifetime": 7200, "channelData": {"maxNotifications": 5}}
    body = write("notificationChannel", members)
    answer = ask("POST", f"/notificationchannel/v1/{USER}/channels", 201, body)
    made = read(answer.text, "notificationChannel")
    assert answer.headers["location"] == made["resourceURL"], f"Location: {answer.headers}"
    return made


def subscribe(made, token=None):
    reference = {"notifyURL": made["callbackURL"], "callbackData": "overview", "notificationFormat": FORMAT}
    members = {"callbackReference": reference, "duration": 7200, **({"restartToken": token} if token else {})}
    answer = ask("POST", f"/nms/v1/myStore/{USER}/subscriptions", 201, write("nmsSubscription", members))
    subscription = read(answer.text, "nmsSubscription")
    assert int(subscription["index"]) == 1, f"a subscription begins at 1: {subscription}"
    assert token in (None, subscription["restartToken"]), f"the token is not echoed: {subscription}"
    return subscription


def message(text):
    """Makes a message object with a payload; answers its URL."""
    attribute = [{"name": "Subject", "value": [text]}]
    fields = write("object", {"attributes": {"attribute": attribute}, "flags": {"flag": ["\\Recent"]}})
    head = 'Content-Disposition: form-data; name="root-fields"'
    payload = 'Content-Disposition: form-data; name="attachments"; filename="message.txt"'
    body = (f"--cut\r\n{head}\r\nContent-Type: {MEDIA_TYPE}\r\n\r\n{fields}\r\n"
            f"--cut\r\n{payload}\r\nContent-Type: text/plain\r\n\r\n{text}\r\n--cut--\r\n")
    answer = ask("POST", f"/nms/v1/myStore/{USER}/objects", 201, body, kind="multipart/form-data; boundary=cut")
    return answer.headers["location"]


class Seen:
    """What came for one subscription: each index once and in order, and the objects that changed."""

    def __init__(self, subscription):
        self.subscription, self.index, self.objects, self.tokens = subscription, 0, [], []

    def take(self, lists):
        for it in lists:
            assert int(it["index"]) == self.index + 1, f"index {it['index']} after {self.index}"
            assert it["callbackData"] == "overview", f"callbackData: {it}"
            links = [(link["rel"], link["href"]) for link in it["link"]]
            assert ("NmsSubscription", self.subscription["resourceURL"]) in links, f"link: {it}"
            self.index += 1
            self.tokens.append(it["restartToken"])
            for event in it["nmsEvent"]:
                changed = event["changedObject"]["resourceURL"]
                if changed not in self.objects:  # a replay may repeat
                    self.objects.append(changed)

    async def listen(self, socket, objects):
        while not set(objects) <= set(self.objects):
            self.take(lists_of(await asyncio.wait_for(socket.recv(), 120)))


def open_socket(made):
    return websockets.connect(made["channelData"]["channelURL"], subprotocols=[PROTOCOL])


async def overview():
    live = channel("WebSockets")
    seen = Seen(subscribe(live))
    async with open_socket(live) as socket:
        assert socket.subprotocol == PROTOCOL, f"the subprotocol is {socket.subprotocol}"
        first = [message(f"message {number}") for number in range(2)]
        await seen.listen(socket, first)
        earlier = seen.tokens[-1]
    # closed: a frame that is under way to a connection that just broke may be lost, and is replayed by its token
    dropped = [message(f"while away {number}") for number in range(3)]
    async with open_socket(live) as socket:
        await seen.listen(socket, dropped)
        await socket.send(write("connCheck", {}) if FORMAT == "XML" else '{"connCheck": null}')
        while "connAck" not in (text := await asyncio.wait_for(socket.recv(), 120)):
            seen.take(lists_of(text))
        lifetime = int(read(text, "connAck")["channelLifetime"])
        assert lifetime > 0, f"connAck: {text}"
    assert seen.objects == first + dropped, f"{seen.objects} is not {first + dropped}"

    # another client of the user comes back with what the first one knew
    replayed = Seen(None)
    second = channel("WebSockets")
    replayed.subscription = subscribe(second, earlier)
    async with open_socket(second) as socket:
        await replayed.listen(socket, dropped)
    assert replayed.objects == dropped, f"the replay is {replayed.objects}, not {dropped}"

    polled, third = Seen(None), channel("LongPolling")
    polled.subscription = subscribe(third, earlier)
    for _ in range(10):
        body = write("longPollingRequestParameters", {})
        answer = ask("POST", third["channelData"]["channelURL"], 200, body, keys={})
        polled.take(lists_of(answer.text))
        if set(dropped) <= set(polled.objects):
            break
    assert polled.objects == dropped, f"the polls gave {polled.objects}, not {dropped}"

    for made in (live, second, third):
        ask("DELETE", made["resourceURL"], 204)
        ask("GET", made["resourceURL"], 404)
    return {"format": FORMAT, "live": len(first), "queued": len(dropped), "replayed": len(replayed.objects),
            "polled": len(polled.objects), "lifetime": lifetime}


print(json.dumps(asyncio.run(overview())))
