/**
 * `npm run reference`: writes docs/reference.md.
 */
import { writeFileSync } from 'node:fs';
import { referencePage } from './reference.js';
import { root } from './root.js';

writeFileSync(`${root}docs/reference.md`, referencePage());
