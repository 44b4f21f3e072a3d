/**
 * `npm run site:build`: the page as a folder that any host of static files takes, `dist/www`. Modules are those of the
 * package, bundled by esbuild.
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { root } from '../support/root.js';
import { pageHtml } from './page/html.js';

/** The folder that is written. */
export const siteFolder = join(root, 'dist/www');

const compiled = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** Builds the page. @returns the names of its files */
export async function buildSite(): Promise<string[]> {
  await rm(siteFolder, { recursive: true, force: true });
  await mkdir(siteFolder, { recursive: true });
  const { metafile } = await build({
    entryPoints: [
      { in: compiled('page/main.js'), out: 'main' },
      { in: compiled('engine/runWorker.js'), out: 'runWorker' },
      { in: compiled('engine/weightsWorker.js'), out: 'weightsWorker' },
      { in: compiled('engine/machineWorker.js'), out: 'machineWorker' },
      { in: 'tandem-ts/worker', out: 'worker' },
    ],
    outdir: siteFolder,
    bundle: true,
    splitting: true,
    format: 'esm',
    target: 'es2022',
    minify: true,
    metafile: true,
    logLevel: 'warning',
  });
  const style = await styleSheet();
  const scripts = Object.keys(metafile.outputs).map((path) => basename(path));
  const pages = { 'index.html': 'en', 'ko.html': 'ko' } as const;
  const hash = createHash('sha256');
  for (const name of scripts) hash.update(await readFile(join(siteFolder, name)));
  for (const [name, language] of Object.entries(pages)) {
    const html = pageHtml(language, { style, script: 'main.js' });
    hash.update(html);
    await writeFile(join(siteFolder, name), html);
  }
  const files = [...scripts, ...Object.keys(pages)];
  await build({
    entryPoints: [{ in: compiled('serviceWorker.js'), out: 'serviceWorker' }],
    outdir: siteFolder,
    bundle: true,
    format: 'iife',
    minify: true,
    define: {
      version: JSON.stringify(hash.digest('hex').slice(0, 16)),
      files: JSON.stringify(['./', ...files]),
    },
  });
  return [...files, 'serviceWorker.js'];
}

/** Style sheets, later ones above earlier ones. */
const styles = [
  'page/style.css',
  ...['train', 'switches', 'explain', 'photo', 'machine'].map((name) => `sections/${name}/${name}.css`),
];

/** All of them as one. */
async function styleSheet(): Promise<string> {
  const texts = await Promise.all(styles.map((path) => readFile(join(root, 'site', path), 'utf8')));
  const { outputFiles } = await build({
    stdin: { contents: texts.join('\n'), loader: 'css' },
    minify: true,
    write: false,
  });
  return outputFiles[0]?.text ?? '';
}
