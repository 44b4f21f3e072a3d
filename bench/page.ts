/**
 * `npm run bench:page -- report.json`: a report as a page that needs no network. `--serve` shows it in a browser, which
 * can then run the suite itself.
 */
import { readFile } from 'node:fs/promises';
import { Command, InvalidArgumentError } from 'commander';
import { throwNaming, writeWhole } from '../src/data/files.js';
import { serve } from '../support/serve.js';
import { orComplain } from './cli.js';
import { page } from './page/html.js';
import { parsePeers } from './page/peers.js';
import { parseReport } from './rows.js';

interface Options {
  readonly peers?: string;
  readonly out: string;
  readonly serve?: number | true;
}

function portOf(text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port < 65536) return port;
  throw new InvalidArgumentError('expected a port, like 8080.');
}

async function main(
  file: string | undefined,
  { peers: peersFile, out, serve: port }: Options,
): Promise<void> {
  const read = (path: string): Promise<string> =>
    readFile(path, 'utf8').catch(throwNaming(path, "can't be read"));
  const report = file === undefined ? null : parseReport(await read(file), file);
  const peers = peersFile === undefined ? null : parsePeers(await read(peersFile), peersFile);
  const html = page(report, peers);
  if (report || peers) {
    await writeWhole(out, [html]);
    console.log(`${out}: ${report?.rows.length ?? 0} rows`);
  }
  if (port !== undefined) {
    const { origin } = await serve({ '/': { html } }, port === true ? 8080 : port);
    console.log(`${origin}/ until Ctrl-C`);
  } else if (!report && !peers) {
    command.error('error: give a report (npm run bench -- --json FILE), --peers, or --serve');
  }
}

const command = new Command('npm run bench:page --')
  .description('Writes a report of npm run bench -- --json FILE as a page that needs no network.')
  .argument('[report]', 'the report')
  .option('--peers <file>', 'a report of bench/peers, for the bars')
  .option('--out <file>', 'the page', 'results.html')
  .option('--serve [port]', 'serve the page, so that it can run the suite in a browser (port 8080)', portOf)
  .action(main);
await orComplain(command.parseAsync());
