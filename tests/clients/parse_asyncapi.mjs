// Parses an AsyncAPI document with its official parser. Environment: FILE, MODULES. Errors end it with 1.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(process.env.MODULES + '/');
const { Parser } = require('@asyncapi/parser');
const { document, diagnostics } = await new Parser().parse(readFileSync(process.env.FILE, 'utf8'));
const errors = diagnostics.filter((it) => it.severity === 0);
errors.forEach((it) => console.log(it.path.join('.'), it.message));
console.log(`messages ${document?.messages().all().length ?? 0}`);
process.exit(document && errors.length === 0 ? 0 : 1);
