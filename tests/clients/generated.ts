// Ten calls with the client that openapi-typescript and openapi-fetch make: what was sent is what is read.

import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { paths } from "./schema.ts";

const { URL: baseUrl = "", APPLICATION: applicationId = "", KEY: key = "", SECRET: secret = "" } = process.env;
const client = createClient<paths>({ baseUrl, headers: { "x-api-key": key, "x-api-secret": secret } });
const [user, group, type] = ["jane von typescript", "newsroom", "message.typed"];
let done = 0;

function same(what: string, found: unknown, wanted: unknown) {
    assert.deepEqual(found, wanted, what);
    done += 1;
}

const schema = { type: "object", required: ["sender"], properties: { sender: { type: "string" } } };
const typed = await client.PUT("/api/v1/Types/{type}", { params: { path: { type } }, body: { schema } });
same("a type", [typed.response.status, typed.data], [200, { schema }]);

const body = [
    { title: "first", type, data: { sender: "joe" } },
    { title: "second", type, data: {} },
    { title: "third" },
];
const inbox = { params: { path: { user } } };
const sent = await client.POST("/api/v1/Inbox/{user}/Notifications", { ...inbox, body });
same("a batch", sent.data?.map((it) => [it.status, it.sequence]), [[201, 1], [422, undefined], [201, 2]]);

const page = await client.GET("/api/v1/Inbox/{user}/Notifications", {
    params: { path: { user }, query: { type, limit: 10 } },
});
same("the type alone", page.data?.items.map((it) => [it.id, it.title, it.data]), [
    [sent.data?.[0]?.id, "first", { sender: "joe" }],
]);

const id = sent.data?.[0]?.id ?? "";
const changed = await client.PUT("/api/v1/Inbox/{user}/Notifications/{id}", {
    params: { path: { user, id } },
    body: { title: "first, mended", data: { sender: "jim" } },
});
same("a change", [changed.data?.id, changed.data?.title, changed.data?.data], [
    id,
    "first, mended",
    { sender: "jim" },
]);

const gone = await client.DELETE("/api/v1/Inbox/{user}/Notifications/{id}", { params: { path: { user, id } } });
const again = await client.GET("/api/v1/Inbox/{user}/Notifications/{id}", { params: { path: { user, id } } });
same("what was taken back", [gone.response.status, again.error?.status], [204, 404]);

const told = await client.POST("/api/v1/Groups/{group}/Notifications", {
    params: { path: { group } },
    body: { title: "To all of you", links: [{ href: "https://news.example.com/17" }] },
});
same("a group", told.data?.map((it) => it.status), [201]);

const ticket = await client.POST("/api/v1/Inbox/{user}/Tickets", { ...inbox, body: { groups: [group] } });
same("a ticket", [ticket.response.status, typeof ticket.data?.ticket], [201, "string"]);

const hub = { hubUrl: "https://hub.example.com/news", hubMethod: "Tell", isActive: false };
const query = { applicationId };
const channel = await client.POST("/api/v1/Notification/ChannelConfiguration/SignalR", {
    params: { query },
    body: hub,
});
same("a channel", [channel.data?.applicationId, channel.data?.channel], [applicationId, 1]);

const configurationId = channel.data?.id ?? "";
const removed = await client.DELETE("/api/v1/Notification/ChannelConfiguration", {
    params: { query: { applicationId, configurationId } },
});
same("the channel goes", removed.data, true);

const wrong = await client.GET("/api/v1/Media/Items", { params: { query: { limit: 0 } } });
same("a refusal", [wrong.error?.status, wrong.error && "field" in wrong.error && wrong.error.field], [422, "limit"]);

console.log("right", done);
