// `npm test`: this worker against the contract's test vector, and against a sender of jobs that it has never seen.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import test from 'node:test';
import { Webhook } from 'standardwebhooks';

const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const job = '0199a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b';

test('the contract\'s test vector', () => {
  const webhook = new Webhook(secret);
  const body = `{"spec":"1","job_id":"${job}","attempt":1,"kind":"object_detection"}`;
  const signed = [webhook.sign(`${job}_1`, new Date(1763676000_000), body)];
  const progress = '{"state":"running","progress":0.4}';
  signed.push(webhook.sign(`${job}_1_1`, new Date(1763676010_000), progress));
  const wanted = ['+JBgJxyOvj+ZGDw+B8Obun0kw5EmohrFejkY56FsdrM=', 'KIsKzbo/PPpR2GKr9db2zV98Y54I45s6nkfYrHYeY8U='];
  assert.deepEqual(signed, wanted.map((it) => `v1,${it}`));
});

test('what is unsigned is refused, a repeat is the same job, what cannot be done is told', { timeout: 30_000 }, async () => {
  const env = { ...process.env, PROCESSOR_SECRET: secret };
  const worker = spawn(process.execPath, ['worker.mjs'], { cwd: import.meta.dirname, env });
  const port = Number(await once(worker.stdout, 'data'));
  const sender = createServer(async (request, response) => {
    if (request.method === 'POST') sender.emit('told', [request.headers, await text(request)]);
    response.end('no media');
  });
  await once(sender.listen(0, '127.0.0.1'), 'listening');
  const here = `http://127.0.0.1:${sender.address().port}`;
  const order = {
    spec: '1', job_id: job, attempt: 1, kind: 'object_detection', params: {},
    deadline: new Date(Date.now() + 60_000).toISOString(),
    input: { url: `${here}/in`, media_type: 'image/jpeg', bytes: null, sha256: null },
    output: { url: `${here}/out`, max_bytes: 67_108_864 }, callback: { url: `${here}/callback` },
  };
  const send = async (at, key = secret) => {
    const body = JSON.stringify(order);
    const signature = new Webhook(key).sign(`${job}_1`, at, body);
    const headers = { 'webhook-id': `${job}_1`, 'webhook-timestamp': `${Math.floor(at / 1000)}` };
    headers['webhook-signature'] = signature;
    const answer = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', headers, body });
    return [answer.status, (await answer.json()).external_id];
  };
  assert.deepEqual(await send(new Date(), 'whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'), [401, undefined]);
  assert.deepEqual(await send(new Date(Date.now() - 301_000)), [401, undefined]);
  assert.deepEqual(await send(new Date()), [202, `${job}_1`]);
  assert.deepEqual(await send(new Date()), [202, `${job}_1`]);
  const [[headers, body]] = await once(sender, 'told');
  const { state, code, retryable } = new Webhook(secret).verify(body, headers);
  assert.deepEqual({ state, code, retryable }, { state: 'failed', code: 'media_unreadable', retryable: false });
  sender.close();
  worker.stdin.end(); // it ends with whoever started it
  await once(worker, 'exit');
});
