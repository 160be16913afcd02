// Pages, each of which is loaded when it is first shown.
import { useSignal } from '@preact/signals';
import type { ComponentType } from 'preact';
import { useEffect } from 'preact/hooks';
import { ErrorText } from './ui';

type Page = ComponentType<{ id: string }>;

const MODULES: Record<string, () => Promise<{ default: Page }>> = {
  overview: () => import('./pages/overview'),
  items: () => import('./pages/items'),
  sources: () => import('./pages/sources'),
  channels: () => import('./pages/channels'),
  messages: () => import('./pages/messages'),
  inbox: () => import('./pages/inbox'),
  'dead-letters': () => import('./pages/deadletters'),
  usage: () => import('./pages/usage'),
  settings: () => import('./pages/settings'),
};

const known = new Map<string, Page>();

export function Loaded({ page, id }: { page: string; id: string }) {
  const error = useSignal<unknown>(undefined);
  const loaded = useSignal(0);
  useEffect(() => {
    const load = MODULES[page];
    if (!load || known.has(page)) return;
    error.value = undefined;
    load().then(
      (module) => {
        known.set(page, module.default);
        loaded.value += 1;
      },
      (why) => (error.value = why),
    );
  }, [page]);
  const Shown = known.get(page);
  if (error.value) return <ErrorText error="The page could not be loaded. Reload to get the newest version." />;
  if (!MODULES[page]) return <p>The menu lists all pages.</p>;
  return Shown ? <Shown key={`${page}/${id}`} id={id} /> : <p class="empty">{loaded.value >= 0 && 'Loading…'}</p>;
}
