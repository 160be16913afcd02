// The form that signs in: with a key pair, or with a token of the application's OpenID Connect provider.
import { useSignal } from '@preact/signals';
import { signedOutBecause, signIn } from './session';
import { ErrorText, Field } from './ui';

export function SignIn() {
  const way = useSignal<'key' | 'token'>('key');
  const [key, secret, application, token] = [useSignal(''), useSignal(''), useSignal(''), useSignal('')];
  const error = useSignal<unknown>(undefined);
  const busy = useSignal(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    busy.value = true;
    error.value = undefined;
    const headers: Record<string, string> =
      way.value === 'key'
        ? { 'x-api-key': key.value.trim(), 'x-api-secret': secret.value.trim() }
        : { 'x-application-id': application.value.trim(), authorization: `Bearer ${token.value.trim()}` };
    try {
      await signIn(headers);
    } catch (why) {
      error.value = why;
    } finally {
      busy.value = false;
    }
  };
  return (
    <main class="sign-in">
      <h1>Sign in</h1>
      {signedOutBecause.value && <p class="note">{signedOutBecause.value}</p>}
      <div class="tabs" role="group" aria-label="How">
        <button type="button" aria-pressed={way.value === 'key'} onClick={() => (way.value = 'key')}>
          Key pair
        </button>
        <button type="button" aria-pressed={way.value === 'token'} onClick={() => (way.value = 'token')}>
          OpenID token
        </button>
      </div>
      <form onSubmit={submit}>
        {way.value === 'key' ? (
          <>
            <Field label="x-api-key" value={key.value} set={(it) => (key.value = it)} required autocomplete="username" />
            <Field label="x-api-secret" type="password" value={secret.value} set={(it) => (secret.value = it)} required autocomplete="current-password" />
          </>
        ) : (
          <>
            <Field label="Application id" value={application.value} set={(it) => (application.value = it)} required hint="A UUID; the settings of the application list the issuers that it trusts" />
            <Field label="Access token" type="password" value={token.value} set={(it) => (token.value = it)} required hint="Of an OpenID Connect issuer, for the audience that the settings name, with scopes" />
          </>
        )}
        <ErrorText error={error.value} />
        <button class="primary" disabled={busy.value}>
          Sign in
        </button>
      </form>
      <p class="hint">
        On the local stack, <code>notify console</code> prints a link that signs in.
      </p>
    </main>
  );
}
