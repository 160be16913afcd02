// Verifies a webhook with the official library, as a receiver would: {"secret", "headers", "body"} on standard input.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(`${process.env.MODULES}/`);
const { Webhook } = require('standardwebhooks');
const { secret, headers, body } = JSON.parse(readFileSync(0, 'utf8'));
console.log('verified', new Webhook(secret).verify(body, headers).id);
