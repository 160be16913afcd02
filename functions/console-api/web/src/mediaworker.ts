// A service worker that gives a player the media of an item: it asks the API for each part with the page's access token, so that
// neither the token nor anything as good as it is in an address. Everything else passes by.

/** What a player of the console asks for: `/console/media/{id of an item}`. */
const PATH = /^\/console\/media\/(itm_[0-9a-f]{32})$/;
/** How long a page may take to give its token. */
const PATIENCE_MS = 10_000;

// the parts of the Service Workers specification that are used here; TypeScript's own types of it exclude those of pages
interface Lifetime extends Event {
  waitUntil(work: Promise<unknown>): void;
}
interface Fetching extends Lifetime {
  readonly request: Request;
  readonly clientId: string;
  respondWith(answer: Promise<Response>): void;
}
interface Page {
  postMessage(message: unknown, transfer: Transferable[]): void;
}
interface WorkerScope {
  readonly clients: { claim(): Promise<void>; get(id: string): Promise<Page | undefined> };
  skipWaiting(): Promise<void>;
  addEventListener(type: 'install' | 'activate' | 'message', listener: (event: Lifetime) => void): void;
  addEventListener(type: 'fetch', listener: (event: Fetching) => void): void;
}

const worker = self as unknown as WorkerScope;

worker.addEventListener('install', () => void worker.skipWaiting());
worker.addEventListener('activate', (event) => event.waitUntil(worker.clients.claim()));
// a page that was reloaded past the worker asks to be taken
worker.addEventListener('message', (event) => event.waitUntil(worker.clients.claim()));
worker.addEventListener('fetch', (event) => {
  const { origin, pathname } = new URL(event.request.url);
  const id = PATH.exec(pathname)?.[1];
  if (id && origin === location.origin) event.respondWith(media(event, id));
});

async function media(event: Fetching, id: string): Promise<Response> {
  const page = await worker.clients.get(event.clientId);
  const token = page && (await tokenOf(page));
  if (!token) return new Response(null, { status: 401 });
  const headers = { authorization: `Bearer ${token}`, range: event.request.headers.get('range') ?? 'bytes=0-' };
  return fetch(`/api/v1/Media/Items/${id}/media`, { headers, credentials: 'omit', redirect: 'error', signal: event.request.signal });
}

/** The access token of the page that plays, which keeps it in memory. */
function tokenOf(page: Page): Promise<string> {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.onmessage = (message) => resolve(String(message.data));
    setTimeout(() => resolve(''), PATIENCE_MS);
    page.postMessage('token', [port2]);
  });
}
