// A page at another origin than the API's, in a real headless Chromium: reads an inbox and opens a hub.
//
// Environment: URL (the API), TOKEN (a user's), USER_ID, MODULES, PICTURES (paths of large ones, a JSON list), KEY and SECRET
// (the application's). Serves its page itself, says `origin …`, waits for a
// line, and goes on; then one line per finding. A second origin, which nobody lists, serves the same page.
import { createRequire } from 'node:module';
import fs from 'node:fs';
import http from 'node:http';
import readline from 'node:readline';

const require = createRequire(process.env.MODULES + '/');
const { chromium } = require('playwright-core');
const { URL: api, TOKEN, USER_ID, KEY, SECRET } = process.env;
const pictures = JSON.parse(process.env.PICTURES);
const script = fs.readFileSync(process.env.MODULES + '/node_modules/@microsoft/signalr/dist/browser/signalr.js');
const answers = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();

const site = async () => {
  const server = http.createServer((request, response) => {
    const wanted = request.url === '/signalr.js';
    response.setHeader('content-type', wanted ? 'text/javascript' : 'text/html');
    response.end(wanted ? script : '<!doctype html><title>page</title><script src="/signalr.js"></script>');
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return `http://127.0.0.1:${server.address().port}`;
};
const [home, foreign] = [await site(), await site()];
console.log(`origin ${home}`);
await answers.next();

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
const inbox = async ({ api, token, user }) => {
  const headers = { authorization: `Bearer ${token}` };
  return fetch(`${api}/api/v1/Inbox/${user}/Notifications`, { headers })
    .then(async (it) => `read ${it.status} ${(await it.json()).items.map((it) => it.title).join(',')}`, (it) => `refused ${it.name}`);
};
// a large picture is answered with a link to the bucket, which is a third origin
const picture = async ({ api, path, key, secret }) => {
  const headers = { 'x-api-key': key, 'x-api-secret': secret };
  return fetch(api + path, { headers })
    .then(async (it) => `picture ${it.status} ${it.redirected} ${it.headers.get('content-type')} ${(await it.arrayBuffer()).byteLength}`, (it) => `picture refused ${it.name}`);
};
const given = { api, token: TOKEN, user: USER_ID };
const page = await browser.newPage();
page.on('console', (message) => console.log(message.text()));
await page.goto(home);
console.log('home', await page.evaluate(inbox, given));
// the client as its documentation shows it: it negotiates with credentials, which only a named origin may
await page.evaluate(async ({ api, token }) => {
  const hub = new signalR.HubConnectionBuilder()
    .withUrl(`${api}/hubs/notifications`, { accessTokenFactory: () => token })
    .configureLogging(signalR.LogLevel.None).build();
  hub.on('Notifications', (items) => items.forEach((it) => console.log(`told ${it.title}`)));
  await hub.start();
  await hub.invoke('Subscribe', null);
  console.log('home subscribed');
}, given);
for (const path of pictures) {
  console.log('home', await page.evaluate(picture, { api, path, key: KEY, secret: SECRET }));
}
const other = await browser.newPage();
await other.goto(foreign);
console.log('foreign', await other.evaluate(inbox, given));
console.log('foreign', await other.evaluate(picture, { api, path: pictures[0], key: KEY, secret: SECRET }));
console.log('foreign hub', await other.evaluate(async ({ api, token }) => {
  const hub = new signalR.HubConnectionBuilder()
    .withUrl(`${api}/hubs/notifications`, { accessTokenFactory: () => token })
    .configureLogging(signalR.LogLevel.None).build();
  return hub.start().then(() => 'opened', () => 'refused');
}, given));
await answers.next();
await browser.close();
process.exit(0);
