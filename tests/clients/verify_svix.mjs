// Verifies a webhook with Svix's library, as a receiver would: {"secret", "headers", "body"} on standard input.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(`${process.env.MODULES}/`);
const { Webhook } = require('svix');
const { secret, headers, body } = JSON.parse(readFileSync(0, 'utf8'));
new Webhook(secret).verify(body, headers);
console.log('verified', JSON.parse(body).id);
