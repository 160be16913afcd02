// What is in a picture or a video, and when: the frames that ffmpeg reads, the objects in each, and their tracks.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const FFMPEG = process.env.FFMPEG || 'ffmpeg';
const SIDE = 512; // of the square that the model looks at
const packages = new URL('node_modules/', import.meta.url).pathname;

/** The model. An error says what is missing. */
export async function loadModel() {
  if (spawnSync(FFMPEG, ['-version']).error) throw new Error('ffmpeg is not installed');
  const request = globalThis.fetch;
  globalThis.fetch = async (url, options) => (`${url}`.startsWith('file:') // Node's own reads no files
    ? new Response(readFileSync(new URL(url))) : request(url, options));
  const { Human } = (await import(`${packages}@vladmandic/human/dist/human.node-wasm.js`)).default;
  const off = { enabled: false };
  const model = new Human({
    backend: 'wasm', wasmPath: `${packages}@tensorflow/tfjs-backend-wasm/dist/`, cacheSensitivity: 0, filter: off,
    modelBasePath: `file://${packages}@vladmandic/human/models/`, face: off, body: off, hand: off, gesture: off,
    object: { enabled: true, minConfidence: 0.1, maxDetected: 20 },
  });
  await model.load(); // it does not fail without its models
  const loaded = model.models.stats();
  if (loaded.numLoadedModels !== loaded.numDefinedModels) throw new Error('the object model does not load');
  return model;
}

/** The members `media` and `tracks` of a result. `progress` is called after each frame, with the share that is done. */
export async function analyse(model, file, options, signal, progress) {
  const { still, sample_fps: fps = 2, min_confidence: least = 0.4 } = options;
  // the model would stretch a picture to its square: so the picture fills the upper left corner of one
  const square = `scale=${SIDE}:${SIDE}:force_original_aspect_ratio=decrease,format=rgb24,pad=${SIDE}:${SIDE}`;
  const filters = `${still ? '' : `fps=${fps},`}showinfo,${square}:color=0x7f7f7f${still ? ',trim=end_frame=1' : ''}`;
  const input = ['-hide_banner', '-nostdin', '-nostats', '-protocol_whitelist', 'file', '-i', file];
  const ffmpeg = spawn(FFMPEG, [...input, '-an', '-vf', filters, '-f', 'rawvideo', '-'], { signal });
  const closed = once(ffmpeg, 'close').catch((error) => [error.message]);
  const media = { duration_ms: null, width: null, height: null, sample_fps: still ? null : fps };
  const [samples, times, log] = [[], [], []];
  createInterface({ input: ffmpeg.stderr }).on('line', (line) => {
    log[0] = line.replace(`${file}: `, '');
    const [, hours, minutes, seconds] = /^ {2}Duration: (\d+):(\d+):([\d.]+)/.exec(line) ?? [];
    if (seconds && !still) media.duration_ms = Math.round((hours * 3600 + minutes * 60 + Number(seconds)) * 1000);
    const [, time, width, height] = /showinfo.* pts_time:([\d.]+) .* s:(\d+)x(\d+) /.exec(line) ?? [];
    if (height) times.push(still ? 0 : Math.round(time * 1000));
    if (height) Object.assign(media, { width: Number(width), height: Number(height) });
  });
  let rest = Buffer.alloc(0);
  for await (const chunk of ffmpeg.stdout) {
    rest = Buffer.concat([rest, chunk]);
    for (const size = SIDE * SIDE * 3; rest.length >= size; rest = rest.subarray(size)) {
      const tensor = model.tf.tensor(rest.subarray(0, size), [1, SIDE, SIDE, 3], 'int32');
      samples.push((await model.detect(tensor)).object.filter((it) => it.score >= least));
      model.tf.dispose(tensor);
      progress(still ? 1 : Math.min(samples.length * 1000 / fps / (media.duration_ms ?? Infinity), 1));
    }
  }
  if ((await closed)[0] !== 0 || samples.length === 0) throw new Error(log[0]);
  return { media, tracks: tracks(samples.flatMap((it, at) => it.map((object) => [times[at], object])), media) };
}

/** Objects of one label whose boxes overlap from sample to sample are one track. What is seen once is none. */
function tracks(objects, { width, height, duration_ms, sample_fps }) {
  const [all, step, side] = [[], sample_fps ? 1000 / sample_fps : 0, Math.max(width, height)];
  const inside = (at, length) => Math.min(Math.max(at * side / length, 0), 1); // from the square to the picture
  for (const [t_ms, { label, score, boxRaw: [x, y, w, h] }] of objects) {
    const box = { x: inside(x, width), y: inside(y, height) };
    Object.assign(box, { w: inside(x + w, width) - box.x, h: inside(y + h, height) - box.y });
    const near = all.map((it) => [it, it.samples.at(-1)]).filter(([it, last]) => it.label === label && last.t_ms < t_ms
      && t_ms - last.t_ms <= 3 * step + 1 && overlap(last.box, box) >= 0.3); // two samples may miss it
    let seen = near.sort(([, a], [, b]) => overlap(b.box, box) - overlap(a.box, box))[0]?.[0];
    if (!seen) all.push(seen = { id: `t${all.length}`, type: 'object', label, person: null, ranges: [], samples: [] });
    seen.samples.push({ t_ms, box, confidence: score });
    const confidence = Math.max(...seen.samples.map((it) => it.confidence));
    const end_ms = Math.min(Math.round(t_ms + step), duration_ms ?? Infinity);
    if (sample_fps) seen.ranges = [{ start_ms: seen.samples[0].t_ms, end_ms, confidence }];
  }
  return all.filter((it) => it.samples.length > 1 || !(sample_fps >= 2));
}

/** The intersection of two boxes over their union. */
function overlap(a, b) {
  const shared = (at, size) => Math.max(Math.min(a[at] + a[size], b[at] + b[size]) - Math.max(a[at], b[at]), 0);
  const both = shared('x', 'w') * shared('y', 'h');
  return both / (a.w * a.h + b.w * b.h - both);
}
