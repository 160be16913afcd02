// The console: signs in, and shows the page that the address names.
import { effect, signal } from '@preact/signals';
import { render } from 'preact';
import { follow, liveState } from './live';
import { Loaded } from './loaded';
import { href, route, takeSignInCode } from './router';
import { mayRead, resumeSession, session, signIn, signOut } from './session';
import { SignIn } from './signin';
import { Badge, Toasts, toast } from './ui';

interface PageEntry {
  page: string;
  name: string;
  scope: string;
}

const PAGES: PageEntry[] = [
  { page: 'overview', name: 'Overview', scope: 'media' },
  { page: 'items', name: 'Items', scope: 'media' },
  { page: 'sources', name: 'Buckets and Iconik', scope: 'media' },
  { page: 'channels', name: 'Channels', scope: 'channels' },
  { page: 'messages', name: 'Messages', scope: 'messages' },
  { page: 'inbox', name: 'Inbox', scope: 'inbox' },
  { page: 'dead-letters', name: 'Dead letters', scope: '' },
  { page: 'usage', name: 'Usage', scope: 'keys' },
  { page: 'settings', name: 'Keys and settings', scope: 'keys' },
];

const menuOpen = signal(false);

function Navigation() {
  const here = route.value.page;
  return (
    <nav aria-label="Pages" class={menuOpen.value ? 'open' : ''}>
      <ul>
        {PAGES.filter((it) => !it.scope || mayRead(it.scope)).map((it) => (
          <li key={it.page}>
            <a href={href(it.page)} aria-current={here === it.page ? 'page' : undefined} onClick={() => (menuOpen.value = false)}>
              {it.name}
            </a>
          </li>
        ))}
      </ul>
    </nav>
  );
}

function Shell() {
  const current = session.value;
  if (!current) return null;
  const page = PAGES.find((it) => it.page === route.value.page);
  document.title = `${page?.name ?? 'Console'} – ${current.application}`;
  const isViewer = !current.scopes.some((it) => it !== 'read');
  return (
    <div class="shell">
      <a class="skip" href="#main" onClick={(event) => (event.preventDefault(), document.getElementById('main')?.focus())}>
        Skip to the page
      </a>
      <header class="bar">
        <button type="button" class="menu" aria-expanded={menuOpen.value} onClick={() => (menuOpen.value = !menuOpen.value)}>
          Menu
        </button>
        <strong class="name">{current.application}</strong>
        <Badge text={liveState.value} />
        {isViewer && <span class="badge plain">viewer</span>}
        <span class="space" />
        <a href="/docs">API</a>
        <button type="button" onClick={() => void signOut()}>
          Sign out
        </button>
      </header>
      <Navigation />
      <main id="main" tabIndex={-1}>
        <h1>{page?.name ?? 'There is no such page'}</h1>
        <Loaded page={route.value.page} id={route.value.id} />
      </main>
    </div>
  );
}

function App() {
  return (
    <>
      {session.value === undefined ? <p class="starting">…</p> : session.value ? <Shell /> : <SignIn />}
      <Toasts />
    </>
  );
}

let followed = '';
effect(() => {
  // a renewed token is no new session
  const who = session.value ? `${session.value.applicationId} ${session.value.keyId ?? ''}` : '';
  if (who === followed) return;
  followed = who;
  queueMicrotask(follow);
});

render(<App />, document.getElementById('app')!);

const code = takeSignInCode();
if (code) {
  signIn({}, code).catch(async () => {
    toast('The link was used already, or is too old. `notify console` prints another one.', true);
    await resumeSession();
  });
} else {
  void resumeSession();
}
