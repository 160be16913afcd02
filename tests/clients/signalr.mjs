// The official SignalR client against the hub: one line per case, `ok name` or `not ok name: why`.
//
// Environment: URL, TOKEN (a user's token), KEY and SECRET (the application's), USER_ID. `ask: …` lines want something of
// the test that runs this, which answers with a line.
import { createRequire } from 'node:module';
import http from 'node:http';
import net from 'node:net';
import readline from 'node:readline';

const require = createRequire(process.env.MODULES + '/');
const { HubConnectionBuilder, HttpTransportType, LogLevel } = require('@microsoft/signalr');
const { URL: base, TOKEN, KEY, SECRET, USER_ID } = process.env;
const answers = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const ask = async (what) => { console.log(`ask: ${what}`); return (await answers.next()).value; };
const keys = { 'x-api-key': KEY, 'x-api-secret': SECRET, 'content-type': 'application/json' };

const send = async (title, path = `/api/v1/Inbox/${USER_ID}/Notifications`, more = {}) => {
  const answer = await fetch(base + path, { method: 'POST', headers: keys, body: JSON.stringify({ title, ...more }) });
  if (answer.status !== 201) throw new Error(`send: ${answer.status} ${await answer.text()}`);
  return (await answer.json())[0];
};
const equal = (found, wanted, what) => {
  if (JSON.stringify(found) !== JSON.stringify(wanted)) throw new Error(`${what}: ${JSON.stringify(found)}, not ${JSON.stringify(wanted)}`);
};
const until = async (what, condition) => {
  for (let round = 0; round < 1200; round++) {
    if (condition()) return;
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error(`waited for a minute until ${what}`);
};

// A proxy between the client and the hub: cuts connections as a bad network does.
const hub = new URL(base);
const proxy = async () => {
  const open = new Set();
  let refusing = false;
  const server = net.createServer((socket) => {
    if (refusing) return socket.destroy();
    const other = net.connect(Number(hub.port), hub.hostname);
    for (const it of [socket, other]) { open.add(it); it.on('error', () => {}); it.on('close', () => open.delete(it)); }
    socket.pipe(other); other.pipe(socket);
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    cut: () => open.forEach((it) => it.destroy()),
    refuse: (it) => { refusing = it; },
    end: () => { open.forEach((it) => it.destroy()); server.close(); },
  };
};

const connection = (url, options = {}, more = (it) => it) => {
  const builder = new HubConnectionBuilder().withUrl(`${url}/hubs/notifications`, {
    accessTokenFactory: () => TOKEN, transport: HttpTransportType.WebSockets, ...options,
  }).configureLogging(LogLevel.None);
  const made = more(builder).build();
  made.seen = []; made.raw = [];
  // at least once, and in the order of their numbers: what was under way while the connection opened may come twice
  made.on('Notifications', (items) => {
    made.raw.push(...items.map((one) => one.title));
    made.seen.push(...items.filter((one) => made.seen.every((it) => it.id !== one.id)));
    made.seen.sort((one, other) => one.sequence - other.sequence);
  });
  made.on('Marks', () => {});
  made.on('Pong', () => {});
  return made;
};
const titles = (it) => it.seen.map((one) => one.title);

const cases = {
  'skips negotiation': async () => {
    const it = connection(base, { skipNegotiation: true });
    await it.start();
    equal(it.connectionId, null, 'connectionId');
    await send('skipped');
    await until('it comes', () => titles(it).includes('skipped'));
    await it.stop();
  },
  'negotiates': async () => {
    const it = connection(base);
    await it.start();
    if (!it.connectionId) throw new Error('no connectionId');
    await it.stop();
  },
  'negotiates by version 0': async () => {
    const answer = await fetch(`${base}/hubs/notifications/negotiate`, { method: 'POST', headers: { authorization: `Bearer ${TOKEN}` } });
    const it = await answer.json();
    equal([it.negotiateVersion, it.connectionToken, it.useStatefulReconnect], [0, undefined, undefined], 'form');
    const ws = new (require('ws'))(`${base.replace('http', 'ws')}/hubs/notifications?id=${it.connectionId}`);
    await new Promise((done, fail) => { ws.on('open', done); ws.on('error', fail); });
    ws.close();
  },
  'is redirected': async () => {
    const server = http.createServer((_, response) => response.end(JSON.stringify({ url: `${base}/hubs/notifications`, accessToken: TOKEN })));
    await new Promise((done) => server.listen(0, '127.0.0.1', done));
    const it = connection(`http://127.0.0.1:${server.address().port}`, { accessTokenFactory: () => 'none' });
    await it.start();
    await it.stop();
    server.close();
  },
  'is refused without a token': async () => {
    const it = connection(base, { accessTokenFactory: () => undefined });
    const error = await it.start().then(() => 'started', (why) => why.message);
    if (!error.includes("Status code '401'")) throw new Error(error);
    const skipping = connection(base, { accessTokenFactory: () => 'wrong', skipNegotiation: true });
    equal(await skipping.start().then(() => 'started', () => 'refused'), 'refused', 'skipping');
  },
  'calls, and is answered only if it asked': async () => {
    const it = connection(base);
    await it.start();
    const sent = await send('to mark');
    const counts = await it.invoke('MarkRead', sent.id);
    if (typeof counts.unread !== 'number') throw new Error(JSON.stringify(counts));
    await it.send('MarkRead', sent.id);
    const why = await it.invoke('MarkRead', 'nonsense').then(() => 'done', (error) => error.message);
    equal(why, 'an id is none of this inbox', 'a wrong id');
    const unknown = await it.invoke('Dance').then(() => 'done', (error) => error.message);
    equal(unknown, "Unknown hub method 'Dance'", 'an unknown method');
    await it.stop();
  },
  'receives once and in order': async () => {
    const it = connection(base);
    await it.start();
    const body = Array.from({ length: 50 }, (_, n) => ({ title: `order ${n}` }));
    await fetch(`${base}/api/v1/Inbox/${USER_ID}/Notifications`, { method: 'POST', headers: keys, body: JSON.stringify(body) });
    await until('all come', () => titles(it).filter((one) => one.startsWith('order ')).length >= 50);
    equal(titles(it).filter((one) => one.startsWith('order ')), body.map((one) => one.title), 'order');
    await send('for the group', '/api/v1/Groups/editors/Notifications');
    await send('for everyone', '/api/v1/Everyone/Notifications');
    await until('group and everyone come', () => ['for the group', 'for everyone'].every((one) => titles(it).includes(one)));
    await it.stop();
  },
  'is told alone, put into a group, taken out of it, and closed': async () => {
    const [it, other] = [connection(base), connection(base, {}, (builder) => builder.withStatefulReconnect())];
    const words = [];
    for (const one of [it, other]) one.on('Refresh', (...all) => words.push([one === it, ...all]));
    const path = `${base}/api/v1/Inbox/${USER_ID}/Connections`;
    const all = async () => (await (await fetch(path, { headers: keys })).json()).map((one) => one.id);
    const before = await all();
    await it.start();
    // (one of an earlier case may be closing, and is not found)
    const say = (id) => fetch(`${path}/${encodeURIComponent(id)}/Messages`, { method: 'POST', headers: keys, body: JSON.stringify({ target: 'Refresh', arguments: ['list', 7] }) });
    let mine;
    for (let round = 0; !mine && round < 200; round++) {
      for (const id of (await all()).filter((one) => !before.includes(one))) {
        if (!mine && (await say(id)).status === 202) mine = id;
      }
    }
    await other.start();
    const one = `${path}/${encodeURIComponent(mine)}`;
    await until('it comes', () => words.length > 0);
    equal(words, [[true, 'list', 7]], 'to this connection alone');
    const group = `${base}/api/v1/Groups/late/Connections/${encodeURIComponent(mine)}`;
    equal((await fetch(group, { method: 'PUT', headers: keys })).status, 204, 'join');
    await send('for those who came late', '/api/v1/Groups/late/Notifications');
    await until('the group comes', () => titles(it).includes('for those who came late'));
    equal((await fetch(group, { method: 'DELETE', headers: keys })).status, 204, 'leave');
    await send('for nobody', '/api/v1/Groups/late/Notifications');
    await send('for the user');
    await until('both hear the user', () => [it, other].every((one) => titles(one).includes('for the user')));
    equal([it, other].some((one) => titles(one).includes('for nobody')), false, 'after leaving');
    let closed = 0;
    for (const one of [it, other]) one.onclose(() => { closed += 1; });
    equal((await fetch(one, { method: 'DELETE', headers: keys })).status, 204, 'close');
    await until('it is closed', () => closed === 1);
    equal((await fetch(one, { headers: keys })).status, 404, 'gone');
    equal((await fetch(path, { method: 'DELETE', headers: keys })).status, 204, 'close all');
    await until('both are closed', () => closed === 2); // a stateful one, too: it cannot be taken up again
  },
  'catches up from a cursor': async () => {
    const first = await send('seen');
    await send('missed 1'); await send('missed 2');
    const it = connection(base);
    await it.start();
    const resumed = await it.invoke('Subscribe', first.cursor);
    equal(resumed.more, false, 'more');
    equal(titles(it).filter((one) => one.startsWith('missed')), ['missed 1', 'missed 2'], 'missed');
    await it.stop();
  },
  'stays open by pings': async () => {
    const it = connection(base, {}, (builder) => builder.withKeepAliveInterval(300).withServerTimeout(1500));
    let closed = false;
    it.onclose(() => { closed = true; });
    await it.start();
    await new Promise((done) => setTimeout(done, 4000));
    equal([closed, it.state], [false, 'Connected'], 'after four seconds');
    await it.stop();
  },
  'stops when closed for good, and returns when it may': async () => {
    for (const [may, want] of [[true, 'reconnected'], [false, 'closed']]) {
      const it = connection(base, {}, (builder) => builder.withAutomaticReconnect([0, 100, 500, 1000]));
      let outcome;
      it.onreconnected(() => { outcome = 'reconnected'; });
      it.onclose(() => { outcome = 'closed'; });
      await it.start();
      await ask(may ? 'close for now' : 'close');
      await until('it hears', () => outcome);
      equal(outcome, want, `allowReconnect ${may}`);
      await it.stop();
    }
  },
  'loses nothing and doubles nothing over a drop': async () => {
    const between = await proxy();
    const it = connection(between.url, {}, (builder) => builder.withStatefulReconnect().withKeepAliveInterval(500));
    let closed = false;
    it.onclose(() => { closed = true; });
    await it.start();
    const id = it.connectionId;
    await send('before');
    await until('before comes', () => titles(it).includes('before'));
    const sent = await send('marked over the drop');
    for (let round = 0; round < 3; round++) {
      const pending = [it.invoke('MarkRead', sent.id), it.invoke('MarkRead', sent.id)];
      between.cut();
      const during = send(`during ${round}`);
      const after = it.invoke('MarkRead', sent.id);
      for (const counts of [...await Promise.all(pending), await after]) {
        if (typeof counts.unread !== 'number') throw new Error('a call was not answered');
      }
      await during;
      await until('what was sent meanwhile comes', () => titles(it).includes(`during ${round}`));
    }
    equal([closed, it.connectionId === id], [false, true], 'the same connection');
    const wanted = ['before', 'during 0', 'during 1', 'during 2'];
    equal(it.raw.filter((one) => wanted.includes(one)), wanted, 'all, as they came: in order, and none twice');
    await it.stop();
    between.end();
  },
  'starts anew where it cannot be taken up, and fills the gap by its cursor': async () => {
    const between = await proxy();
    const it = connection(between.url, {}, (builder) => builder.withStatefulReconnect().withAutomaticReconnect([100, 200, 500, 1000, 1000, 1000]));
    let again = 0;
    it.onreconnected(() => { again += 1; });
    await it.start();
    const id = it.connectionId;
    const last = await send('last seen');
    await until('last seen comes', () => titles(it).includes('last seen'));
    between.refuse(true); between.cut(); // also the one immediate attempt fails
    await send('in the gap');
    await new Promise((done) => setTimeout(done, 300));
    between.refuse(false);
    await until('it is back', () => again > 0);
    if (it.connectionId === id) throw new Error('the same connection');
    await it.invoke('Resume', last.cursor);
    if (!titles(it).includes('in the gap')) throw new Error('the gap is not filled');
    await it.stop();
    between.end();
  },
  'is released by our acknowledgements': async () => {
    const it = connection(base, {}, (builder) => builder.withStatefulReconnect());
    await it.start();
    const large = 'x'.repeat(20000);
    for (let round = 0; round < 12; round++) await it.send('Nothing', large); // 240 KB; the client blocks at 100 KB
    equal(await it.invoke('Dance').then(() => 'done', (error) => error.message), "Unknown hub method 'Dance'", 'the last call');
    await it.stop();
  },
  'is told that streams are not served': async () => {
    const it = connection(base);
    await it.start();
    const why = await new Promise((done) => it.stream('Follow', 'job-1').subscribe({ next: () => {}, complete: () => done('complete'), error: (error) => done(error.message) }));
    equal(why, 'Streaming is not supported.', 'stream');
    await it.stop();
  },
  'takes large notifications by reference': async () => {
    const it = connection(base);
    await it.start();
    const sent = await send('large', undefined, { data: { text: 'x'.repeat(30000) } });
    await until('it comes', () => it.seen.some((one) => one.id === sent.id));
    const href = it.seen.find((one) => one.id === sent.id).href;
    const answer = await fetch(base + href, { headers: { authorization: `Bearer ${TOKEN}` } });
    equal((await answer.json()).data.text.length, 30000, 'what it refers to');
    await it.stop();
  },
};

// Only where connections live for seconds: `lifetime`.
const short = {
  'lifetime, stateful: one connection over many sockets': async () => {
    const it = connection(base, {}, (builder) => builder.withStatefulReconnect().withKeepAliveInterval(500));
    let closed = false;
    it.onclose(() => { closed = true; });
    await it.start();
    const id = it.connectionId;
    for (let round = 0; round < 8; round++) {
      await send(`life ${round}`);
      await until('it comes', () => titles(it).includes(`life ${round}`));
      await new Promise((done) => setTimeout(done, 1000));
    }
    equal([closed, it.connectionId === id], [false, true], 'the same connection');
    await it.stop();
  },
  'lifetime, not stateful: it connects again and resumes by its cursor': async () => {
    const it = connection(base, {}, (builder) => builder.withAutomaticReconnect([0, 100, 500, 1000]));
    let again = 0;
    it.onreconnected(async () => { again += 1; await it.invoke('Resume', it.seen.at(-1)?.cursor ?? null); });
    await it.start();
    await send('again 0');
    await until('it comes', () => titles(it).includes('again 0'));
    for (let round = 1; round < 8; round++) {
      await send(`again ${round}`);
      await until('it comes', () => titles(it).includes(`again ${round}`));
      await new Promise((done) => setTimeout(done, 1000));
    }
    if (again === 0) throw new Error('its socket never ended');
    await it.stop();
  },
};

const wanted = process.argv[2];
for (const [name, run] of Object.entries(wanted === 'lifetime' ? short : cases)) {
  if (wanted && !name.includes(wanted)) continue;
  try {
    await run();
    console.log(`ok ${name}`);
  } catch (error) {
    console.log(`not ok ${name}: ${error.message}`);
  }
}
process.exit(0);
