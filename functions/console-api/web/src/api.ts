// Requests to the public API.
import { accessToken, renew, session } from './session';

/** An answer that is not a success. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly field?: string,
    readonly errors: Record<string, string[]> = {},
  ) {
    super(message);
  }
}

type Query = Record<string, string | number | boolean | undefined>;

export interface RequestOptions {
  query?: Query;
  json?: unknown;
  form?: Record<string, string>;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

function address(path: string, query: Query = {}): string {
  const pairs = Object.entries(query).filter((it): it is [string, string | number | boolean] => it[1] !== undefined && it[1] !== '');
  const text = new URLSearchParams(pairs.map(([name, value]) => [name, String(value)])).toString();
  return text ? `${path}?${text}` : path;
}

async function send(method: string, path: string, options: RequestOptions): Promise<Response> {
  const headers: Record<string, string> = { ...options.headers, authorization: `Bearer ${await accessToken()}` };
  const init: RequestInit = { method, headers, credentials: 'omit' };
  if (options.json !== undefined) {
    headers['content-type'] = 'application/json';
    init.body = JSON.stringify(options.json);
  } else if (options.form) {
    headers['content-type'] = 'application/x-www-form-urlencoded';
    init.body = new URLSearchParams(options.form).toString();
  }
  if (options.signal) init.signal = options.signal;
  const answer = await fetch(address(path, options.query), init);
  if (answer.status === 401 && (await renew())) {
    headers['authorization'] = `Bearer ${await accessToken()}`;
    return fetch(address(path, options.query), init);
  }
  return answer;
}

/** The problem of an answer: RFC 9457's, or the channel API's envelope with `errors` by field. */
async function problem(answer: Response): Promise<ApiError> {
  const body = await answer.json().catch(() => ({}));
  const errors: Record<string, string[]> = typeof body.errors === 'object' && body.errors ? body.errors : {};
  const texts = Object.values(errors).flat().filter((it) => typeof it === 'string');
  const text = texts.join(' ') || body.detail || body.title || body.message || `${answer.status} ${answer.statusText}`;
  return new ApiError(answer.status, String(text), body.field, errors);
}

/** Sends a request; answers the JSON of a success. */
export async function request<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
  const answer = await send(method, path, options);
  if (!answer.ok) throw await problem(answer);
  if (answer.status === 204) return undefined as T;
  const text = await answer.text();
  return (text ? JSON.parse(text) : undefined) as T;
}

/** A resource and its version, which `If-Match` takes. */
export interface Versioned<T> {
  value: T;
  tag: string;
}

/** Sends a request; answers the JSON of a success, and its version. */
export async function requestVersion<T>(method: string, path: string, options: RequestOptions = {}): Promise<Versioned<T>> {
  const answer = await send(method, path, options);
  if (!answer.ok) throw await problem(answer);
  return { value: (await answer.json()) as T, tag: answer.headers.get('etag') ?? '' };
}

export const get = <T>(path: string, query: Query = {}, headers: Record<string, string> = {}) =>
  request<T>('GET', path, { query, headers });

/** The channel API, each of whose requests names the application. */
export function channelApi<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
  const query = { applicationId: session.value?.applicationId, ...options.query };
  return request<T>(method, `/api/v1/Notification${path}`, {
    ...options,
    query,
    headers: { 'x-extended': 'true', ...options.headers },
  });
}

/** A picture or another file. */
export async function getBlob(path: string, signal?: AbortSignal): Promise<Blob> {
  const answer = await send('GET', path, signal ? { signal } : {});
  if (!answer.ok) throw await problem(answer);
  return answer.blob();
}
