// A real headless Chromium in the console, driven by lines of JSON: each line on the input is a command, each line on the output its
// answer, `{"ok":…}` or `{"failed":"…"}`.
//
// Environment: MODULES. Commands: `open` a URL in a tab, `use` a tab, `click`, `fill`, `select`, `wait` for a selector (and a text in
// it), `text`, `texts`, `count`, `attribute`, `scroll` a list, `topmost` (its first row that is seen whole), `answer` requests to a URL instead of the API, `press` a key, `focused`, `halt` (pauses the video at a frame behind `from`; where it is, in seconds), `loads` (when the page was loaded), `size` of the window, `scheme`, `stored` (what scripts could keep), `cookies`, `address`, `axe`
// (serious violations), `complaints` (errors of the page since the last time), `reload`, `end`.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const require = createRequire(process.env.MODULES + '/');
const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const PATIENCE = 120_000;

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
context.setDefaultTimeout(PATIENCE);
const tabs = {};
const complaints = [];
let page;

/** Opens a tab, or goes on in it. What the page complains of is kept. */
async function use(name) {
  page = tabs[name] ??= await context.newPage();
  if (!page.watched) {
    page.watched = true;
    page.on('console', (it) => it.type() === 'error' && complaints.push(it.text()));
    page.on('pageerror', (it) => complaints.push(it.message));
    page.on('dialog', (it) => it.accept());
  }
}

/** axe in a world of its own, which the page's policy does not reach. */
async function violations() {
  const client = await context.newCDPSession(page);
  const { frameTree } = await client.send('Page.getFrameTree');
  const { executionContextId: contextId } = await client.send('Page.createIsolatedWorld', { frameId: frameTree.frame.id, worldName: 'axe' });
  await client.send('Runtime.evaluate', { expression: axe, contextId });
  const expression = `axe.run(document, { resultTypes: ['violations'] }).then((it) => JSON.stringify(it.violations))`;
  const { result } = await client.send('Runtime.evaluate', { expression, contextId, awaitPromise: true, returnByValue: true });
  await client.detach();
  const serious = JSON.parse(result.value).filter((it) => ['serious', 'critical'].includes(it.impact));
  return serious.map((it) => `${it.id}: ${it.nodes.map((node) => node.html).join(' ').slice(0, 300)}`);
}

const located = (it) => (it.text === undefined ? page.locator(it.at) : page.locator(it.at, { hasText: it.text }));
const commands = {
  open: async (it) => {
    await use(it.tab ?? 'first');
    await page.goto(it.url);
  },
  use: (it) => use(it.tab),
  reload: async () => void (await page.reload()),
  click: (it) => located(it).first().click(),
  fill: (it) => located(it).first().fill(it.value),
  select: (it) => located(it).first().selectOption(it.value),
  wait: (it) => located(it).first().waitFor({ state: it.state ?? 'visible' }),
  text: (it) => located(it).first().innerText(),
  texts: (it) => located(it).allInnerTexts(),
  count: (it) => located(it).count(),
  scroll: (it) => located(it).first().evaluate((box, to) => void (box.scrollTop = to), it.to),
  topmost: async (it) => {
    await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));
    return located(it).first().evaluate((box) => {
      const top = box.getBoundingClientRect().top;
      return [...box.querySelectorAll('li')].find((row) => row.getBoundingClientRect().top >= top)?.textContent?.trim() ?? '';
    });
  },
  answer: (it) => page.route(it.url, (route) => route.fulfill({ json: it.json })),
  attribute: (it) => located(it).first().getAttribute(it.name),
  size: async (it) => {
    await page.setViewportSize({ width: it.width, height: it.height });
    return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  },
  scheme: (it) => page.emulateMedia({ colorScheme: it.scheme }),
  stored: () => page.evaluate(() => ({ local: localStorage.length, session: sessionStorage.length, cookie: document.cookie })),
  cookies: () => context.cookies(),
  address: () => page.url(),
  press: (it) => page.keyboard.press(it.key),
  focused: () => page.evaluate(() => document.activeElement?.textContent?.trim() ?? ''),
  halt: async (it) => {
    await page.waitForFunction((from) => {
      const video = document.querySelector('video');
      if (!video || video.readyState < 2 || video.seeking || video.currentTime < from) return false;
      video.pause();
      return true;
    }, it.from);
    return page.evaluate(() => document.querySelector('video').currentTime);
  },
  loads: () => page.evaluate(() => performance.timeOrigin),
  axe: violations,
  complaints: () => complaints.splice(0),
};

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  if (command.do === 'end') break;
  try {
    console.log(JSON.stringify({ ok: (await commands[command.do](command)) ?? null }));
  } catch (error) {
    console.log(JSON.stringify({ failed: `${line}: ${error.message}` }));
  }
}
await browser.close();
process.exit(0);
