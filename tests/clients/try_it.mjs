// "Try it out" in the viewer, by a real headless Chromium: Authorize with a key pair, execute an operation, read the status.
//
// Environment: PAGE (the viewer), MODULES, KEY, SECRET, OPERATION (an operationId). Prints `status 200`.
import { createRequire } from 'node:module';

const require = createRequire(process.env.MODULES + '/');
const { chromium } = require('playwright-core');
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
try {
  const page = await browser.newPage();
  await page.goto(process.env.PAGE);
  await page.click('.scheme-container button.authorize');
  for (const [scheme, value] of [['key', process.env.KEY], ['secret', process.env.SECRET]]) {
    // one dialog may show a scheme for each requirement that names it
    const form = page.locator('.auth-container', { has: page.locator(`input#api_key_value, input[aria-label="auth-api-key-value"]`) })
      .filter({ hasText: scheme === 'key' ? 'x-api-key' : 'x-api-secret' })
      .filter({ hasText: `${scheme} ` })
      .first();
    await form.locator('input').fill(value);
    await form.locator('button.authorize').click();
  }
  await page.click('.modal-ux .btn-done');
  const operation = page.locator(`.opblock[id$="-${process.env.OPERATION}"]`);
  await operation.locator('.opblock-summary-control').click();
  await operation.locator('button.try-out__btn').click();
  await operation.locator('button.execute').click();
  const status = operation.locator('.live-responses-table tbody .response-col_status').first();
  await status.waitFor();
  console.log(`status ${(await status.innerText()).trim().split(/\s/)[0]}`);
} finally {
  await browser.close();
}
