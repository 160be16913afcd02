// Where the user is: the part of the address behind `#`, which no server sees.
import { signal } from '@preact/signals';

export interface Route {
  page: string;
  id: string;
  query: URLSearchParams;
}

function read(): Route {
  const [path = '', query = ''] = location.hash.replace(/^#\/?/, '').split('?');
  const [page = '', ...rest] = path.split('/');
  const decode = (text: string) => {
    try {
      return decodeURIComponent(text);
    } catch {
      return text;
    }
  };
  return { page: page || 'overview', id: decode(rest.join('/')), query: new URLSearchParams(query) };
}

export const route = signal<Route>(read());

/** What the part of the address behind `#` brings, if it names no page. */
export interface Arrival {
  /** The code of a link that signs in. */
  code?: string;
  /** Why nobody was signed in at an issuer. */
  failed?: string;
  /** The application to sign in to. */
  application?: string;
}

function arrival(): Arrival | undefined {
  const text = location.hash.slice(1);
  if (!/^(sign-in|sign-in-failed|application)=/.test(text)) return undefined;
  const query = new URLSearchParams(text);
  const word = (name: string) => (/^[A-Za-z0-9-]{1,64}$/.exec(query.get(name) ?? '') ?? [])[0];
  const [code, failed, application] = [word('sign-in'), word('sign-in-failed'), word('application')];
  return { ...(code && { code }), ...(failed && { failed }), ...(application && { application }) };
}

addEventListener('hashchange', () => {
  // a link that was opened in a tab of the console loads nothing by itself: the page begins anew, and takes what it brings
  if (arrival()) return location.reload();
  route.value = read();
  scrollTo(0, 0);
});

/** The address of a page. */
export function href(page: string, id = '', query: Record<string, string> = {}): string {
  const text = new URLSearchParams(Object.entries(query).filter((it) => it[1] !== '')).toString();
  return `#/${page}${id ? `/${encodeURIComponent(id)}` : ''}${text ? `?${text}` : ''}`;
}

export function go(page: string, id = '', query: Record<string, string> = {}): void {
  location.hash = href(page, id, query);
}

/** Replaces the query of this page without a new entry of the history. */
export function setQuery(query: Record<string, string>): void {
  const { page, id } = route.value;
  history.replaceState(null, '', href(page, id, query));
  route.value = read();
}

/** What a link brings, taken out of the address at once: neither the history nor a bookmark keeps a code. */
export function takeArrival(): Arrival {
  const found = arrival();
  if (found) {
    history.replaceState(null, '', `${location.pathname}#/overview`);
    route.value = read();
  }
  return found ?? {};
}
