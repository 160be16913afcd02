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

/** The code of a link that signs in. */
const signInCode = () => /^#sign-in=([A-Za-z0-9]+)$/.exec(location.hash)?.[1];

addEventListener('hashchange', () => {
  // a link that was opened in a tab of the console loads nothing by itself: the page begins anew, and takes the code
  if (signInCode()) return location.reload();
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

/** The code of a link that signs in, taken out of the address at once: neither the history nor a bookmark keeps it. */
export function takeSignInCode(): string | undefined {
  const code = signInCode();
  if (code) {
    history.replaceState(null, '', `${location.pathname}#/overview`);
    route.value = read();
  }
  return code;
}
