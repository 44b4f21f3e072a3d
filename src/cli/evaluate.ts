/**
 * `tandem evaluate`: errors of trained networks on images they weren't trained on, beside what was published.
 */
import { Command, Option } from 'commander';
import type { RunDescription } from '../alexnet/description.js';
import { type Answers, answersOf, averageAnswers, reportOf } from '../alexnet/evaluation.js';
import { type Published, publishedFor } from '../alexnet/published.js';
import type { TestCrops } from '../alexnet/recipes.js';
import { ArgumentError } from '../core/errors.js';
import { describeUnreadable } from '../data/dataset.js';
import { checkWritable, writeWhole } from '../data/files.js';
import { briefNames } from '../data/sources/open.js';
import type { Report } from '../train/classification.js';
import { gatherUnreadable } from '../train/ranks/gathering.js';
import { openRanks } from '../train/ranks/index.js';
import { addExamples, settled } from './command.js';
import {
  addDeviceOptions,
  addTowerPerRank,
  addWorkers,
  type DeviceOptions,
  dataHelp,
  list,
} from './options.js';
import { Countdown, percent } from './progress.js';
import { openLabelled, openValidation, withClassifier } from './runData.js';
import { addTrainedOptions, openTrained, type TrainedOptions } from './trained.js';

interface Options extends DeviceOptions, TrainedOptions {
  checkpoints?: string[];
  data?: string;
  crops: '1' | '10';
  json?: string;
  perClass: boolean;
  workers?: number;
}

export const command = addTrainedOptions(settled(new Command()))
  .option('--checkpoints <list>', 'several runs or checkpoints, whose class probabilities are averaged', list)
  .option('--data <path>', `${dataHelp}, with the classes trained on (default: the run's validation images)`)
  .addOption(
    new Option('--crops <n>', 'the centre, or the average of ten crops').choices(['1', '10']).default('1'),
  )
  .option('--no-per-class', 'leave out the table of classes')
  .option('--json <file>', 'write everything there as well');
addTowerPerRank(addDeviceOptions(addWorkers(command)));

async function main(options: Options): Promise<void> {
  const { checkpoints = [] } = options;
  const isFirst = (await openRanks()).rank === 0;
  if (options.json !== undefined && isFirst) await checkWritable(options.json);
  const crops: TestCrops = options.crops === '10' ? 10 : 1;
  const networks = [];
  if (checkpoints.length === 0 || options.run !== undefined || options.weights !== undefined)
    networks.push(await openTrained(options));
  for (const run of checkpoints) networks.push(await openTrained({ run }));
  const [first] = networks;
  if (!first) throw new ArgumentError('evaluate: no network was given');
  for (const { file, run } of networks) checkAlike(file, first.run, run);
  const data = await (options.weights === undefined
    ? openValidation(first.run, options)
    : openLabelled(first, options));
  try {
    const { validation, classes } = data;
    const { run } = first;
    console.log(`images    ${validation.name}: ${validation.length}, ${classes.length} classes`);
    const all: Answers[] = [];
    let unreadable = validation.unreadable;
    for (const network of networks) {
      console.log(`network   ${network.about}: ${network.file}`);
      const countdown = new Countdown('evaluating');
      const answers = await withClassifier(options, network, async (classifier, _devices, ranks) => {
        const found = await answersOf(classifier, validation, crops, countdown.show, ranks);
        unreadable = await gatherUnreadable(ranks, validation.unreadable);
        return found;
      }).finally(countdown.stop);
      all.push(answers);
      if (networks.length > 1) printErrors(reportOf(answers, classes), 1, crops);
    }
    if (unreadable.length > 0) console.log(`left out  ${describeUnreadable(unreadable)}`);
    const report = reportOf(averageAnswers(all), classes);
    const published = publishedFor(run.net, classes);
    const names = new Map(briefNames(data).map((name, i) => [classes[i], name]));
    printErrors(report, all.length, crops);
    if (options.perClass) printClasses(report, names);
    if (published.length > 0) printPublished(published);
    if (options.json !== undefined && isFirst) {
      const files = networks.map(({ file }) => file);
      const content = {
        net: run.net,
        variant: run.variant,
        checkpoints: files,
        data: validation.name,
        crops,
      };
      const json = JSON.stringify({ ...content, ...report, published }, null, 2);
      await writeWhole(options.json, [`${json}\n`]);
    }
  } finally {
    await data.close();
  }
}

/** @throws {ArgumentError} unless two networks answer with the same classes about images of the same size. */
function checkAlike(path: string, a: RunDescription, b: RunDescription): void {
  if (a.classes.join('\n') !== b.classes.join('\n')) {
    throw new ArgumentError(`${path}: its classes aren't those of the other networks`);
  }
  if (a.recipe.imageSize !== b.recipe.imageSize) {
    const sizes = `${b.recipe.imageSize} pixels, the other networks' ${a.recipe.imageSize}`;
    throw new ArgumentError(`${path}: its images have ${sizes}`);
  }
}

function printErrors(report: Report, networks: number, crops: TestCrops): void {
  const top5 = Number.isNaN(report.top5Error) ? '' : `  top-5 error ${percent(report.top5Error)}`;
  const what = `${networks === 1 ? '1 network' : `average of ${networks}`}, ${crops === 1 ? '1 crop' : '10 crops'}`;
  console.log(`${what}: top-1 error ${percent(report.top1Error)}${top5}  loss ${report.loss.toFixed(3)}`);
}

/** @param names what classes are called, by id */
function printClasses({ perClass, top5Error }: Report, names: ReadonlyMap<string | undefined, string>): void {
  const hasTop5 = !Number.isNaN(top5Error);
  // Two names fit a line.
  const called = (id: string): string => {
    const name = names.get(id) === id ? id : `${id} ${names.get(id)}`;
    return name.length > 22 ? `${name.slice(0, 20)}..` : name;
  };
  const width = Math.max(5, ...perClass.map(({ name }) => called(name).length));
  console.log(
    `\n${'class'.padEnd(width)}  images    top-1${hasTop5 ? '    top-5' : ''}  most often taken for`,
  );
  for (const { name, images, top1Error, top5Error: missed, takenFor } of perClass) {
    if (images === 0) continue;
    const share = hasTop5 ? `  ${percent(missed).padStart(7)}` : '';
    const wrong = takenFor ? `${called(takenFor.name)} (${takenFor.images})` : '-';
    console.log(
      `${called(name).padEnd(width)}  ${String(images).padStart(6)}  ${percent(top1Error).padStart(7)}${share}  ${wrong}`,
    );
  }
}

function printPublished(published: readonly Published[]): void {
  console.log('\npublished in 2012:');
  const width = Math.max(...published.map(({ what }) => what.length));
  for (const { what, set, crops, top1, top5 } of published) {
    const [a, b] = [top1, top5].map((error) => (error === null ? '     -' : percent(error).padStart(6)));
    console.log(
      `  ${what.padEnd(width)}  ${set.padEnd(22)} ${String(crops).padStart(2)} crops  top-1 ${a}  top-5 ${b}`,
    );
  }
}

addExamples(
  command,
  '--run runs/DATE-small',
  '--run runs/DATE-small --data FOLDER --crops 10',
  '--checkpoints runs/A,runs/B --json errors.json',
  '--weights alexnet.pth --labels names.txt --data FOLDER',
).action(main);
