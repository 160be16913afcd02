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

async function ask(headers: Record<string, string>, body: unknown): Promise<Session> {
  const answer = await fetch(PATH, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-console': '1', ...headers },
    body: JSON.stringify(body),
    cache: 'no-store',
    credentials: 'same-origin',
  });
  const text = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new SignInError(answer.status, String(text.detail ?? text.message ?? answer.statusText));
  return text as Session;
}

export class SignInError extends Error {
  constructor(readonly status: number, message: string) {
    super(message);
  }
}

/** Signs in with credentials as headers, or with a code. */
export async function signIn(headers: Record<string, string>, code?: string): Promise<void> {
  const found = await ask(headers, code ? { code } : {});
  signedOutBecause.value = '';
  session.value = found;
}

/** Goes on with the cookie's session, or learns that there is none. */
export async function resumeSession(): Promise<void> {
  await renew();
}

/** Asks for the next access token. One request at a time. */
export function renew(): Promise<Session | null> {
  renewing ??= (async () => {
    try {
      session.value = await ask({}, {});
    } catch (error) {
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

export async function signOut(): Promise<void> {
  await fetch(PATH, { method: 'DELETE', headers: { 'x-console': '1' }, credentials: 'same-origin' }).catch(() => undefined);
  signedOutBecause.value = '';
  session.value = null;
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
