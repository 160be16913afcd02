// The guide's snippet (shared/docs/inbox.md) for a browser's console, in a real headless Chromium.
//
// Environment: SNIPPET (JavaScript), PAGE (an address on the same host), MODULES. Prints what the console says.
import { createRequire } from 'node:module';

const require = createRequire(process.env.MODULES + '/');
const { chromium } = require('playwright-core');
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
const page = await browser.newPage();
page.on('console', async (message) => {
  const values = await Promise.all(message.args().map((it) => it.jsonValue().catch(() => '')));
  console.log(values.map((it) => (typeof it === 'string' ? it : JSON.stringify(it))).join(' '));
});
await page.goto(process.env.PAGE);
await page.evaluate(process.env.SNIPPET);
process.stdin.resume();
process.stdin.on('end', async () => { await browser.close(); process.exit(0); });
