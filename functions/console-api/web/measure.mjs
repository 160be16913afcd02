// Measures the console in Debian's Chromium against a running stack: what the first load costs, and whether the page answers while
// 1,000 updates a second come in.
//
// `npm run measure`, with DATA (the stack's data folder, by default `.local` in the project). Between browser and stack stands a
// proxy of this script's own: it passes everything on but the socket, whose frames it makes, as many as it wants.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { fileURLToPath } from 'node:url';
import { launch, link } from './browser.mjs';

const data = process.env.DATA ?? fileURLToPath(new URL('../../../.local', import.meta.url));
const stack = JSON.parse(readFileSync(`${data}/stack.json`, 'utf8'));
const target = new URL(process.env.STACK_URL ?? stack.url);
const PER_SECOND = 1_000;
const SECONDS = 10;
const LIST = 100_000;

/** The socket of the page that was opened last. */
let socket;

/** A text message of a server (RFC 6455, section 5.2): not masked. */
function frame(text) {
  const body = Buffer.from(text);
  const head = body.length < 126 ? Buffer.from([0x81, body.length]) : Buffer.from([0x81, 126, body.length >> 8, body.length & 255]);
  if (body.length > 65_535) throw new Error('a frame of API Gateway is shorter');
  return Buffer.concat([head, body]);
}

const send = (it) => socket.write(frame(JSON.stringify(it)));

