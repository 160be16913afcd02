// What a bucket may be, checked as one types. The API checks the same, and more.

export interface Bucket {
  id: string;
  system: string;
  endpoint: string;
  bucket: string;
  region?: string;
  prefixes: string[];
  suffixes: string[];
  mimeTypes: string[];
  schedule: string;
  active: boolean;
  processor: string | string[];
  settings: Record<string, unknown>;
  priority: number;
  poll: string;
  fullWalkEvery?: number;
  writeBack: boolean;
  hasCredentials: boolean;
  lastError?: string;
  lastErrorAt?: string;
  nextScanAfter?: string;
  scanning?: string;
  lastScan?: { scan: string; listed: number; found: number; error?: string; unreadable: number; dry: boolean; running: boolean };
}

/** What can be done with a bucket's objects. */
export const PROCESSORS = ['FacialRecognition', 'ObjectDetection', 'AutoTranslation'];

export const processorsOf = (bucket: Bucket | undefined): string[] => [bucket?.processor ?? 'FacialRecognition'].flat();

/** A bucket's settings for other processors than it has: a backend that is named alone would be chosen for the new ones, too. */
export function settingsFor(bucket: Bucket, processors: string[]): Record<string, unknown> {
  const before = processorsOf(bucket);
  const { backend, ...others } = bucket.settings;
  if (typeof backend !== 'string' || processors.every((it) => before.includes(it))) return bucket.settings;
  return { ...others, backend: Object.fromEntries(before.map((it) => [it, backend])) };
}

export interface BucketFields {
  system: string;
  endpoint: string;
  bucket: string;
  region: string;
  prefixes: string;
  suffixes: string;
  mimeTypes: string;
  schedule: string;
  priority: string;
  poll: string;
  accessKey: string;
  secretKey: string;
}

export const list = (text: string) => text.split(',').map((it) => it.trim()).filter(Boolean);

const UNITS = /^rate\((\d+) (minute|minutes|hour|hours|day|days)\)$/;

/** What is wrong, by field. Empty fields are wrong only once they have to be sent. */
export function wrong(fields: BucketFields): Partial<Record<keyof BucketFields, string>> {
  const found: Partial<Record<keyof BucketFields, string>> = {};
  if (fields.endpoint) {
    try {
      const { protocol, username } = new URL(fields.endpoint);
      if (!['http:', 'https:'].includes(protocol)) found.endpoint = 'The endpoint begins with https:// or http://';
      else if (username) found.endpoint = 'The endpoint holds no user: the credentials have fields of their own';
    } catch {
      found.endpoint = 'Not a URL such as https://swarm.example.com';
    }
  }
  if (fields.bucket && !/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,254}$/.test(fields.bucket)) found.bucket = 'A name is 1 to 255 letters, digits, dots and hyphens';
  if (fields.region && !/^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/.test(fields.region)) found.region = 'A region is 1 to 63 letters, digits and hyphens';
  const rate = UNITS.exec(fields.schedule);
  if (fields.schedule && !/^cron\((\S+ ){5}\S+\)$/.test(fields.schedule)) {
    if (!rate) found.schedule = 'rate(5 minutes), or cron(0 12 * * ? *) in UTC';
    else if (Number(rate[1]) < 1) found.schedule = 'A rate is at least 1';
    else if ((Number(rate[1]) === 1) === rate[2]!.endsWith('s')) found.schedule = `Write rate(${rate[1]} ${Number(rate[1]) === 1 ? rate[2]!.slice(0, -1) : `${rate[2]}s`})`;
  }
  for (const name of ['prefixes', 'suffixes', 'mimeTypes'] as const) {
    const entries = list(fields[name]);
    if (entries.length > 20 || entries.some((it) => it.length > 255)) found[name] = 'At most 20 entries of 1 to 255 characters';
  }
  if (list(fields.prefixes).some((it) => it.startsWith('/'))) found.prefixes = 'Keys do not begin with a slash';
  const type = list(fields.mimeTypes).find((it) => it.split('/').length !== 2);
  if (type) found.mimeTypes = `${type} is not of the form type/subtype or type/*`;
  if (!/^([1-9]|10)$/.test(fields.priority)) found.priority = '1 to 10';
  if (!!fields.accessKey !== !!fields.secretKey) found[fields.accessKey ? 'secretKey' : 'accessKey'] = 'Both belong together';
  if (fields.accessKey.includes(':')) found.accessKey = 'An access key has no colon';
  if (fields.poll === 'search' && fields.region) found.region = 'A search is not signed for a region';
  return found;
}
