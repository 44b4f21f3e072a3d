/**
 * `npm run site:build` and `npm run site`: builds the page, says how large it is, and serves it where `--serve` asks.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { serveFolder } from '../support/serve.js';
import { buildSite, siteFolder } from './build.js';

const files = await buildSite();
const sizes = await Promise.all(
  files.map(async (name) => gzipSync(await readFile(join(siteFolder, name))).length),
);
const total = sizes.reduce((a, b) => a + b, 0);
console.log(`${siteFolder}: ${files.length} files, ${(total / 1000).toFixed(0)} kB compressed`);
const at = process.argv.indexOf('--serve');
if (at >= 0) {
  const { origin } = await serveFolder(siteFolder, { port: Number(process.argv[at + 1] ?? 8080) });
  console.log(`${origin}/ until Ctrl-C`);
}
