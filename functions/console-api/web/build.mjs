// Builds the console's pages into `../dist`: every file gzipped, named by a hash of its content, and listed in `files.rs`.
//
// `node build.mjs` writes; `node build.mjs --check` compares with what is there and fails if a byte differs. The same sources give
// the same bytes on every machine: esbuild and fflate (which compresses, in JavaScript) are pinned by `package-lock.json`.
import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { gzipSync } from 'fflate';

const dist = fileURLToPath(new URL('../dist/', import.meta.url));
const from = (name) => fileURLToPath(new URL(name, import.meta.url));

const bundled = await build({
  absWorkingDir: from('.'),
  entryPoints: ['src/main.tsx', 'src/mediaworker.ts', 'src/style.css', 'src/icon.svg'],
  loader: { '.svg': 'copy' },
  outdir: 'out',
  entryNames: '[name]-[hash]',
  chunkNames: '[name]-[hash]',
  bundle: true,
  splitting: true,
  format: 'esm',
  target: 'es2022',
  jsx: 'automatic',
  jsxImportSource: 'preact',
  minify: true,
  legalComments: 'none',
  charset: 'utf8',
  write: false,
  metafile: true,
  logLevel: 'warning',
});

const gzip = (bytes) => gzipSync(bytes, { level: 9, mtime: 0 });
const built = bundled.outputFiles.map((file) => ({ name: file.path.split('/').pop(), bytes: file.contents }));
built.sort((a, b) => (a.name < b.name ? -1 : 1));
const named = (start, end) => built.find((it) => it.name.startsWith(start) && it.name.endsWith(end)).name;
// what the first script imports is fetched beside it, and not after it
const outputs = Object.entries(bundled.metafile.outputs).map(([path, it]) => [path.split('/').pop(), it]);
const imports = Object.fromEntries(outputs)[named('main-', '.js')].imports.filter((it) => it.kind === 'import-statement');
const preloads = imports.map((it) => `<link rel="modulepreload" href="/console/${it.path.split('/').pop()}">\n`).sort();
const page = (await readFile(from('src/index.html'), 'utf8'))
  .replace('<script', `${preloads.join('')}<script`)
  .replace('main.js', named('main-', '.js'))
  .replace('mediaworker.js', named('mediaworker-', '.js'))
  .replace('style.css', named('style-', '.css'))
  .replace('icon.svg', named('icon-', '.svg'));

const files = new Map(built.map((it) => [`${it.name}.gz`, gzip(it.bytes)]));
files.set('index.html.gz', gzip(new TextEncoder().encode(page)));
const KINDS = { css: 'text/css; charset=utf-8', js: 'text/javascript; charset=utf-8', svg: 'image/svg+xml' };
const kind = (name) => KINDS[name.split('.').pop()];
const entry = (it) => `    BuiltFile {
        name: "${it.name}",
        content_type: "${kind(it.name)}",
        gzip: include_bytes!("${it.name}.gz"),
    },
`;
const list = `//! The built files of the pages. Made by \`build.mjs\`, which is in \`../web\`: do not edit it.

use crate::pages::BuiltFile;

/// The page, compressed.
pub(crate) const INDEX: &[u8] = include_bytes!("index.html.gz");

/// All other files.
pub(crate) const FILES: &[BuiltFile] = &[
${built.map(entry).join('')}];
`;
files.set('files.rs', new TextEncoder().encode(list));

const there = (await readdir(dist).catch(() => [])).sort();
if (process.argv.includes('--check')) {
  const wrong = there.filter((name) => !files.has(name)).map((name) => `${name} is not built any more`);
  for (const [name, bytes] of files) {
    const stored = await readFile(dist + name).catch(() => undefined);
    if (!stored) wrong.push(`${name} is missing`);
    else if (!stored.equals(bytes)) wrong.push(`${name} differs`);
  }
  if (wrong.length > 0) {
    console.error(`functions/console-api/dist is not what its sources build; run npm run build:\n${wrong.join('\n')}`);
    process.exit(1);
  }
} else {
  await mkdir(dist, { recursive: true });
  await Promise.all(there.filter((name) => !files.has(name)).map((name) => rm(dist + name)));
  await Promise.all([...files].map(([name, bytes]) => writeFile(dist + name, bytes)));
}
const sum = [...files].filter(([name]) => name.endsWith('.gz')).reduce((all, [, bytes]) => all + bytes.length, 0);
console.log(`${files.size - 1} files, ${sum} bytes compressed`);
