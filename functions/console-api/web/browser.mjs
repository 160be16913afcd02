// Debian's Chromium, and a link that signs in: for the measurement and the screenshots.
import { chromium } from 'playwright-core';

export const launch = () =>
  chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });

/** A link that signs in to the console at `origin` once, as the stack's demo application. */
export async function link(stack, target, origin = target.origin) {
  const answer = await fetch(new URL('/console/codes', target), {
    method: 'POST',
    headers: { 'x-api-key': stack.api_key, 'x-api-secret': stack.api_secret },
  });
  if (!answer.ok) throw new Error(`no code: ${answer.status} ${await answer.text()}`);
  return `${origin}/console#sign-in=${(await answer.json()).code}`;
}
