// The console: signs in, and shows the page that the address names.
import { effect, signal } from '@preact/signals';
import { render } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { follow, liveState } from './live';
import { Loaded } from './loaded';
import { href, route, takeArrival } from './router';
import { mayRead, resumeSession, session, signOut } from './session';
import { arrive, LinkOffer, SignIn } from './signin';
import { announce, Announcements, Badge, Toasts } from './ui';

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
  const heading = page?.name ?? 'There is no such page';
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
        <span role="status" aria-label="Live updates">
          <Badge text={liveState.value} />
        </span>
        {isViewer && <span class="badge plain">viewer</span>}
        <span class="space" />
        <a href="/docs">API</a>
        <button type="button" onClick={() => void signOut()}>
          Sign out
        </button>
      </header>
      <Navigation />
      <main id="main" tabIndex={-1}>
        <h1 tabIndex={-1}>{heading}</h1>
        <Loaded page={route.value.page} id={route.value.id} />
      </main>
    </div>
  );
}

/** Moves the focus to the heading of what is shown now, and not when the page was only loaded: the focus would be lost with what is gone. */
function useFocus(): void {
  const { page, id } = route.value;
  const shown = session.value === undefined ? '' : session.value ? `${page}/${id}` : 'sign-in';
  const before = useRef('');
  useEffect(() => {
    if (before.current && shown && before.current !== shown) {
      document.querySelector('h1')?.focus({ preventScroll: true });
      announce(document.title);
    }
    before.current = shown;
  }, [shown]);
}

function App() {
  useFocus();
  return (
    <>
      {session.value === undefined ? <p class="starting">…</p> : session.value ? <Shell /> : <SignIn />}
      <LinkOffer />
      <Announcements />
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

void arrive(takeArrival(), resumeSession);