const proxy = http.createServer((request, response) => {
  const passed = http.request({ host: target.hostname, port: target.port, method: request.method, path: request.url, headers: { ...request.headers, host: target.host } }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
  });
  passed.on('error', () => response.destroy());
  request.pipe(passed);
});
proxy.on('upgrade', (request, connection) => {
  const accept = createHash('sha1').update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  connection.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: notifications\r\n\r\n`);
  connection.on('error', () => {});
  // whatever the page says first is `resume`, and then `ping`
  const cursors = () => ['u', 'e', `a${sequence}`];
  connection.once('data', () => {
    send({ type: 'resumed', cursors: cursors(), more: false });
    connection.on('data', () => send({ type: 'pong', cursors: cursors(), time: new Date().toISOString() }));
  });
  socket = connection;
});
await new Promise((resolve) => proxy.listen(0, '127.0.0.1', resolve));
const origin = `http://127.0.0.1:${proxy.address().port}`;

// the page goes on behind what the stack has
const keys = { 'x-api-key': stack.api_key, 'x-api-secret': stack.api_secret };
const newest = await (await fetch(new URL('/api/v1/Notification/Messages?limit=1', target), { headers: keys })).json();
let sequence = newest.items[0]?.sequence ?? 0;
const STATUSES = ['found', 'completed', 'failed', 'skipped'];

/** An event of an item: a new one, or a change of one that was there. */
function event(index) {
  sequence += 1;
  const now = new Date().toISOString();
  const type = index < LIST ? 'item.found' : `item.${STATUSES[index % STATUSES.length]}`;
  const number = index < LIST ? index : LIST - 1 - (index % 500);
  const item = { id: `itm_${number.toString(16).padStart(32, '0')}`, bucket: 'rushes', key: `day-${number % 30}/clip-${number}.mxf`, mediaType: 'application/mxf', size: number * 1_000, system: 'datacore', version: 'v' };
  const more = type === 'item.completed' ? { results: { FacialRecognition: { faces: number % 7, quality: 'demo' } } } : type === 'item.failed' ? { error: { code: 'decode', message: 'the file ends early' } } : {};
  return { id: `ntf_${sequence}`, sequence, cursor: `a${sequence}`, type, createdAt: now, timestamp: now, data: { item, ...more }, seen: false, read: false, archived: false };
}

/** Sends so many events, in frames of at most fifty: they fit into 30 KB. */
function push(from, count) {
  for (let at = 0; at < count; at += 50) {
    const items = Array.from({ length: Math.min(50, count - at) }, (_, index) => event(from + at + index));
    send({ type: 'notifications', stream: 'app', items });
  }
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const browser = await launch();
const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
await context.addInitScript(() => {
  globalThis.longest = 0;
  new PerformanceObserver((list) => list.getEntries().forEach((it) => (globalThis.longest = Math.max(globalThis.longest, it.duration)))).observe({ type: 'longtask' });
});
const page = await context.newPage();
const client = await context.newCDPSession(page);
const taskMs = async () => 1_000 * (await client.send('Performance.getMetrics')).metrics.find((it) => it.name === 'TaskDuration').value;

// signed in once; what is measured is the first load of whoever comes back with a cookie and an empty cache
await page.goto(await link(stack, target, origin));
await page.locator('.tile-value').first().waitFor();
// in the thread's own CPU time, so that what else the machine does is not measured
await client.send('Performance.enable', { timeDomain: 'threadTicks' });
await client.send('Network.enable');
await client.send('Network.clearBrowserCache');
let loaded = 0;
client.on('Network.loadingFinished', (it) => (loaded += it.encodedDataLength));
const loads = [];
for (let run = 0; run < 5; run += 1) {
  await page.goto('about:blank');
  await client.send('Network.clearBrowserCache');
  loaded = 0;
  const before = await taskMs();
  await page.goto(`${origin}/console#/overview`);
  await page.locator('.tile-value').first().waitFor();
  await page.locator('.plot canvas').waitFor();
  await page.waitForLoadState('networkidle');
  loads.push({ ms: (await taskMs()) - before, bytes: loaded });
}
loads.sort((a, b) => a.ms - b.ms);
const load = loads[2];

await page.goto(`${origin}/console#/items`);
await page.locator('.virtual').waitFor();
while (!(await page.locator('.badge', { hasText: 'live' }).count())) await pause(50);
const rows = () => page.locator('.row').first().getAttribute('aria-setsize').then(Number);
let index = 0;
while (index < LIST) {
  push(index, 2_000);
  index += 2_000;
  await pause(30);
}
while ((await rows()) < LIST) await pause(100);
await page.evaluate(() => (globalThis.longest = 0));
const scrolled = [];
for (let step = 0; step <= 10; step += 1) {
  const started = performance.now();
  await page.locator('.virtual').evaluate((it, share) => (it.scrollTop = (it.scrollHeight - it.clientHeight) * share), step / 10);
  await page.waitForFunction((share) => {
    const row = document.querySelector('.row');
    return Math.abs(Number(row.getAttribute('aria-posinset')) / Number(row.getAttribute('aria-setsize')) - share) < 0.01;
  }, step / 10);
  scrolled.push(performance.now() - started);
}
const scrolling = await page.evaluate(() => globalThis.longest);
await page.locator('.virtual').evaluate((it) => (it.scrollTop = 0));
await page.evaluate(() => (globalThis.longest = 0));
const first = sequence;
const started = performance.now();
let slowestAnswer = 0;
for (let tick = 0; tick < SECONDS * 20; tick += 1) {
  push(index, PER_SECOND / 20);
  index += PER_SECOND / 20;
  if (tick % 20 === 10) {
    const asked = performance.now();
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => resolve(0))));
    slowestAnswer = Math.max(slowestAnswer, performance.now() - asked);
  }
  await pause(Math.max(0, started + (tick + 1) * 50 - performance.now()));
}
const rate = (sequence - first) / ((performance.now() - started) / 1_000);
await pause(500);
const updating = await page.evaluate(() => globalThis.longest);
await browser.close();
proxy.close();
socket?.destroy();

const report = {
  loadMs: Math.round(load.ms), loadKB: Math.round(load.bytes / 100) / 10, listOf: LIST, scrollLongestTaskMs: Math.round(scrolling), scrollAnswerMs: Math.round(Math.max(...scrolled)),
  updatesPerSecond: Math.round(rate), updateLongestTaskMs: Math.round(updating), updateAnswerMs: Math.round(slowestAnswer),
};
console.log(JSON.stringify(report));
const failed = [
  [report.loadMs <= 150, `first load: ${report.loadMs} ms of main-thread work, at most 150`],
  [report.loadKB <= 300, `first load: ${report.loadKB} KB, at most 300`],
  [report.updatesPerSecond >= PER_SECOND * 0.95, `${report.updatesPerSecond} updates a second came, ${PER_SECOND} should`],
  [report.updateLongestTaskMs < 100, `longest task while updates come: ${report.updateLongestTaskMs} ms, under 100`],
  [report.scrollLongestTaskMs < 100, `longest task while ${LIST} items scroll: ${report.scrollLongestTaskMs} ms, under 100`],
].filter(([fits]) => !fits);
failed.forEach(([, text]) => console.error(text));
process.exit(failed.length > 0 ? 1 : 0);
