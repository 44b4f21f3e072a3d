/**
 * Weights from elsewhere as a trained network: read (files.ts), recognised (fit.ts) or described by the file beside them
 * (exported.ts), and their classes named (labels.ts).
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ArgumentError, DataError } from '../../core/errors.js';
import type { HostTensor } from '../../core/state.js';
import { throwNaming } from '../../data/files.js';
import { anything, checkJson, isObject, parseJson } from '../../formats/json.js';
import { decodeNpy } from '../../formats/npy.js';
import { joinedShapes, placeLayers } from '../architecture.js';
import { tablesOf } from '../description.js';
import type { TrainedNetwork } from '../evaluation.js';
import { type ExportedDescription, exportedSchema, runOf } from './exported.js';
import { readWeights } from './files.js';
import { fitWeights, type WeightsFile } from './fit.js';
import { type WeightKindName, weightKinds } from './kinds.js';
import { findLabels, type Labels, readLabels } from './labels.js';

/** What is known of weights besides their file. */
export interface WeightsOptions {
  /** The kind they are taken for; default: the one that their names and shapes tell of. */
  readonly kind?: WeightKindName | undefined;
  /** A .npy file of the mean to subtract instead of the kind's, channels in its order: `[3]`, or `[3, 256, 256]`. */
  readonly mean?: string | undefined;
  /** A file that names the classes (see `parseLabels`); default: one beside the weights. */
  readonly labels?: string | undefined;
}

/** Weights as a trained network. */
export interface OpenedWeights extends TrainedNetwork {
  readonly kind: WeightKindName | 'exported';
  /** Which network it was taken for, and what its images go through, for people. */
  readonly about: string;
  readonly input: string;
  /** Where the names of the classes are from; null: they are numbered. */
  readonly labels: string | null;
  /** Tensors of the file that nothing was made of. */
  readonly left: readonly string[];
}

/**
 * Opens a file of weights.
 * @throws {DataError} for a file that can't be read or holds no AlexNet that is known
 * @throws {ArgumentError} where it could be of several kinds and none is named, or the mean doesn't fit
 */
export async function openWeights(path: string, options: WeightsOptions = {}): Promise<OpenedWeights> {
  const file = await readWeights(path);
  const description = options.kind === undefined ? await descriptionBeside(path) : null;
  if (description && options.mean !== undefined) {
    throw new ArgumentError(
      `${path}: ${description.beside} beside it names its mean: give no other, or the kind as well`,
    );
  }
  const opened = description ? await openExported(file, description) : await openKnown(file, options);
  const labels = options.labels ?? (opened.labels === null ? findLabels(path) : undefined);
  if (labels === undefined) return opened;
  const named = await readLabels(labels, opened.run.classes.length);
  return { ...opened, labels, run: { ...opened.run, classNames: undefined, ...named } };
}

/** What an export wrote beside weights, and its file. */
interface Described {
  readonly beside: string;
  readonly description: ExportedDescription;
}

/** The description beside weights; null where there is none, or a file that is about something else. */
async function descriptionBeside(path: string): Promise<Described | null> {
  const beside = path.replace(/\.[^.]*$/, '.json');
  if (beside === path || !existsSync(beside)) return null;
  const json = parseJson((await bytesOf(beside)).toString(), beside, anything);
  if (!isObject(json) || !('tables' in json)) return null;
  return { beside, description: checkJson(json, beside, exportedSchema) };
}

async function openExported(
  { file, tensors }: WeightsFile,
  { beside, description }: Described,
): Promise<OpenedWeights> {
  const { input, network, tables } = description;
  const { channels, size } = tables.architecture;
  const side = input.imageSize;
  const mean = await readMean(join(dirname(beside), input.mean));
  const parameters = new Map<string, HostTensor>();
  const used = new Set<string>();
  for (const name of joinedShapes(placeLayers(tables.architecture, tables.placement)).keys()) {
    // Whoever trained it further may have put something before all names: `module.`, say.
    const theirs = tensors.has(name) ? name : [...tensors.keys()].find((given) => given.endsWith(`.${name}`));
    if (theirs === undefined) throw new DataError(`${file}: ${name} is missing, which ${beside} describes`);
    parameters.set(name, tensors.get(theirs)!);
    used.add(theirs);
  }
  if (!(mean.data instanceof Float32Array) || mean.data.length !== channels * side * side)
    throw new DataError(
      `${beside}: the mean image ${input.mean} isn't ${channels} x ${side} x ${side} float32`,
    );
  return {
    kind: 'exported',
    about: `${network}, as ${beside} describes it`,
    input: `${channels} x ${size} x ${size}: ${input.pixels}`,
    labels: beside,
    left: [...tensors.keys()].filter((name) => !used.has(name)),
    run: runOf(description),
    mean: mean.data,
    parameters,
  };
}

async function openKnown(file: WeightsFile, { kind, mean }: WeightsOptions): Promise<OpenedWeights> {
  const given = mean === undefined ? undefined : await readMean(mean);
  const fitted = fitWeights(file, { kind, mean: given });
  const { net, classes, parameters, left } = fitted;
  const { about, input } = weightKinds[fitted.kind];
  const { size } = net.architecture;
  const unnamed: Labels = { classes: Array.from({ length: classes }, (_, i) => `class ${i}`) };
  return {
    kind: fitted.kind,
    about,
    input: `shorter side to ${net.recipe.imageSize} pixels, ${size} x ${size} of the centre, ${mean === undefined ? input : `less ${mean}`}`,
    labels: null,
    left,
    run: {
      net: fitted.kind,
      variant: {},
      recipe: net.recipe,
      seed: 0,
      ...unnamed,
      data: null,
      validation: null,
      limit: null,
      trainingImages: 1,
      tables: tablesOf(net, classes),
    },
    mean: fitted.mean,
    parameters,
  };
}

const bytesOf = (path: string): Promise<Buffer> => readFile(path).catch(throwNaming(path, "can't be read"));

async function readMean(path: string): Promise<HostTensor> {
  return decodeNpy(await bytesOf(path), path, { widen: true });
}
