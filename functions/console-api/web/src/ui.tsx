// Parts that all pages share.
import { signal, useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef } from 'preact/hooks';
import { ApiError } from './api';
import { ago, localTime, utc } from './format';

/** The time now, once a second, for what says how long ago something was. */
export const now = signal(Date.now());
setInterval(() => {
  if (document.visibilityState === 'visible') now.value = Date.now();
}, 1_000);

/** A time in the browser's zone; with the mouse on it, in UTC. */
export function Time({ at, relative }: { at: string | number | undefined; relative?: boolean }) {
  if (at === undefined) return <span class="dim">–</span>;
  const iso = new Date(at).toISOString();
  return (
    <time dateTime={iso} title={utc(at)}>
      {relative ? ago(at, now.value) : localTime(at)}
    </time>
  );
}

const TONES: Record<string, string> = {
  Completed: 'good', delivered: 'good', active: 'good', ENABLED: 'good', live: 'good',
  Processing: 'busy', Pending: 'busy', retrying: 'warn', recovering: 'warn', queued: 'busy', waiting: 'busy', connecting: 'busy', slow: 'warn',
  unconfirmed: 'warn', unwanted: 'plain', offline: 'bad',
  Failed: 'bad', dead: 'bad', disabled: 'bad', failing: 'bad', dropped: 'bad', FAILING: 'bad', DISABLED: 'bad', MISSING: 'bad', CHANGED: 'warn',
};

export function Badge({ text }: { text: string }) {
  return <span class={`badge ${TONES[text] ?? 'plain'}`}>{text}</span>;
}

export function ErrorText({ error }: { error: unknown }) {
  if (!error) return null;
  return (
    <p class="error" role="alert">
      {error instanceof Error ? error.message : String(error)}
    </p>
  );
}

export function Empty({ children }: { children: ComponentChildren }) {
  return <p class="empty">{children}</p>;
}

export function Panel(props: { title: string; children: ComponentChildren; actions?: ComponentChildren; class?: string }) {
  const id = useId();
  return (
    <section class={`panel ${props.class ?? ''}`} aria-labelledby={id}>
      <header>
        <h2 id={id}>{props.title}</h2>
        {props.actions && <div class="actions">{props.actions}</div>}
      </header>
      {props.children}
    </section>
  );
}

export interface ActionProps {
  children: ComponentChildren;
  run: () => Promise<unknown>;
  disabled?: boolean;
  kind?: 'primary' | 'danger';
  label?: string;
  done?: string;
}

/** A button that does something at the API, once at a time, and says what came of it. */
export function Action({ children, run, disabled, kind, label, done }: ActionProps) {
  const busy = useSignal(false);
  const click = async () => {
    busy.value = true;
    try {
      await run();
      if (done) toast(done);
    } catch (error) {
      toast(error instanceof Error ? error.message : String(error), true);
    } finally {
      busy.value = false;
    }
  };
  return (
    <button type="button" class={kind} disabled={disabled || busy.value} aria-busy={busy.value} aria-label={label} onClick={click}>
      {children}
    </button>
  );
}

interface ToastText {
  id: number;
  text: string;
  bad: boolean;
}

const announcement = signal('');
let nextAnnouncement: string | undefined;
let announceTimer = 0;
/** Announcements are this far apart: what comes in between is replaced by the newest. */
const ANNOUNCE_MS = 4_000;

/** Says something to screen readers alone, when they have the time: however often it is called, they are not flooded. */
export function announce(text: string): void {
  nextAnnouncement = text;
  if (announceTimer) return;
  const say = () => {
    announceTimer = 0;
    if (nextAnnouncement === undefined) return;
    announcement.value = nextAnnouncement;
    nextAnnouncement = undefined;
    announceTimer = window.setTimeout(say, ANNOUNCE_MS);
  };
  say();
}

/** The live region, which is there before anything is said in it. */
export function Announcements() {
  return (
    <p class="unseen" role="status" aria-live="polite">
      {announcement.value}
    </p>
  );
}

const toasts = signal<ToastText[]>([]);
let toastId = 0;

/** Says something for some seconds, to screen readers as well. */
export function toast(text: string, bad = false): void {
  const id = (toastId += 1);
  toasts.value = [...toasts.value.slice(-3), { id, text, bad }];
  setTimeout(() => (toasts.value = toasts.value.filter((it) => it.id !== id)), bad ? 12_000 : 5_000);
}

