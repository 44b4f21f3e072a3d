#!/usr/bin/env node
/**
 * The command `tandem`: a table of subcommands, of which only the one asked for is loaded.
 */
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { addExamples, described, settled } from './command.js';
import { runAsRank } from './ranks.js';

/** A subcommand as the table has it. */
interface Subcommand {
  /** What `--help` says of it. */
  readonly about: string;
  /** Whether the ranks that a launcher starts share its work. */
  readonly shared?: boolean;
  readonly load: () => Promise<{ readonly command: Command }>;
}

const subcommands: Readonly<Record<string, Subcommand>> = {
  train: {
    about: 'train a network on images: drawn ones by default, or your own',
    shared: true,
    load: () => import('./train.js'),
  },
  evaluate: {
    about: "errors of trained networks on a run's validation images, or on others",
    shared: true,
    load: () => import('./evaluate.js'),
  },
  classify: {
    about: 'what a trained network sees in images: the five likeliest classes',
    load: () => import('./classify.js'),
  },
  export: {
    about: 'a trained network for other programs: ONNX, safetensors, npz',
    load: () => import('./export.js'),
  },
  prepare: {
    about: 'scale images to one size and store them as shards to train from',
    load: () => import('./prepare.js'),
  },
  devices: {
    about: 'what this machine offers: CPU threads, SIMD, WebGPU adapters',
    load: () => import('./machine.js'),
  },
  tune: {
    about: 'measure which tiles of products suit a GPU, and keep it',
    load: () => import('./tune.js'),
  },
  figures: {
    about: "a run's training curves and the paper's figures: SVG files, and a page of them",
    shared: true,
    load: () => import('./figures.js'),
  },
  race: {
    about: "the paper's Figure 1: epochs to 25 % training error, ReLU against tanh",
    load: () => import('./race.js'),
  },
  ablations: {
    about: 'what the parts of a network are worth, trained from one seed or several, beside the paper',
    load: () => import('./ablations.js'),
  },
  specialize: {
    about: "the paper's Figure 3: whether one tower's first kernels come out grey and the other's in colour",
    load: () => import('./specialize.js'),
  },
  features: {
    about: "what a trained network's last hidden layer makes of images: a vector each",
    shared: true,
    load: () => import('./features.js'),
  },
  retrieve: {
    about: 'the images nearest to one, by L2 distance in the last hidden layer',
    load: () => import('./retrieve.js'),
  },
  codes: {
    about: 'short binary codes of images, by an auto-encoder of their feature vectors',
    load: () => import('./codes.js'),
  },
  bench: {
    about: 'how fast this machine is; for a clone of the repository',
    load: () => import('./bench.js'),
  },
};

/** The version that package.json states. */
function version(): string {
  const manifest: unknown = JSON.parse(
    readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'),
  );
  const known = typeof manifest === 'object' && manifest !== null && 'version' in manifest;
  return known ? String(manifest.version) : 'unknown';
}

/** The program with the subcommand named; the others are known by their names alone. */
async function programFor(asked: string | undefined): Promise<Command> {
  const program = settled(new Command('tandem'))
    .description('Trains AlexNet of 2012 and networks like it, on CPUs and GPUs.')
    .usage('<command> [options]')
    .helpCommand(false);
  if (asked === undefined || asked.startsWith('-'))
    program.version(version(), '--version', 'print the version');
  for (const [name, { about, load }] of Object.entries(subcommands)) {
    const command = name === asked ? (await load()).command : new Command();
    program.addCommand(described(command.name(name), about));
  }
  return addExamples(
    program,
    'train',
    'train --data FOLDER --net alexnet',
    'evaluate --run runs/DATE-small',
    'classify cat.jpg --run runs/DATE-alexnet',
    'train --help',
  );
}

/**
 * The words of the command line: `help train` is `train --help`, and `train -- --epochs 2`, as one types it after
 * `npm run`, is `train --epochs 2`.
 */
function wordsOf([first, ...rest]: readonly string[]): string[] {
  if (first === undefined) return [];
  if (first === 'help') return [...rest, '--help'];
  return [first, ...(rest[0] === '--' && rest[1]?.startsWith('-') ? rest.slice(1) : rest)];
}

const words = wordsOf(process.argv.slice(2));
const [name] = words;
const asked = subcommands[name ?? ''];
const shared = asked?.shared === true || asked === undefined || words.includes('--help');
await runAsRank(`tandem ${name}`, shared, async () =>
  (await programFor(name)).parseAsync(words, { from: 'user' }),
);
