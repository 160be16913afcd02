// A processor that finds objects. It speaks the contract of external processors (/docs/processor.json of a deployment)
// and nothing else. `check` says whether its parts are there. Without an argument it serves on 127.0.0.1, at the port
// PORT, jobs that are signed with PROCESSOR_SECRET.
import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { text } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { analyse, loadModel } from './detector.mjs';

const model = await loadModel().catch((error) => {
  console.error(`${error.message}: cd shared/local/processors/objects && npm ci; apt-get install ffmpeg`);
  process.exit(1);
});
if (process.argv[2] === 'check') process.exit();

const webhook = new (await import('standardwebhooks')).Webhook(process.env.PROCESSOR_SECRET);
const jobs = new Set(); // `webhook-id` of each job that was accepted
let queue = Promise.resolve(); // one job at a time

/** Status and body of the answer to a request; an error if its signature or timestamp is wrong. */
async function answer(request) {
  const order = webhook.verify(await text(request), request.headers);
  const id = request.headers['webhook-id'];
  if (order.challenge) return [200, { challenge: order.challenge }]; // it is registered, and says that it wants jobs
  if (!jobs.has(id)) queue = queue.then(() => run(id, order)).catch((error) => console.error(id, error.message));
  jobs.add(id); // a repeat starts nothing
  return [202, { external_id: id }];
}

/** Does a job, and tells how it ended. */
async function run(id, order) {
  const folder = await mkdtemp(`${tmpdir()}/objects-`);
  const stop = new AbortController();
  let [told, messages] = [0, 0];
  const tell = (message) => call(order.callback.url, `${id}_${messages += 1}`, message);
  const progress = async (share) => {
    if (Date.now() - told < 5_000) return;
    told = Date.now();
    if (await tell({ state: 'running', progress: share }) === 409) stop.abort(); // it was cancelled, or is late
  };
  try {
    const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(Date.parse(order.deadline) - Date.now())]);
    await tell({ state: 'succeeded', result: await result(order, `${folder}/media`, signal, progress) });
  } catch ({ code = 'media_unreadable', message, retryable = false }) {
    if (!stop.signal.aborted) await tell({ state: 'failed', code, message, retryable });
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** The result of a job, or where it was put if it is long. */
async function result({ job_id, params, input, output }, file, signal, progress) {
  const media = await fetch(input.url, { signal });
  if (!media.ok) throw Object.assign(new Error(`the media's address answers ${media.status}`), { retryable: true });
  await writeFile(file, media.body, { signal });
  const seen = await analyse(model, file, { ...params, still: input.media_type.startsWith('image/') }, signal, progress);
  const producer = { models: [{ id: 'centernet-mb3' }], quality: 'demo' };
  const document = { schema: 'processor-result/1', job_id, producer, ...seen, warnings: [] };
  const body = JSON.stringify(document);
  if (body.length < 200_000) return document;
  const put = await fetch(output.url, { method: 'PUT', body, signal });
  if (!put.ok) throw Object.assign(new Error(`the result's address answers ${put.status}`), { retryable: true });
  return { ref: 'output', sha256: createHash('sha256').update(body).digest('hex') };
}

/** Posts a message to a callback, and again while that may help. The status of the last answer. */
async function call(url, id, message) {
  const body = JSON.stringify(message);
  for (const seconds of [1, 5, 25, 60, 0]) {
    const at = new Date();
    const headers = { 'webhook-id': id, 'webhook-timestamp': `${Math.floor(at / 1000)}` };
    Object.assign(headers, { 'webhook-signature': webhook.sign(id, at, body), 'content-type': 'application/json' });
    const request = { method: 'POST', headers, body, redirect: 'manual', signal: AbortSignal.timeout(15_000) };
    const status = await fetch(url, request).then((it) => it.status, () => 503);
    if ((status < 500 && status !== 429) || seconds === 0) return status;
    await pause(seconds * 1000);
  }
}

const server = createServer(async (request, response) => {
  const [status, body] = await answer(request).catch(({ message }) => [401, { code: 'unauthorized', message }]);
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
});
server.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => console.log(server.address().port));
process.stdin.on('close', () => process.exit()).resume(); // it ends with whoever started it
