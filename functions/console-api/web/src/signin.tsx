// The form that signs in: with a key pair, at the application's OpenID Connect issuer, or with a token.
import { signal, useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { Arrival } from './router';
import { providers, session, signedOutBecause, signIn, signInAt, signInWithCode } from './session';
import { Action, Dialog, ErrorText, Field, toast } from './ui';

/** Why an issuer has signed nobody in, by the word that `/console/callback` leads back with. */
const FAILED: Record<string, string> = {
  denied: 'The provider did not sign you in. Ask who runs it whether you may use this console.',
  expired: 'Signing in took too long, or was begun in another window. Try again.',
  issuer: 'The provider’s answer could not be used. The function’s log says what is wrong with it.',
  scope: 'You are signed in at the provider, but it gives you no scope that this application grants.',
  internal: 'Something went wrong on our side. Try again.',
};

/** The application whose issuers are offered. */
const application = signal('');
/** A link that waits for an answer: this browser is signed in already. */
const offered = signal<string | undefined>(undefined);

const LINK_IS_OLD = 'The link was used already, or is too old. `notify console` prints another one.';

/** Takes what the address brought. Whoever is signed in is asked before a link signs in as somebody else. */
export async function arrive(brought: Arrival, resume: () => Promise<void>): Promise<void> {
  application.value = brought.application ?? '';
  if (brought.failed) signedOutBecause.value = FAILED[brought.failed] ?? FAILED['internal']!;
  if (!brought.code) return resume();
  try {
    await signInWithCode(brought.code, false);
  } catch (error) {
    await resume();
    const isTaken = (error as { status?: number }).status === 409;
    if (isTaken && session.value) offered.value = brought.code;
    else if (isTaken) await useLink(brought.code);
    else toast(LINK_IS_OLD, true);
  }
}

async function useLink(code: string): Promise<void> {
  try {
    await signInWithCode(code, true);
    toast(`Signed in to ${session.value?.application}`);
  } catch {
    toast(LINK_IS_OLD, true);
  }
}

/** Asks whether a link replaces the session that is there: somebody else may have made it. */
export function LinkOffer() {
  const code = offered.value;
  if (!code) return null;
  const answer = async (use: boolean) => {
    offered.value = undefined;
    if (use) await useLink(code);
  };
  return (
    <Dialog title="Sign in anew?" close={() => (offered.value = undefined)}>
      <p>
        This browser is signed in to <strong>{session.value?.application}</strong>. The link that was opened signs in anew, maybe to another application: use it only if you asked for it.
      </p>
      <div class="actions">
        <Action run={() => answer(false)} kind="primary">
          Stay signed in
        </Action>
        <Action run={() => answer(true)}>Use the link</Action>
      </div>
    </Dialog>
  );
}

type Way = 'key' | 'provider' | 'token';

export function SignIn() {
  const way = useSignal<Way>(application.value ? 'provider' : 'key');
  const choose = (it: Way, name: string) => (
    <button type="button" aria-pressed={way.value === it} onClick={() => (way.value = it)}>
      {name}
    </button>
  );
  return (
    <main class="sign-in">
      <h1 tabIndex={-1}>Sign in</h1>
      {signedOutBecause.value && (
        <p class="note" role="status">
          {signedOutBecause.value}
        </p>
      )}
      <div class="tabs" role="group" aria-label="How">
        {choose('key', 'Key pair')}
        {choose('provider', 'OpenID provider')}
        {choose('token', 'Token')}
      </div>
      {way.value === 'key' ? <KeyPair /> : way.value === 'provider' ? <Provider /> : <Token />}
      <p class="hint">
        On the local stack, <code>notify console</code> prints a link that signs in.
      </p>
    </main>
  );
}

/** A form that sends credentials as headers. */
function useSubmit(run: () => Promise<void>) {
  const error = useSignal<unknown>(undefined);
  const busy = useSignal(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    busy.value = true;
    error.value = undefined;
    try {
      await run();
    } catch (why) {
      error.value = why;
    } finally {
      busy.value = false;
    }
  };
  return { error, busy, submit };
}

function KeyPair() {
  const [key, secret] = [useSignal(''), useSignal('')];
  const { error, busy, submit } = useSubmit(() => signIn({ 'x-api-key': key.value.trim(), 'x-api-secret': secret.value.trim() }));
  return (
    <form onSubmit={submit}>
      <Field label="x-api-key" value={key.value} set={(it) => (key.value = it)} required autocomplete="username" />
      <Field label="x-api-secret" type="password" value={secret.value} set={(it) => (secret.value = it)} required autocomplete="current-password" />
      <ErrorText error={error.value} />
      <button class="primary" disabled={busy.value}>
        Sign in
      </button>
    </form>
  );
}

function Token() {
  const token = useSignal('');
  const { error, busy, submit } = useSubmit(() => signIn({ 'x-application-id': application.value.trim(), authorization: `Bearer ${token.value.trim()}` }));
  return (
    <form onSubmit={submit}>
      <ApplicationField />
      <Field label="Access token" type="password" value={token.value} set={(it) => (token.value = it)} required hint="The application’s own, or one of an OpenID Connect issuer, for the audience that the settings name, with scopes" />
      <ErrorText error={error.value} />
      <button class="primary" disabled={busy.value}>
        Sign in
      </button>
    </form>
  );
}

const ApplicationField = () => (
  <Field label="Application id" value={application.value} set={(it) => (application.value = it)} required hint="A UUID; the settings of the application list the issuers that it trusts" />
);

/** Goes to the page of an issuer that the application names. */
function Provider() {
  const found = useSignal<string[] | undefined>(undefined);
  const look = async () => {
    const id = application.value.trim();
    const issuers = await providers(id);
    found.value = issuers;
    if (issuers.length === 1) await signInAt(id, issuers[0]!);
  };
  const { error, busy, submit } = useSubmit(look);
  useEffect(() => {
    found.value = undefined;
  }, [application.value]);
  const go = async (issuer: string) => {
    try {
      await signInAt(application.value.trim(), issuer);
    } catch (why) {
      error.value = why;
    }
  };
  return (
    <form onSubmit={submit}>
      <ApplicationField />
      <ErrorText error={error.value} />
      {found.value?.length === 0 && (
        <p class="note" role="status">
          The application names no provider with a client for the console: see <code>oidc_issuers</code> among its settings.
        </p>
      )}
      {found.value && found.value.length > 1 ? (
        <div class="actions" role="group" aria-label="Providers">
          {found.value.map((it) => (
            <Action key={it} run={() => go(it)}>
              {it.replace(/^https?:\/\//, '')}
            </Action>
          ))}
        </div>
      ) : (
        <button class="primary" disabled={busy.value}>
          Continue
        </button>
      )}
    </form>
  );
}
