/**
 * `tandem figures`: the paper's figures and the training curves of a run, as files and as one page.
 */
import { basename, join, resolve } from 'node:path';
import { Command } from 'commander';
import { openCheckpoint } from '../alexnet/checkpoint.js';
import type { NamedLog } from '../alexnet/figures/compared.js';
import { openPlotter } from '../alexnet/figures/plot.js';
import { type Section, writeReport } from '../alexnet/figures/report.js';
import {
  answersSection,
  comparedSection,
  curvesSection,
  kernelsSection,
  neighboursSection,
  placementSection,
  raceSection,
  timelineSection,
} from '../alexnet/figures/sections.js';
import { readLog } from '../alexnet/log.js';
import { lastRaces, readRace } from '../alexnet/race.js';
import { DataError } from '../core/errors.js';
import { makeFolder, writeWhole } from '../data/files.js';
import { counted } from '../data/sources/names.js';
import { openRanks } from '../train/ranks/index.js';
import { addExamples, settled } from './command.js';
import { addDeviceOptions, addWorkers, type DeviceOptions, list, whole } from './options.js';
import { percent } from './progress.js';
import { describeRecipe } from './recipe.js';
import { openValidation, withClassifier } from './runData.js';

interface Options extends DeviceOptions {
  run: string;
  out?: string;
  data?: string;
  race?: string;
  beside?: string[];
  images: number;
  queries: number;
  among: number;
  seed: number;
  workers?: number;
}

export const command = settled(new Command())
  .requiredOption('--run <dir>', "the run's folder")
  .option('--out <dir>', 'folder of the files (default: figures in the run)')
  .option('--data <path>', "other validation images than the run's")
  .option('--race <dir>', 'folder with the log that race wrote (default: the run)')
  .option('--beside <list>', "folders of other runs, whose errors are drawn beside this one's", list)
  .option('--images <n>', 'images of Figure 4, left', whole(1), 8)
  .option('--queries <n>', 'queries of Figure 4, right', whole(1), 5)
  .option('--among <n>', 'training images that the nearest are looked for among', whole(1), 1000)
  .option('--seed <n>', 'which images are shown', whole(0), 0);
addDeviceOptions(addWorkers(command));

/** Training error at which races end, as in the paper. */
const target = 0.25;

/**
 * The logs of runs, each named by its folder, or by its path where two folders have the same name.
 * @throws {DataError} when a folder has no log.
 */
async function logsOf(folders: readonly string[]): Promise<NamedLog[]> {
  const names = folders.map((path) => basename(resolve(path)));
  const isUnique = new Set(names).size === names.length;
  return Promise.all(
    folders.map(async (folder, i) => {
      const lines = await readLog(folder);
      if (lines.length > 0) return { name: isUnique ? names[i]! : folder, lines };
      throw new DataError(`${folder}: no log of a run (log.jsonl) in this folder: nothing to draw`);
    }),
  );
}

async function main(options: Options): Promise<void> {
  const { checkpoint, folder, file } = await openCheckpoint(options.run, 'best');
  const { run, state } = checkpoint;
  const out = options.out ?? join(folder, 'figures');
  const plotter = await openPlotter();
  const ranks = await openRanks();
  const isFirst = ranks.rank === 0;
  const lines = await readLog(folder);
  const beside = options.beside ? await logsOf([folder, ...options.beside]) : [];
  if (isFirst) await makeFolder(out);
  const raceFile = join(options.race ?? folder, 'figure1.jsonl');
  const race = lastRaces(await readRace(raceFile));
  const sections: Section[] = [
    ...(lines.length > 0 ? [curvesSection(plotter, checkpoint, lines)] : []),
    ...(beside.length > 0 ? [comparedSection(plotter, beside)] : []),
    ...(race.length > 0 ? [raceSection(plotter, race, target)] : []),
    placementSection(plotter, checkpoint),
    kernelsSection(plotter, checkpoint),
  ];
  const data = await openValidation(run, options);
  try {
    await withClassifier(options, checkpoint, async (classifier, devices) => {
      const working = { classifier, checkpoint, data, seed: options.seed, ranks };
      sections.push(await answersSection(working, options.images));
      const { queries, among } = options;
      sections.push(await neighboursSection(working, { queries, among, neighbours: 6 }));
      if (isFirst) sections.push(await timelineSection(plotter, checkpoint, data, devices));
    });
  } finally {
    await data.close();
  }
  if (!isFirst) return;
  for (const { files } of sections) {
    for (const [name, content] of files) await writeWhole(join(out, name), [content]);
  }
  const last = lines.at(-1);
  const facts: (readonly [string, string])[] = [
    ['checkpoint', `${file}, after ${counted(state.epoch, 'epoch')}`],
    [
      'data',
      `${run.data ?? 'synthetic images'}: ${run.trainingImages} training images, ${run.classes.length} classes`,
    ],
    ...describeRecipe(run.recipe, run.variant).map((line, i) => [i === 0 ? 'recipe' : '', line] as const),
    ...(last ? [['validation error', `${percent(last.valError)} after the last epoch`] as const] : []),
  ];
  await writeWhole(join(out, 'report.html'), [writeReport(`Tandem: ${run.net}`, facts, sections)]);
  console.log(`${sections.length} figures; open ${join(out, 'report.html')}`);
}

addExamples(
  command,
  '--run runs/DATE-small',
  '--run runs/DATE-small --race runs/figure1',
  '--run runs/13pct --beside runs/11pct',
).action(main);
