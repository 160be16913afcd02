// Takes the pictures of the console that the README and the guide show, of a running stack with its demo application.
//
// `npm run screenshots`, with DATA (the stack's data folder, by default `.local` in the project). It puts the project's pictures into
// the demo bucket, opens two receivers, one of which fails, publishes some events, and writes `../pictures/*.png`.
import { copyFileSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import http from 'node:http';
import { fileURLToPath } from 'node:url';
import { launch, link } from './browser.mjs';

const from = (name) => fileURLToPath(new URL(name, import.meta.url));
const data = process.env.DATA ?? from('../../../.local');
const stack = JSON.parse(readFileSync(`${data}/stack.json`, 'utf8'));
const target = new URL(process.env.STACK_URL ?? stack.url);
/** The most bytes of a picture. */
const MAX_BYTES = 200_000;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function api(method, path, { json, form } = {}) {
  const headers = { 'x-api-key': stack.api_key, 'x-api-secret': stack.api_secret, 'x-extended': 'true' };
  if (json) headers['content-type'] = 'application/json';
  const answer = await fetch(new URL(path, target), { method, headers, body: json ? JSON.stringify(json) : form && new URLSearchParams(form) });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  return text ? JSON.parse(text) : undefined;
}

async function until(what, check) {
  for (let tries = 0; tries < 300; tries += 1) {
    const found = await check();
    if (found) return found;
    await pause(200);
  }
  throw new Error(`in a minute there was no ${what}`);
}

/** A receiver that repeats challenges and answers `status` to everything else. */
async function receiver(status) {
  const server = http.createServer((request, response) => {
    let body = '';
    request.on('data', (it) => (body += it));
    request.on('end', () => {
      const message = JSON.parse(body || '{}');
      const isChallenge = message.type === 'channel.challenge';
      response.writeHead(isChallenge ? 200 : status, { 'content-type': 'text/plain' });
      response.end(isChallenge ? message.data.challenge : status === 503 ? 'the archive is being moved' : '');
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const form = { webHookUrl: `http://127.0.0.1:${server.address().port}/${status === 503 ? 'archive' : 'newsroom'}`, format: 'native', retryCount: '5' };
  const made = await api('POST', `/api/v1/Notification/ChannelConfiguration/WebHook?applicationId=${stack.application_id}`, { form });
  const query = `applicationId=${stack.application_id}&configurationId=${made.id}`;
  await until('confirmed channel', async () => (await api('GET', `/api/v1/Notification/ChannelConfiguration?${query}`)).status === 'active');
  return { id: made.id, query, server };
}

const bucket = stack.buckets[0];
const [good, failing] = [await receiver(204), await receiver(503)];
try {
  for (const name of ['astronaut.jpg', 'chelsea.jpg', 'coffee.jpg', 'clip.mp4']) copyFileSync(from(`../../../tests/media/${name}`), `${bucket.folder}/${name}`);
  await api('POST', `/api/v1/Media/Buckets/${bucket.id}/scan`);
  const items = await until('completed items', async () => {
    const { items } = await api('GET', `/api/v1/Media/Items?bucket=${bucket.id}`);
    return items.length >= 4 && items.every((it) => !['Pending', 'Processing'].includes(it.status)) && items;
  });
  for (let order = 1; order <= 6; order += 1) await api('POST', '/api/v1/Notification/Messages', { json: { type: 'order.paid', data: { order } } });
  for (const [title, description] of [['Render finished', 'clip.mp4 is ready'], ['New comment', 'Jane: the second take is better'], ['Faces found', 'astronaut.jpg: 1 face']])
    await api('POST', '/api/v1/Inbox/123/Notifications', { json: { title, description } });
  await until('failed delivery', async () => (await api('GET', `/api/v1/Notification/Deliveries?${failing.query}`)).some((it) => it.state === 'retrying'));

  const browser = await launch();
  const context = await browser.newContext({ viewport: { width: 1120, height: 640 }, colorScheme: 'light', locale: 'en-GB', reducedMotion: 'reduce' });
  const page = await context.newPage();
  mkdirSync(from('../pictures'), { recursive: true });
  const shoot = async (name) => {
    await page.waitForLoadState('networkidle');
    const path = from(`../pictures/${name}.png`);
    await page.screenshot({ path });
    const { size } = statSync(path);
    console.log(`${name}.png: ${size} bytes`);
    if (size > MAX_BYTES) throw new Error(`${name}.png has more than ${MAX_BYTES} bytes`);
  };
  await page.goto(await link(stack, target));
  await page.locator('.plot canvas').waitFor();
  await page.locator('.badge', { hasText: 'live' }).waitFor();
  await pause(1_500);
  await shoot('overview');
  const video = items.find((it) => it.key === 'clip.mp4');
  await page.setViewportSize({ width: 1020, height: 600 });
  await page.goto(`${target.origin}/console#/items/${video.id}`);
  await page.locator('.range').first().click();
  await page.waitForFunction(() => {
    const it = document.querySelector('video');
    return it && it.readyState >= 3 && !it.seeking && it.currentTime > 1.5;
  });
  await page.evaluate(() => document.querySelector('video').pause());
  await page.locator('.seen').waitFor();
  await page.mouse.move(0, 0);
  await pause(4_000); // the player hides its controls
  await shoot('item');
  await page.setViewportSize({ width: 1120, height: 640 });
  await page.goto(`${target.origin}/console#/channels/${failing.id}`);
  await page.locator('.log-row').first().click();
  await page.locator('.says').waitFor();
  await pause(300);
  await shoot('explain');
  await page.goto(`${target.origin}/console#/inbox/123`);
  await page.reload(); // the dialog is of the page before
  await page.locator('.device .badge', { hasText: 'live' }).nth(1).waitFor();
  await page.locator('.note-row button').first().click();
  await until('both devices agree', async () => (await page.locator('.note-row.unread').count()) % 2 === 0);
  await pause(500);
  await shoot('inbox');
  await browser.close();
} finally {
  for (const { query, server } of [good, failing]) {
    await api('DELETE', `/api/v1/Notification/ChannelConfiguration?${query}`);
    server.closeAllConnections();
    server.close();
  }
}
