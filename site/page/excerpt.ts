/**
 * Lines of the package's source, taken when the page is built, so that what is shown is what runs.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../../support/root.js';
import { markup as m } from './markup.js';

/**
 * Lines of a file from the first that contains `from` to the next that is `to`, that line included, as markup that opens
 * and closes.
 * @throws {Error} when the file no longer has them
 */
export function excerpt(file: string, from: string, to: string): string {
  const lines = readFileSync(join(root, file), 'utf8').split('\n');
  const start = lines.findIndex((line) => line.includes(from));
  const end = lines.findIndex((line, i) => i >= start && line === to);
  if (start < 0 || end < 0) throw new Error(`${file}: no lines from '${from}' to '${to}'`);
  const code = lines
    .slice(start, end + 1)
    .join('\n')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;');
  return `<details class="source"><summary>${m('ourSource')} <code>${file}</code></summary><pre tabindex="0"><code>${code}</code></pre></details>`;
}
