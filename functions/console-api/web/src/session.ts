// Who is signed in. The session is a cookie that no script can read; what this page holds, in memory alone, is an access token of
// some minutes, for the public API.
import { signal } from '@preact/signals';

export interface Session {
  applicationId: string;
  application: string;
  accessToken: string;
  accessTokenExpiration: string;
  sessionExpiration: string;
  scopes: string[];
  keyId?: string;
  socketUrl?: string;
}

/** `undefined` until it is known whether anybody is signed in. */
export const session = signal<Session | null | undefined>(undefined);
/** Why nobody is signed in any more. */
export const signedOutBecause = signal('');

const PATH = '/console/session';
/** An access token is replaced when less than this is left of it. */
const RENEW_BEFORE_MS = 45_000;

let renewing: Promise<Session | null> | undefined;
/** Counts up when somebody signs in or out: an answer to a request from before is nobody's any more. */
let turn = 0;

async function plain<T>(path: string, init: RequestInit): Promise<T> {
  const answer = await fetch(path, { cache: 'no-store', credentials: 'same-origin', ...init });
  const text = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new SignInError(answer.status, String(text.detail ?? text.message ?? answer.statusText));
  return text as T;
}

function ask(headers: Record<string, string>, body: unknown): Promise<Session> {
  return plain(PATH, { method: 'POST', headers: { 'content-type': 'application/json', 'x-console': '1', ...headers }, body: JSON.stringify(body) });
}

export class SignInError extends Error {
  constructor(readonly status: number, message: string) {
    super(message);
  }
}

function begin(found: Session): void {
  turn += 1;
  signedOutBecause.value = '';
  session.value = found;
}

/** Signs in with a key pair or a token, as headers. */
export async function signIn(headers: Record<string, string>): Promise<void> {
  begin(await ask(headers, {}));
}

/** Signs in with the code of a link. Without `replace`, a browser that is signed in already is answered with 409. */
export async function signInWithCode(code: string, replace: boolean): Promise<void> {
  begin(await ask({}, replace ? { code, replace } : { code }));
}

/** The issuers at which people sign in to an application's console. */
export async function providers(applicationId: string): Promise<string[]> {
  const found = await plain<{ items: { issuer: string }[] }>(`/console/providers?${new URLSearchParams({ applicationId })}`, {});
  return found.items.map((it) => it.issuer);
}

/** Goes to an issuer's page, which leads back to the console. */
export async function signInAt(applicationId: string, issuer: string): Promise<void> {
  const body = JSON.stringify({ applicationId, issuer });
  const { location: page } = await plain<{ location: string }>('/console/sign-in', { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  if (/^https?:/.test(page)) location.assign(page);
}

/** Goes on with the cookie's session, or learns that there is none. */
export async function resumeSession(): Promise<void> {
  await renew();
}

/** Asks for the next access token. One request at a time. */
export function renew(): Promise<Session | null> {
  renewing ??= (async () => {
    const asked = turn;
    try {
      const found = await ask({}, {});
      if (asked === turn) session.value = found;
    } catch (error) {
      if (asked !== turn) return session.value ?? null;
      if (error instanceof SignInError && [401, 403].includes(error.status)) {
        if (session.value) signedOutBecause.value = 'The session has ended. Sign in again.';
        session.value = null;
      } else if (session.value === undefined) {
        signedOutBecause.value = error instanceof Error ? error.message : '';
        session.value = null;
      } else {
        throw error; // the network: the token may still be good
      }
    } finally {
      renewing = undefined;
    }
    return session.value ?? null;
  })();
  return renewing;
}

/** The access token, renewed if it is about to end. */
export async function accessToken(): Promise<string> {
  const current = session.value;
  if (!current) return '';
  if (Date.parse(current.accessTokenExpiration) - Date.now() > RENEW_BEFORE_MS) return current.accessToken;
  return (await renew())?.accessToken ?? '';
}

/** Signs out. The page forgets the token at once; if the server was not reached, it says so: the cookie is still good. */
export async function signOut(): Promise<void> {
  turn += 1;
  signedOutBecause.value = '';
  session.value = null;
  try {
    const answer = await fetch(PATH, { method: 'DELETE', headers: { 'x-console': '1' }, credentials: 'same-origin' });
    if (!answer.ok) throw new Error(answer.statusText);
  } catch {
    signedOutBecause.value = 'The server could not be reached: this browser may still be signed in. Reload the page, and sign out again.';
  }
}

/** Whether the session may change what a scope covers; a viewer may not. */
export function mayChange(scope: string): boolean {
  return session.value?.scopes.includes(scope) ?? false;
}

/** Whether the session may at least read it. */
export function mayRead(scope: string): boolean {
  const scopes = session.value?.scopes ?? [];
  return scopes.includes(scope) || (scopes.includes('read') && !['oma', 'billing', 'channels:reveal'].includes(scope));
}