/** What went wrong interrupts, the rest does not. Both regions are always there: one that comes with its text is not read out. */
export function Toasts() {
  const of = (bad: boolean) =>
    toasts.value
      .filter((it) => it.bad === bad)
      .map((it) => (
        <div key={it.id} class={it.bad ? 'toast bad' : 'toast'}>
          {it.text}
        </div>
      ));
  return (
    <div class="toasts">
      <div role="alert">{of(true)}</div>
      <div role="status">{of(false)}</div>
    </div>
  );
}

export interface FieldProps {
  label: string;
  value: string;
  set: (text: string) => void;
  type?: 'text' | 'password' | 'search' | 'url' | 'number' | 'datetime-local';
  hint?: string;
  error?: string | undefined;
  list?: readonly (string | readonly [string, string])[] | undefined;
  required?: boolean;
  rows?: number;
  autocomplete?: string;
}

/** A field with its label, what is wrong with it as one types, and a hint. */
export function Field({ label, value, set, type = 'text', hint, error, list, required, rows, autocomplete = 'off' }: FieldProps) {
  const id = useId();
  const described = error ? `${id}-error` : hint ? `${id}-hint` : undefined;
  const shared = { id, value, required: required ?? false, 'aria-invalid': !!error, 'aria-describedby': described };
  const input = (event: Event) => set((event.currentTarget as HTMLInputElement).value);
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {list ? (
        <select {...shared} onChange={input}>
          {list.map((it) => (typeof it === 'string' ? <option value={it}>{it}</option> : <option value={it[0]}>{it[1]}</option>))}
        </select>
      ) : rows ? (
        <textarea {...shared} rows={rows} spellcheck={false} onInput={input} />
      ) : (
        <input {...shared} type={type as 'text'} spellcheck={false} autocomplete={autocomplete} onInput={input} />
      )}
      {error ? (
        <p class="wrong" id={`${id}-error`}>
          {error}
        </p>
      ) : (
        hint && (
          <p class="hint" id={`${id}-hint`}>
            {hint}
          </p>
        )
      )}
    </div>
  );
}

export function Check({ label, value, set }: { label: string; value: boolean; set: (on: boolean) => void }) {
  return (
    <label class="check">
      <input type="checkbox" checked={value} onChange={(event) => set(event.currentTarget.checked)} /> {label}
    </label>
  );
}

/** A dialog over the page, closed by Escape and by its button. */
export function Dialog({ title, close, children }: { title: string; close: () => void; children: ComponentChildren }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    // closed by its button or not, the focus goes back to where it was
    const before = document.activeElement;
    dialog.current?.showModal();
    return () => {
      if (before instanceof HTMLElement && before.isConnected) before.focus({ preventScroll: true });
    };
  }, []);
  return (
    <dialog ref={dialog} aria-labelledby={id} onClose={close}>
      <header>
        <h2 id={id}>{title}</h2>
        <button type="button" aria-label="Close" onClick={() => dialog.current?.close()}>
          ×
        </button>
      </header>
      {children}
    </dialog>
  );
}

/** A secret that is shown now and never again. */
export function OnceShown({ name, secret }: { name: string; secret: string }) {
  return (
    <div class="once">
      <span>{name}</span>
      <code>{secret}</code>
      <Action run={() => navigator.clipboard.writeText(secret)} done="Copied">
        Copy
      </Action>
    </div>
  );
}

/** The message of a field's error, if an error is about this field. */
export function fieldError(error: unknown, ...names: string[]): string | undefined {
  if (!(error instanceof ApiError)) return undefined;
  const same = (it: string) => names.some((name) => it.toLowerCase() === name.toLowerCase());
  if (error.field && same(error.field.split(/[.[]/)[0] ?? '')) return error.message;
  return Object.entries(error.errors).find(([name]) => same(name))?.[1]?.join(' ');
}

/** Calls something at once and then every so often, while the page is visible. */
export function usePolling(run: () => Promise<unknown>, ms: number, dependencies: unknown[]): void {
  useEffect(() => {
    let stopped = false;
    let timer = 0;
    const next = async () => {
      if (document.visibilityState === 'visible') await run().catch(() => undefined);
      if (!stopped) timer = window.setTimeout(() => void next(), ms);
    };
    void next();
    return () => {
      stopped = true;
      clearTimeout(timer);
    };
  }, dependencies);
}
