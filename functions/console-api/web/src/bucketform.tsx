// The form of a bucket.
import { useSignal } from '@preact/signals';
import { request } from './api';
import { type Bucket, type BucketFields, list, PROCESSORS, processorsOf, settingsFor, wrong } from './bucketrules';
import { Check, ErrorText, Field, fieldError, toast } from './ui';

function initial(it: Bucket | undefined): BucketFields {
  return {
    system: it?.system ?? 'datacore',
    endpoint: it?.endpoint ?? '',
    bucket: it?.bucket ?? '',
    region: it?.region ?? '',
    prefixes: it?.prefixes.join(', ') ?? '',
    suffixes: it?.suffixes.join(', ') ?? '',
    mimeTypes: it?.mimeTypes.join(', ') ?? '',
    schedule: it?.schedule ?? 'rate(5 minutes)',
    priority: String(it?.priority ?? 5),
    poll: it?.poll ?? 'listing',
    accessKey: '',
    secretKey: '',
  };
}

export function BucketForm({ bucket, done }: { bucket: Bucket | undefined; done: () => void }) {
  const fields = useSignal(initial(bucket));
  const [active, writeBack] = [useSignal(bucket?.active ?? true), useSignal(bucket?.writeBack ?? false)];
  const processors = useSignal(processorsOf(bucket));
  const error = useSignal<unknown>(undefined);
  const busy = useSignal(false);
  const it = fields.value;
  const bad = wrong(it);
  const field = (name: keyof BucketFields, label: string, more: Partial<Parameters<typeof Field>[0]> = {}) => (
    <Field
      label={label}
      value={it[name]}
      set={(text) => ((fields.value = { ...fields.value, [name]: text }), (error.value = undefined))}
      error={bad[name] ?? fieldError(error.value, name === 'accessKey' ? 'credentials' : name)}
      {...more}
    />
  );
  const save = async (event: Event) => {
    event.preventDefault();
    busy.value = true;
    error.value = undefined;
    const body: Record<string, unknown> = {
      system: it.system,
      bucket: it.bucket,
      schedule: it.schedule,
      active: active.value,
      writeBack: writeBack.value,
      priority: Number(it.priority),
      prefixes: list(it.prefixes),
      suffixes: list(it.suffixes),
      mimeTypes: list(it.mimeTypes),
      poll: it.poll,
      processor: processors.value,
    };
    if (it.endpoint) body['endpoint'] = it.endpoint;
    if (it.region) body['region'] = it.region;
    if (bucket) body['settings'] = settingsFor(bucket, processors.value);
    if (it.poll === 'search' && bucket?.fullWalkEvery) body['fullWalkEvery'] = bucket.fullWalkEvery;
    if (it.accessKey) body['credentials'] = { accessKey: it.accessKey, secretKey: it.secretKey };
    try {
      await (bucket ? request('PUT', `/api/v1/Media/Buckets/${bucket.id}`, { json: body }) : request('POST', '/api/v1/Media/Buckets', { json: body }));
      toast(`${it.bucket} is stored`);
      done();
    } catch (why) {
      error.value = why;
    } finally {
      busy.value = false;
    }
  };
  return (
    <form onSubmit={save}>
      {field('system', 'System', { list: [['datacore', 'DataCore Swarm'], ['objectmatrix', 'Object Matrix']] })}
      {field('endpoint', 'Endpoint', { type: 'url', hint: 'The S3 front end, or with search the SCSP address; by default that of the settings' })}
      {field('bucket', 'Bucket', { required: true })}
      {field('region', 'Region', { hint: 'That requests are signed for; by default us-east-1' })}
      {field('schedule', 'Schedule', { required: true, hint: 'rate(5 minutes), or cron(0 12 * * ? *) in UTC' })}
      {it.system === 'datacore' && field('poll', 'Discovery', { list: [['listing', 'List every key, over S3'], ['search', 'Search for what changed, over SCSP']] })}
      {field('prefixes', 'Prefixes', { hint: 'Keys begin with one of these; separated by commas' })}
      {field('suffixes', 'Suffixes', { hint: 'Keys end with one of these' })}
      {field('mimeTypes', 'Media types', { hint: 'image/*, video/mp4; by default everything that may have visual content' })}
      <fieldset>
        <legend>Processors</legend>
        {PROCESSORS.map((name) => (
          <Check
            key={name}
            label={name}
            value={processors.value.includes(name)}
            set={(on) => ((processors.value = on ? [...processors.value, name] : processors.value.filter((it) => it !== name)), (error.value = undefined))}
          />
        ))}
        {fieldError(error.value, 'processor', 'settings') && <p class="wrong">{fieldError(error.value, 'processor', 'settings')}</p>}
      </fieldset>
      {field('priority', 'Priority', { type: 'number', hint: '1 to 10; from 8 on, items take the short queue' })}
      {field('accessKey', 'Access key', { hint: bucket?.hasCredentials ? 'Credentials are stored; leave both empty to keep them' : '' })}
      {field('secretKey', 'Secret key', { type: 'password' })}
      <Check label="Active: scanned by its schedule" value={active.value} set={(on) => (active.value = on)} />
      <Check label="Write results beside the media, as .ai/<name>.json" value={writeBack.value} set={(on) => (writeBack.value = on)} />
      <ErrorText error={error.value} />
      <button class="primary" disabled={busy.value || Object.keys(bad).length > 0 || !it.bucket || !it.schedule || processors.value.length === 0}>
        {bucket ? 'Store' : 'Add'}
      </button>
    </form>
  );
}
