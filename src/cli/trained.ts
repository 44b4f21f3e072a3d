/**
 * The trained network that a command works with: a run's checkpoint, or a file of weights from elsewhere.
 */
import { type Command, Option } from 'commander';
import { openCheckpoint } from '../alexnet/checkpoint.js';
import type { TrainedNetwork } from '../alexnet/evaluation.js';
import { weightEndings } from '../alexnet/weights/files.js';
import { type WeightKindName, weightKinds } from '../alexnet/weights/kinds.js';
import { openWeights } from '../alexnet/weights/open.js';
import { ArgumentError } from '../core/errors.js';
import { counted } from '../data/sources/names.js';
import { printable } from '../formats/printable.js';
import { helpList, printAbout } from './command.js';

/** Options that choose a trained network. */
export interface TrainedOptions {
  run?: string;
  weights?: string;
  as?: WeightKindName;
  labels?: string;
  mean?: string;
}

/** A trained network, and what a command needs to know of it. */
export interface Trained extends TrainedNetwork {
  readonly file: string;
  /** Whether the classes have names; those of weights from elsewhere may have numbers alone. */
  readonly named: boolean;
  /** What the network is, after how much training. */
  readonly about: string;
}

/** Adds the options that choose a trained network. */
export function addTrainedOptions(command: Command): Command {
  return command
    .option('--run <path>', "a run's folder (its best checkpoint is taken), or a checkpoint file")
    .option('--weights <file>', `weights from elsewhere: ${weightEndings.join(', ')}`)
    .addOption(
      new Option('--as <kind>', 'the kind of those weights (default: by their names)').choices(
        Object.keys(weightKinds),
      ),
    )
    .option('--labels <file>', 'their classes by name, a line each (default: a labels.txt beside them)')
    .option('--mean <file.npy>', "the mean to subtract, instead of the kind's")
    .addHelpText(
      'after',
      `\nKinds of weights:\n${helpList(Object.entries(weightKinds).map(([name, { about }]) => [name, about]))}`,
    );
}

/** Opens what the options choose, and says what it is. @throws {ArgumentError} unless they choose one network */
export async function openTrained(options: TrainedOptions): Promise<Trained> {
  const { run, weights, as: kind, labels, mean } = options;
  if ((run === undefined) === (weights === undefined))
    throw new ArgumentError('give --run DIR, or --weights FILE of a network from elsewhere');
  if (run !== undefined) {
    for (const [name, given] of Object.entries({ as: kind, labels, mean }))
      if (given !== undefined) throw new ArgumentError(`--${name} belongs to --weights; a run has its own`);
    const { checkpoint, file } = await openCheckpoint(run, 'best');
    const { state } = checkpoint;
    const about = `${checkpoint.run.net} after ${counted(state.epoch, 'epoch')}`;
    return { ...checkpoint, file, named: true, about };
  }
  const file = weights ?? '';
  const opened = await openWeights(file, { kind, labels, mean });
  const { net, classes, recipe } = opened.run;
  printAbout('weights', `${file}: ${opened.kind}, ${opened.about}`);
  printAbout('input', opened.input);
  printAbout(
    'classes',
    opened.labels === null
      ? `${classes.length}, by number alone: ImageNet's names don't come with this package; --labels FILE names them, a line each`
      : `${classes.length}, named by ${opened.labels}`,
  );
  const { left } = opened;
  if (left.length > 0) {
    const some = left.slice(0, 4).map((name) => printable(name, 40));
    printAbout('left out', `${some.join(', ')}${left.length > 4 ? ` and ${left.length - 4} more` : ''}`);
  }
  const about = `${net} with dropout ${recipe.dropoutForm}`;
  return { ...opened, file, named: opened.labels !== null, about };
}
