// Numbers, sizes and times as people read them.

const NUMBER = new Intl.NumberFormat();
const TIME = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const DATE_TIME = new Intl.DateTimeFormat(undefined, {
  year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit',
});
const MONEY = new Intl.NumberFormat(undefined, { style: 'currency', currency: 'USD', currencyDisplay: 'narrowSymbol' });
/** What is less than a cent, with its first two digits. */
const SMALL_MONEY = new Intl.NumberFormat(undefined, { style: 'currency', currency: 'USD', currencyDisplay: 'narrowSymbol', maximumSignificantDigits: 2 });
const CLOCK = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });

export const count = (it: number) => NUMBER.format(it);
export const money = (it: number) => (it > 0 && it < 0.01 ? SMALL_MONEY : MONEY).format(it);
/** The time of day of a moment in seconds since 1970. */
export const clock = (seconds: number) => CLOCK.format(seconds * 1_000);

export function bytes(size: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let at = 0;
  while (size >= 1_000 && at < units.length - 1) {
    size /= 1_000;
    at += 1;
  }
  return `${at === 0 ? size : size.toFixed(1)} ${units[at]}`;
}

/** A time in the browser's zone: of today without the date. */
export function localTime(text: string | number): string {
  const time = new Date(text);
  return time.toDateString() === new Date().toDateString() ? TIME.format(time) : DATE_TIME.format(time);
}

export const utc = (text: string | number) => `${new Date(text).toISOString().replace('T', ' ').replace('Z', '')} UTC`;

/** How long ago, or ahead. */
export function ago(text: string | number, now: number): string {
  const seconds = Math.round((now - new Date(text).getTime()) / 1_000);
  const [value, unit] = span(Math.abs(seconds));
  return seconds < 0 ? `in ${value} ${unit}` : `${value} ${unit} ago`;
}

function span(seconds: number): [number, string] {
  if (seconds < 90) return [seconds, 's'];
  if (seconds < 5_400) return [Math.round(seconds / 60), 'min'];
  if (seconds < 129_600) return [Math.round(seconds / 3_600), 'h'];
  return [Math.round(seconds / 86_400), 'd'];
}

export const duration = (seconds: number) => span(Math.max(0, Math.round(seconds))).join(' ');

/** A position in a video: `1:02:03.4`. */
export function timecode(ms: number): string {
  const seconds = ms / 1_000;
  const [h, m, s] = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60, seconds % 60];
  const tail = s.toFixed(1).padStart(4, '0');
  return h > 0 ? `${h}:${String(m).padStart(2, '0')}:${tail}` : `${m}:${tail}`;
}

/** The last part of an object's key. */
export const fileName = (key: string) => key.split('/').pop() || key;
