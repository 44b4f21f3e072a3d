/**
 * `tandem prepare`: turns ImageNet, or any class folders, into shards to train from.
 */
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { ArgumentError } from '../core/errors.js';
import { jpegDecoders } from '../data/images/jpeg/turbo.js';
import { type Prepared, type PrepareOptions, prepare } from '../data/prepare/prepare.js';
import { summaryLines } from '../data/prepare/report.js';
import { shardFiles } from '../data/shards/shardFormat.js';
import { verifyShards } from '../data/shards/shards.js';
import type { Sets } from '../data/sources/sets.js';
import { addExamples, settled } from './command.js';
import { addDataFormats, addWorkers, dataHelp, whole } from './options.js';
import { Bar } from './output.js';
import { formatDuration, percent } from './progress.js';
import { endOnSignals } from './signals.js';

interface Options {
  data?: string;
  out: string;
  validation?: string;
  groundTruth?: string;
  synsets?: string;
  size: number;
  shardImages: number;
  workers?: number;
  decoder: NonNullable<PrepareOptions['decoder']>;
  verify: boolean;
}

export const command = settled(new Command())
  .option('--data <path>', dataHelp)
  .requiredOption('--out <dir>', 'folder of the shards; interrupted work in it is gone on with')
  .option('--validation <path>', 'another folder or archive to validate with')
  .option(
    '--ground-truth <file>',
    'labels of validation images in one folder: ILSVRC2012_validation_ground_truth.txt or LOC_val_solution.csv ' +
      '(default: found among the data)',
  )
  .option(
    '--synsets <file>',
    'what the labels stand for: meta.mat, LOC_synset_mapping.txt, or lines `ID WNID` (default: found among the data)',
  )
  .option('--size <n>', 'side of the prepared images, pixels', whole(1), 256)
  .option('--shard-images <n>', 'files to a shard', whole(1), 512)
  .addOption(
    new Option(
      '--decoder <name>',
      'decodes JPEGs: libjpeg-turbo is the optional package @cornerstonejs/codec-libjpeg-turbo-8bit, several times as ' +
        'fast, with slightly other pictures; auto takes it where it is installed',
    )
      .choices([...jpegDecoders, 'auto'])
      .default('jpeg-js'),
  )
  .option('--verify', 'only read every shard of --out and compare its checksums', false);
addWorkers(addDataFormats(command));

/** A bar in a terminal, else a line every ten seconds. */
class Progress {
  private readonly bar = new Bar('[{bar}] {share}  {done} of {total} images  {rate} images/s  {left} left');
  private readonly started = performance.now();
  private finished = 0;
  private converted = 0;

  constructor(private readonly total: number) {
    this.bar.show(0, total, this.payload());
  }

  /** `kept` images were there already: they're done, but say nothing of the rate. */
  add(count: number, kept: boolean): void {
    this.finished += count;
    if (!kept) this.converted += count;
    const payload = this.payload();
    const { share, done, total, rate, left } = payload;
    const line = `${share}  ${done} of ${total} images  ${rate} images/s  ${left} left`;
    this.bar.show(done, total, payload, line);
  }

  stop(): void {
    this.bar.stop();
  }

  get imagesPerSecond(): number {
    return this.converted / ((performance.now() - this.started) / 1000);
  }

  private payload() {
    const rate = this.imagesPerSecond;
    return {
      share: percent(this.finished / this.total),
      done: this.finished,
      total: this.total,
      rate: rate.toFixed(rate < 10 ? 1 : 0),
      left: formatDuration((this.total - this.finished) / rate),
    };
  }
}

function describe({ train, validation, classes, notes }: Sets): void {
  console.log(
    `${train.length} training and ${validation?.length ?? 0} validation images, ${classes.length} classes`,
  );
  for (const note of notes) console.log(`  ${note}`);
}

function summary({ mean, summaries }: Prepared, out: string): void {
  for (const line of summaries.flatMap(summaryLines)) console.log(line);
  const rounded = (numbers: readonly number[]): string => numbers.map((x) => x.toFixed(2)).join(' ');
  console.log(`mean colour ${rounded(mean.channels)}`);
  console.log(`spread along the colours' components ${rounded(mean.pca.values.map(Math.sqrt))}`);
  console.log(`every file refused or converted oddly is named in ${join(out, shardFiles.report)}`);
}

async function verify(out: string): Promise<void> {
  let progress: Progress | undefined;
  let before = 0;
  const damaged = await verifyShards(out, (done, total) => {
    progress ??= new Progress(total);
    progress.add(done - before, false);
    before = done;
  });
  progress?.stop();
  for (const { file, picture } of damaged) console.log(`${file}: damaged, first at ${picture}`);
  if (damaged.length > 0) {
    throw new ArgumentError(
      `${damaged.length} shards are damaged: run prepare again with --data to make them anew`,
    );
  }
  console.log(`${before} images, all as their checksums say`);
}

async function main(options: Options): Promise<void> {
  endOnSignals('interrupted; the same command goes on with what is missing');
  if (options.verify) return verify(options.out);
  const { data } = options;
  if (data === undefined) throw new ArgumentError('--data: the folder or archive of the images is needed');
  let progress: Progress | undefined;
  let lastScan = performance.now();
  const prepared = await prepare({
    ...options,
    data,
    onProgress: (done, total) => {
      if (performance.now() - lastScan < 10_000) return;
      lastScan = performance.now();
      console.log(`listing the archive: ${percent(done / total)}`);
    },
    listener: {
      found: (sets) => {
        describe(sets);
        progress = new Progress(sets.train.length + (sets.validation?.length ?? 0));
      },
      done: (count, kept) => progress?.add(count, kept),
    },
  }).finally(() => progress?.stop());
  const rate = progress?.imagesPerSecond ?? 0;
  if (rate > 0) console.log(`${rate.toFixed(1)} images/s`);
  summary(prepared, options.out);
}

addExamples(
  command,
  '--data FOLDER --out shards',
  '--data ILSVRC.tar --out shards --size 256',
  '--out shards --verify',
).action(main);
